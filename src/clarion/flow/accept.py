"""Accept: what a face has decoded becomes a broadcast with its messages, its money held, or a refusal of some or all of it.

Number, encoding, segments, route and price are worked out in slices with a turn of the event loop between them; then three short
transactions: reserve, messages, publish. A broadcast of one slice takes one transaction for all three (section 2 of the design).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import structlog

from clarion.broker.interface import PLAN, carrier_topic
from clarion.core.layout import Range, lay_out
from clarion.core.phone import parse_many
from clarion.core.template import MissingVariable, Template
from clarion.core.text import measure
from clarion.flow.order import Accepted, NobodyLeft, Order, Rejection
from clarion.runtime import Runtime
from clarion.store import broadcasts, whole
from clarion.store.broadcasts import ChunkDraft, Draft, Reserved, Terms
from clarion.store.catalog import Catalog
from clarion.store.whole import Built

SLICE = 500
"""Messages that are stored by one write, and the most that an order has which is stored whole."""

STEP = 50
"""Recipients between two looks at the clock."""

TURN_S = 0.002
"""How long a long order keeps the event loop: whoever sends a single text meets several such turns on the way."""

COURTESY_S = (0.001, 0.02)
"""How often a long order looks whether a short one's write has ended, and how long it waits at most: while it works, SQLite's writer
gets the interpreter back only after a while at each step of a statement."""

SEGMENTS_MAX = 10
"""A longer text is refused for its recipient: it is nearly always a mistake, and a costly one."""

CHARACTERS_MAX = SEGMENTS_MAX * 153
"""No text that is longer has so few segments (3GPP TS 23.038): it need not be measured."""

RECIPIENT_CHARACTERS_MAX = 64
"""What is kept of a recipient that was refused."""

VALIDITY_MICROS = 72 * 3600 * 1_000_000
"""What has not gone out by then expires and is not charged: what carriers take as the life of a message themselves."""


log = structlog.get_logger(__name__)


class Unique(NamedTuple):
    """Recipients without duplicates: as first spelled, their numbers (0: none), and where they stood in the order."""

    recipients: list[str]
    numbers: list[int]
    positions: list[int]


Rendered = tuple[str | None, str, int]
"""A text for one recipient (None: the broadcast's own), its encoding and its segments. No class: making 10,000 of one takes 3 ms."""


class Outgoing(NamedTuple):
    """What may be sent, as parallel lists: the index in `Accepted.recipients`, carrier, price, text."""

    indexes: list[int]
    carriers: list[int]
    prices: list[int]
    texts: list[Rendered]


class Turn:
    """Gives others the event loop when this order has had it for long enough, whatever its numbers cost, and lets short orders pass."""

    def __init__(self, runtime: Runtime) -> None:
        self._timer = runtime.timer
        self._short_orders = runtime.short_orders
        self._until = self._timer.monotonic() + TURN_S

    async def pass_on(self) -> None:
        now = self._timer.monotonic()
        if now < self._until:
            return
        await self._timer.sleep(0)
        look_s, longest_s = COURTESY_S
        while self._short_orders.count and self._timer.monotonic() < now + longest_s:
            await self._timer.sleep(look_s)
        self._until = self._timer.monotonic() + TURN_S


async def accept(runtime: Runtime, catalog: Catalog, order: Order) -> Accepted:
    """Accept an order durably.

    Raises `broadcasts.Shortfall` for one that must be paid whole, `NobodyLeft` for one that needs a recipient, and `Unavailable`.
    """
    now = runtime.clock.now()
    turn = Turn(runtime)
    unique = await _unique(order, turn)
    # A small order asks for opt-outs in the transaction that stores it, and comes back here in the rare case that there are some.
    unwanted = await _opted_out(runtime, order, unique) if len(unique.recipients) > SLICE else set()
    while True:
        accepted = await _accept(runtime, turn, catalog, order, unique, unwanted, now)
        if isinstance(accepted, Accepted):
            return accepted
        unwanted |= accepted


def draft_of(runtime: Runtime, order: Order, lane: int, now: int) -> Draft:
    """The broadcast that an order begins."""
    return Draft(
        public_id=runtime.ids.broadcast(now),
        organization_id=order.organization.id,
        campaign_id=order.campaign_id,
        face=order.face,
        lane=lane,
        sender=order.sender,
        text=order.text,
        not_before=order.not_before,
        expires_at=(order.not_before or now) + VALIDITY_MICROS,
        now=now,
        name=order.name,
        refunds_failed=order.refunds_failed or order.organization.refunds_failed,
        pace=order.pace,
        request_id=order.request_id,
        failover_undelivered=order.organization.failover_undelivered,
    )


async def _opted_out(runtime: Runtime, order: Order, unique: Unique) -> set[int]:
    return await runtime.store.read(broadcasts.opted_out, order.organization.id, [number for number in unique.numbers if number])


async def _accept(
    runtime: Runtime, turn: Turn, catalog: Catalog, order: Order, unique: Unique, unwanted: set[int], now: int
) -> Accepted | set[int]:
    """Accept for all but the unwanted; or, of a small order, the opted-out recipients that are still in it."""
    rejections = {index: Rejection("invalid_number") for index, number in enumerate(unique.numbers) if not number}
    outgoing = await prepare(turn, catalog, order, unique, unwanted, rejections)
    if order.needs_recipient and not outgoing.indexes:
        raise NobodyLeft(unique.recipients, rejections)
    draft = draft_of(runtime, order, order.lane, now)
    offsets = await _store(runtime, turn, _Body(order, draft, unique.numbers, outgoing), unique.recipients, rejections)
    if isinstance(offsets, set):
        return offsets
    carriers = set(outgoing.carriers)
    for topic in {carrier_topic(carrier) if order.lane < 2 and order.pace is None else PLAN for carrier in carriers}:
        runtime.broker.ring(topic)
    messages, owner = len(unique.recipients) - len(rejections), order.organization.id
    ids = {"broadcast": str(draft.public_id), "organization_id": owner, "face": order.face, "lane": order.lane}
    log.info("broadcast.accepted", **ids, messages=messages, rejected=len(rejections))
    return Accepted(
        broadcast_id=draft.public_id,
        sender=order.sender,
        simulated=any(catalog.simulated(carrier) for carrier in carriers),
        created_at=now,
        recipients=unique.recipients,
        numbers=unique.numbers,
        offsets=offsets,
        rejections=rejections,
    )


async def _unique(order: Order, turn: Turn) -> Unique:
    """In whatever spelling; what is no number is a duplicate if its text is equal."""
    unique = Unique([], [], [])
    seen: set[int | str] = set()
    for start in range(0, len(order.recipients), STEP):
        texts = order.recipients[start : start + STEP]
        for position, (text, number) in enumerate(zip(texts, parse_many(texts, order.organization.region), strict=True), start):
            known = number or text
            if known not in seen:
                seen.add(known)
                unique.recipients.append(text)
                unique.numbers.append(number or 0)
                unique.positions.append(position)
        await turn.pass_on()
    return unique


async def prepare(
    turn: Turn, catalog: Catalog, order: Order, unique: Unique, unwanted: set[int], rejections: dict[int, Rejection]
) -> Outgoing:
    """Text, route and price of every recipient that may be sent to; the others get their rejection."""
    render, quote_of = _renderer(order), catalog.quoting(order.organization, order.sender)
    outgoing = Outgoing([], [], [], [])
    for index, number in enumerate(unique.numbers):
        if index % STEP == STEP - 1:
            await turn.pass_on()
        if not number:
            continue
        if number in unwanted:
            rejections[index] = Rejection("opted_out")
            continue
        quote = quote_of(number)
        if quote is None:
            rejections[index] = Rejection("no_route")
            continue
        try:
            rendered = render(unique.positions[index])
        except MissingVariable as missing:
            rejections[index] = Rejection("missing_variable", variable=missing.name)
            continue
        text, _, segments = rendered
        if text is not None and not text.strip():
            rejections[index] = Rejection("empty_text")
            continue
        if segments > SEGMENTS_MAX:
            rejections[index] = Rejection("too_long")
            continue
        outgoing.indexes.append(index)
        outgoing.carriers.append(quote.carrier_id)
        outgoing.prices.append(quote.price_milli * segments)
        outgoing.texts.append(rendered)
    return outgoing


def _renderer(order: Order) -> Callable[[int], Rendered]:
    """The text for a position of the order: measured once where it is the same for all."""
    if order.variables is None:
        size = measure(order.text)
        same = (None, size.encoding, size.segments)
        return lambda _position: same
    template, variables = Template(order.text), order.variables

    def render(position: int) -> Rendered:
        text = template.render(variables[position])
        if len(text) > CHARACTERS_MAX:
            return None, "", SEGMENTS_MAX + 1
        size = measure(text)
        return text, size.encoding, size.segments

    return render


@dataclass(frozen=True, slots=True)
class _Body:
    """All that is needed to build the rows, once the ids are known."""

    order: Order
    draft: Draft
    numbers: Sequence[int]
    outgoing: Outgoing

    def records(self, reserved: Reserved, places: Sequence[int], start: int) -> list[tuple[object, ...]]:
        """Rows of `broadcasts.MESSAGE_COLUMNS` for `places`, which are the messages from offset `start` on."""
        broadcast_id, first_id = reserved.broadcast_id, reserved.first_id + start
        organization_id, sender = self.order.organization.id, self.order.sender
        numbers, (indexes, _, prices, texts) = self.numbers, self.outgoing
        return [
            (first_id + k, broadcast_id, organization_id, numbers[indexes[place]], sender, *texts[place], prices[place])
            for k, place in enumerate(places)
        ]

    def refusals(self, reserved: Reserved, count: int) -> dict[int, Rejection]:
        """The first recipient that cannot be paid is told the amounts, every later one of the request is skipped, whatever else it is."""
        if reserved.paid == len(self.outgoing.indexes):
            return {}
        stop = self.outgoing.indexes[reserved.paid]
        refused = {index: Rejection("skipped") for index in range(stop + 1, count)}
        return refused | {stop: Rejection("insufficient_balance", self.outgoing.prices[reserved.paid], reserved.available_milli)}


async def _store(
    runtime: Runtime, turn: Turn, body: _Body, recipients: Sequence[str], rejections: dict[int, Rejection]
) -> list[int] | set[int]:
    """The three transactions; adds to the rejections what could not be paid, and returns the offsets, parallel to the recipients.

    Of a small order with opted-out recipients nothing is stored, and these are returned.
    """
    organization, carriers = body.order.organization, body.outgoing.carriers
    totals = list(accumulate(body.outgoing.prices))
    terms = Terms(body.order.partial, None if organization.billing == "none" else organization.limit_milli)

    def build(reserved: Reserved) -> Built:
        order, ranges = lay_out(carriers[: reserved.paid])
        return Built(
            body.records(reserved, order, 0),
            _chunks(reserved, ranges),
            _rejects(recipients, body.refusals(reserved, len(recipients)), rejections),
        )

    if len(recipients) <= SLICE:
        wanted = [body.numbers[index] for index in body.outgoing.indexes]
        with runtime.short_orders.one_more():
            result = await runtime.store.write(whole.accept_whole, body.draft, wanted, totals, terms, build)
        if isinstance(result, set):
            return result
        reserved = result
        places, _ = lay_out(carriers[: reserved.paid])
    else:
        reserved = await runtime.store.write(broadcasts.reserve, body.draft, totals, terms)
        places, ranges = lay_out(carriers[: reserved.paid])
        with runtime.cut_off.unless_published(reserved.broadcast_id):
            await _add_slices(runtime, turn, body, reserved, places)
            refused = _rejects(recipients, body.refusals(reserved, len(recipients)), rejections)
            await runtime.store.write(broadcasts.publish, reserved.broadcast_id, body.draft, _chunks(reserved, ranges), refused)
    await turn.pass_on()
    rejections.update(body.refusals(reserved, len(recipients)))
    offsets = [0] * len(recipients)
    for offset, place in enumerate(places, 1):
        offsets[body.outgoing.indexes[place]] = offset
    return offsets


async def _add_slices(runtime: Runtime, turn: Turn, body: _Body, reserved: Reserved, places: Sequence[int]) -> None:
    """Hand the slices over without waiting for each other's commit: the store groups them."""
    writes = []
    for start in range(0, len(places), SLICE):
        records = body.records(reserved, places[start : start + SLICE], start)
        write = runtime.store.write(broadcasts.add_messages, records, reserved.broadcast_id, runtime.clock.now())
        writes.append(asyncio.ensure_future(write))
        await turn.pass_on()
    await asyncio.gather(*writes)


def _chunks(reserved: Reserved, ranges: Sequence[Range]) -> list[ChunkDraft]:
    first = reserved.first_id
    return [ChunkDraft(first + start, first + end - 1, carrier_id) for start, end, carrier_id in ranges]


def _rejects(recipients: Sequence[str], *refused: dict[int, Rejection]) -> list[tuple[int, str, str]]:
    """Rows of `rejects`; where two reasons are known, the first mapping's."""
    reasons = {
        index: f"{rejection.reason}: {rejection.variable}" if rejection.variable else rejection.reason
        for known in reversed(refused)
        for index, rejection in known.items()
    }
    return [(index, recipients[index][:RECIPIENT_CHARACTERS_MAX], reason) for index, reason in sorted(reasons.items())]
