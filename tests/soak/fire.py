"""The run: lives of a server under load, each ended by SIGKILL at an instant that chance chooses, and a quiet end."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, server
from tests.soak import checks
from tests.soak.carriers import Carrier, Wire, add_to, new_wire, three_carriers
from tests.soak.checks import Kept, Picture
from tests.soak.orders import Customer

from clarion.flow.sweep import ABANDONED_MICROS

IN_START_SHARE = 0.25
"""So many kills hit a process that is just starting, and taking up what the last one left."""

AFTER_S = 1.2
"""A kill comes within this time of the first bind; one in a start within the time that the last start took."""

BACKLOG_MAX = 2_000
"""Messages that may wait before no more are added: a life sends some hundreds."""

DEATH_SHARE = 0.06
"""How often the fading carrier dies; it is back two lives later."""

AWAY_LIVES = 2

COMMITS_S = 0.3

STILL_S = 20.0
"""In the end something is wrong if it has not changed for so long. Late receipts come after 3 s, and what they may belong to besides is
looked for 5 s later."""

END_S = 300.0
LOOK_S = 1.0

TOPPED_UP = "10000000.00"


@dataclass
class Outcome:
    """What a run comes to; `wrong` is empty if all is well."""

    seed: int
    engine: str
    kills: int
    seconds: float = 0.0
    in_start: int = 0
    bound_s: list[float] = field(default_factory=list)
    doubt: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    picture: Picture | None = None
    kept: Kept | None = None
    doctor: dict[str, Any] = field(default_factory=dict)
    commands: int = 0


@dataclass
class Fire:
    """A server, its carriers and its customer. `tell` is called with what goes on, after every kill and in the end."""

    server: Server
    carriers: dict[str, Carrier]
    customer: Customer
    chance: random.Random
    outcome: Outcome
    tell: Callable[[int, str], None]
    wire: Wire = field(default_factory=new_wire)
    waiting: int = 0
    _back_at: int = 0

    async def run(self) -> None:
        """Everything; what is wrong is in the outcome."""
        await self.server.start()
        await self.server.command("organizations", "set", "default", "--rate-limits", "off")
        await self.server.top_up(TOPPED_UP)
        for carrier in self.carriers.values():
            url = carrier.url(carrier.windows[0], carrier.rate)
            await self.server.command("carriers", "add", carrier.name, url, "--price", "1.00", "--prefix", f"+{carrier.prefix}")
        await self.server.bound()
        await self.customer.everything()
        self.server.kill()
        await self._examine(0)
        for number in range(1, self.outcome.kills + 1):
            await self._life(number)
            self.tell(number, f"{len(self.wire):,} on the wire, {len(self.customer.orders)} orders")
        await self._end()

    async def _life(self, number: int) -> None:
        """From a launch to a kill, and what the dead one left."""
        self._let_die_and_return(number)
        launched = time.monotonic()
        self.server.launch()
        acts: list[asyncio.Task[None]] = []
        after_s = AFTER_S
        if number > 1 and self.chance.random() < IN_START_SHARE:
            self.outcome.in_start += 1
            after_s = max(AFTER_S, *self.outcome.bound_s[-1:])
        else:
            await self.server.bound()
            self.outcome.bound_s.append(time.monotonic() - launched)
            more = self.waiting < BACKLOG_MAX
            acts = [asyncio.create_task(act) for act in self.customer.acts(more=more)]
        await asyncio.sleep(self.chance.random() * after_s)
        self.server.kill()
        # A command goes on beside the dead server; while it writes, the file cannot be copied.
        for ended in await asyncio.gather(*acts, return_exceptions=True):
            if isinstance(ended, BaseException):
                self._is_wrong(f"kill {number}: {type(ended).__name__}: {ended}")
        await self._examine(number)

    def _let_die_and_return(self, number: int) -> None:
        fading = self.carriers["fading"]
        if not fading.up and number >= self._back_at:
            fading.start()
        elif fading.up and self.chance.random() < DEATH_SHARE:
            fading.die()
            self._back_at = number + AWAY_LIVES

    async def _examine(self, number: int) -> None:
        if self.server.postgres_url:
            # A commit that was under way at the kill may still be made.
            await asyncio.sleep(COMMITS_S)
        news = [submit for carrier in self.carriers.values() for submit in carrier.news()]
        add_to(self.wire, news)
        keys = {(submit.recipient, submit.token) for submit in news}
        left = await self.server.left(lambda connection: checks.left(connection, sorted({recipient for recipient, _ in keys})))
        self.waiting = left.waiting
        for name, carrier in self.carriers.items():
            doubt = left.doubt.get(name, 0)
            self.outcome.doubt.setdefault(name, []).append(doubt)
            if doubt > carrier.doubt_max:
                self._is_wrong(f"kill {number}: {doubt} messages of {name} are in doubt, more than {carrier.doubt_max}")
        unmarked = keys - left.marked
        if unmarked:
            self._is_wrong(f"kill {number}: {len(unmarked)} on the wire that were never marked, like {min(unmarked)}")

    async def _end(self) -> None:
        """On a calendar on which the accepts that were cut off are long over."""
        for carrier in self.carriers.values():
            if not carrier.up:
                carrier.start()
        later = datetime.now(UTC) + timedelta(seconds=1 + ABANDONED_MICROS / 1e6)
        self.server.clock = f"start={later:%Y-%m-%dT%H:%M:%SZ},rate=1"
        await self.server.start()
        await self._let_go()
        picture = await self._settle()
        self.outcome.picture = picture
        self.outcome.wrong += picture.wrong()
        self.outcome.kept = await self.server.look(checks.kept)
        if strange := self.outcome.kept.orphans.get("steady", 0):
            # Those of the others may be of a part that was never answered, or of somebody else's message.
            self._is_wrong(f"{strange} receipts of the steady carrier fit no message")
        self.outcome.doctor = await self._doctor()
        try:
            await self.server.look(assert_exact)
        except AssertionError as error:
            self._is_wrong(f"the money is not what the messages say: {error}")
        for carrier in self.carriers.values():
            carrier.count()
        code, _ = await self.server.terminate()
        if code:
            self._is_wrong(f"the server ended with {code}")

    async def _let_go(self) -> None:
        """What stands or is paced goes on."""
        for broadcast in await self.server.look(checks.broadcasts):
            if broadcast.state == "paused":
                await self.server.command("broadcasts", "resume", broadcast.public_id)
            if broadcast.pace is not None and broadcast.state not in {"completed", "cancelled"}:
                await self.server.command("broadcasts", "pace", broadcast.public_id, "off")

    async def _settle(self) -> Picture:
        """Until nothing is wrong and nothing moves any more, or what is wrong has not changed for a long time."""
        begun = since = time.monotonic()
        last: Counter[str] | None = None
        while True:
            picture = await self._look()
            states, wrong, now = picture.states(), picture.wrong(), time.monotonic()
            if states != last:
                last, since = states, now
            still_s = now - since
            self.tell(self.outcome.kills, f"the end: {len(wrong):,} not settled")
            if (still_s > STILL_S / 2 and not wrong) or still_s > STILL_S or now - begun > END_S:
                return picture
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> Picture:
        for carrier in self.carriers.values():
            add_to(self.wire, carrier.news())
        doubted = {name: sum(found) for name, found in self.outcome.doubt.items()}
        rows, broadcasts = await self.server.look(lambda connection: (checks.messages(connection), checks.broadcasts(connection)))
        return Picture(rows, broadcasts, self.wire, self.customer.orders, self.carriers, doubted)

    async def _doctor(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = await self.server.command("doctor")
        except AssertionError as error:
            self._is_wrong(f"doctor: {error}")
            return {"healthy": False, "findings": []}
        return said

    def _is_wrong(self, what: str) -> None:
        self.outcome.wrong.append(what)


async def soak(
    folder: Path, engine: str, postgres_url: str | None, seed: int, kills: int, tell: Callable[[int, str], None] = lambda *_: None
) -> Outcome:
    """A whole run in an empty folder."""
    outcome = Outcome(seed, engine, kills)
    begun = time.monotonic()
    with three_carriers(folder, seed) as carriers:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(server(folder / "data", postgres_url, "--outcome-wait-s", "1"))
            here.client.timeout = PATIENCE_S
            customer = Customer(here, carriers, random.Random(f"{seed} {engine} orders"), folder)
            fire = Fire(here, carriers, customer, random.Random(f"{seed} {engine}"), outcome, tell)
            try:
                await fire.run()
            except Exception as error:  # noqa: BLE001  (whatever it is, the figures so far are worth seeing)
                outcome.wrong.append(f"the run broke off: {type(error).__name__}: {error}")
            outcome.commands = customer.commands
    outcome.seconds = time.monotonic() - begun
    return outcome
