"""What is asked of the server while it lives: broadcasts by every face, single sends, files, and what people do to what runs."""

import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from tests.acceptance.harness import Server
from tests.soak.carriers import Carrier

SIZES = (40, 400)
"""Recipients of a broadcast; what all carriers take in a second is about 800."""

AGAIN_MAX = 10
"""Recipients of earlier broadcasts that one has again."""

LONG_SHARE = 0.2
LONG_RECIPIENTS_MAX = 60
"""Each is three submits."""

SHARES = {"steady": 0.5, "faulty": 0.3, "fading": 0.2}
"""Of a broadcast's recipients."""

COMMAND_SHARE = 0.3
"""Of the lives."""

Act = Callable[[], Awaitable[None]]

FILLING = "Dear customer, your parcel is on its way; "
UNICODE = "Привет, ваш заказ в пути; "
"""As a long text they come again and again with the token between, so that no part is without one."""


@dataclass
class Order:
    """Something that was asked for. `broadcast` is its id as far as it was told; without an answer nobody knows what became of it."""

    kind: str
    token: str
    recipients: frozenset[str]
    opted_out: frozenset[str] = frozenset()
    answered: bool = False
    broadcast: str = ""


@dataclass
class Customer:
    """Whoever uses the server: all chance comes from `chance`."""

    server: Server
    carriers: dict[str, Carrier]
    chance: random.Random
    folder: Path
    orders: list[Order] = field(default_factory=list)
    opted_out: set[str] = field(default_factory=set)
    commands: int = 0
    _known: list[str] = field(default_factory=list)
    """Recipients that may be written to again. None of the steady carrier's: of them it is known what must become of each message."""

    def acts(self, *, more: bool) -> list[Coroutine[Any, Any, None]]:
        """What is done at once in one life, nothing large unless there is room for `more`; now and then a command, which is slow."""
        asked: list[Act] = [self.bulk, self.bulk, self.bulk, self.teli, self.teekrr, self.scheduled] if more else [self.singles]
        chosen = [self.chance.choice(asked), self.singles] if self.chance.random() < 0.5 else [self.chance.choice(asked)]
        if self.chance.random() < COMMAND_SHARE:
            commands: list[Act] = [self.control, self.control, self.control, self.set_carrier, self.opt_out]
            chosen.append(self.chance.choice([*commands, self.file] if more else commands))
        return [_as_far_as_it_lives(act) for act in chosen]

    async def everything(self) -> None:
        """Each thing once, one after the other; what is quick comes last, so that it is under way when this ends."""
        acts: list[Act] = [self.file, self.opt_out, self.set_carrier, self.control, self.teli]
        for act in [*acts, self.scheduled, self.singles, self.teekrr, self.bulk]:
            await act()

    # -- by the APIs

    async def bulk(self) -> None:
        """TalkNTalk's, to people of whom some had a text before."""
        order, text = self._order("bulk", self._size(), again=self.chance.randrange(AGAIN_MAX))
        answer = await self._post("/v1/sms/send-bulk/", {"recipients": [*order.recipients], "message": text, "sender_id": "SOAK"}, order)
        order.broadcast = answer["campaign_id"]

    async def singles(self) -> None:
        """TalkNTalk's, one after the other."""
        for _ in range(self.chance.randint(1, 5)):
            order, text = self._order("single", 1)
            await self._post("/v1/sms/send/", {"mobile": next(iter(order.recipients)), "message": text, "sender_id": "SOAK"}, order)

    async def teli(self) -> None:
        """A campaign with its contacts, and a bulk send that waits for outcomes."""
        order, text = self._order("teli", self.chance.randint(*SIZES) // 4)
        phones = [f"+{recipient}" for recipient in order.recipients]
        (organization,) = (await self._get("/v1/organizations"))["organizations"]
        campaign = {
            "campaign_id": order.token,
            "campaign_name": order.token,
            "organization_id": organization["unique_id"],
            "user_id": "somebody",
            "sms_agent_id": "an agent",
            "teli_sms_number": "+15550001111",
            "contacts": [{"phone_number": phone} for phone in phones],
        }
        self.orders.remove(order)
        await self._post("/v1/campaigns", campaign)
        self.orders.append(order)
        await self._post("/v1/sms/bulk-send", {"campaign_id": order.token, "phone_numbers": phones, "message": text}, order)

    async def teekrr(self) -> None:
        """At once, with values of its own for each recipient."""
        order, text = self._order("teekrr", self.chance.randint(*SIZES) // 2, short=True)
        variables = [{"recipient": recipient, "variables": {"name": f"N{recipient[-3:]}"}} for recipient in order.recipients]
        body = {"campaignName": order.token, "type": "quick broadcast", "templateContent": f"{{name}}: {text}"}
        await self._post("/sms", body | {"recipientVariables": variables}, order)

    async def scheduled(self) -> None:
        """In a few seconds: in this life of the server or in the next."""
        order, text = self._order("scheduled", self.chance.randint(*SIZES) // 2)
        at = (datetime.now(UTC) + timedelta(seconds=self.chance.randint(1, 6))).isoformat()
        body = {"campaignName": order.token, "type": "schedule broadcast", "scheduledAt": at, "templateContent": text}
        await self._post("/sms", body | {"recipients": [*order.recipients]}, order)

    # -- by commands beside the server

    async def file(self) -> None:
        """`broadcasts import`; it does not need the server, so its death cuts nothing off."""
        order, text = self._order("file", self._size(), short=True)
        path = self.folder / f"{order.token.strip('#')}.csv"
        path.write_text("phone,name\n" + "".join(f"{recipient},N{recipient[-3:]}\n" for recipient in order.recipients))
        done = await self._command("broadcasts", "import", "--file", str(path), "--text", f"{{name}}: {text}", "--sender", "SOAK")
        path.unlink()
        order.answered, order.broadcast = True, done["id"]

    async def control(self) -> None:
        """Pause, go on, cancel or pace one of the last broadcasts; all but some of those that stand still go on again."""
        running = [order.broadcast for order in self.orders[-8:] if order.broadcast]
        if not running:
            return
        broadcast = self.chance.choice(running)
        what = self.chance.choice(["pause", "resume", "resume", "cancel", "pace", "pace"])
        options = {"cancel": ("--yes",), "pace": (self.chance.choice(["off", "600/min", "50/s", "200/s"]),)}.get(what, ())
        # A broadcast that is over refuses; so it may be by now.
        await self._command("broadcasts", what, broadcast, *options, may_fail=True)

    async def set_carrier(self) -> None:
        """Another window, rate or price in the middle of everything."""
        carrier = self.chance.choice([*self.carriers.values()])
        if self.chance.random() < 0.5:
            await self._command("carriers", "set", carrier.name, "--price", self.chance.choice(["0.80", "1.00", "1.25"]))
        else:
            url = carrier.url(self.chance.choice(carrier.windows), self.chance.choice([carrier.rate, carrier.rate // 2]))
            await self._command("carriers", "set", carrier.name, "--url", url)

    async def opt_out(self) -> None:
        """People of a broadcast that may be under way."""
        if len(self._known) < AGAIN_MAX:
            return
        numbers = self.chance.sample(self._known[-400:], 5)
        await self._command("optouts", "add", *(f"+{number}" for number in numbers))
        self.opted_out.update(numbers)

    # -- how they are made

    def _order(self, kind: str, size: int, *, again: int = 0, short: bool = False) -> tuple[Order, str]:
        token = f"#{self.chance.getrandbits(32):08x}#"
        is_long = not short and self.chance.random() < LONG_SHARE
        names = self.chance.choices([*SHARES], [*SHARES.values()], k=min(size, LONG_RECIPIENTS_MAX) if is_long else size)
        # Of the steady carrier's endings one never answers: its parts would wait for the whole timer, one after the other.
        fresh = [self.carriers[name].number(aimed=not is_long) for name in names]
        old = self.chance.sample(self._known, min(again, len(self._known))) if not is_long else []
        order = Order(kind, token, frozenset(fresh + old), frozenset(self.opted_out & {*old}))
        self._known += [number for name, number in zip(names, fresh, strict=True) if name != "steady"]
        self.orders.append(order)
        return order, self._text(token, is_long=is_long)

    def _text(self, token: str, *, is_long: bool) -> str:
        unicode = self.chance.random() < 0.2
        if not is_long:
            return f"{UNICODE if unicode else FILLING}{token}"
        return (f"{UNICODE}{token} " if unicode else f"{FILLING}{token} ") * (4 if unicode else 7)

    def _size(self) -> int:
        low, high = SIZES
        # One in six is accepted in slices.
        return self.chance.randint(high, 3 * high) if self.chance.random() < 0.17 else self.chance.randint(low, high)

    async def _post(self, path: str, body: Any, order: Order | None = None) -> Any:
        response = await self.server.post(path, body)
        # Teekrr's limit is off; what is left of refusals is a recipient's own.
        assert response.status_code in {200, 201, 207}, (path, response.status_code, response.text[:500])
        if order is not None:
            order.answered = True
        return response.json()

    async def _get(self, path: str) -> Any:
        response = await self.server.client.get(f"{self.server.url}{path}", headers={"Authorization": f"Bearer {self.server.key}"})
        assert response.status_code == 200, (path, response.text[:500])
        return response.json()

    async def _command(self, *arguments: str, may_fail: bool = False) -> Any:
        self.commands += 1
        try:
            return await self.server.command(*arguments)
        except AssertionError:
            if not may_fail:
                raise
            return {}


async def _as_far_as_it_lives(act: Act) -> None:
    """What the server's death cuts off stays unanswered."""
    with suppress(httpx.TransportError):
        await act()
