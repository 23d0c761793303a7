"""Accept: what a face has decoded becomes a broadcast with its messages, its money held, or a refusal of some or all of it.

Number, encoding, segments, route and price are worked out in slices with a turn of the event loop between them; then three short
transactions: reserve, messages, publish. A broadcast of one slice takes one transaction for all three (section 2 of the design).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

from clarion.broker.interface import PLAN, carrier_topic
from clarion.core.layout import Range, lay_out
from clarion.core.phone import parse_many
from clarion.core.text import measure
from clarion.runtime import Runtime
from clarion.store import broadcasts
from clarion.store.broadcasts import Built, ChunkDraft, Draft, Reserved, Terms
from clarion.store.catalog import Catalog, Organization

SLICE = 500
"""Recipients between two turns of the event loop: about 2 ms of work."""

SEGMENTS_MAX = 10
"""A longer text is refused for its recipient: it is nearly always a mistake, and a costly one."""

RECIPIENT_CHARACTERS_MAX = 64
"""What is kept of a recipient that was refused."""

VALIDITY_MICROS = 72 * 3600 * 1_000_000
"""What has not gone out by then expires and is not charged: what carriers take as the life of a message themselves."""


@dataclass(frozen=True, slots=True)
class Order:
    """A request to send. `partial`: a wallet that cannot pay for all pays for the first ones, else nothing is accepted (`Shortfall`)."""

    organization: Organization
    face: str
    lane: int
    text: str
    sender: str | None
    recipients: Sequence[str]
    partial: bool


class Rejection(NamedTuple):
    """Why a recipient gets no message: invalid_number, opted_out, no_route, too_long, insufficient_balance or skipped.

    The amounts belong to insufficient_balance: the price of this message, and what the wallet held at that point.
    """

    reason: str
    required_milli: int = 0
    available_milli: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an order. The lists are parallel: the unique recipients as first spelled, in the order of the request.

    `numbers` are E.164 digits (0: no number), `offsets` make the public ids of messages (0: rejected), `rejections` are by index.
    """

    broadcast_id: UUID
    sender: str | None
    simulated: bool
    created_at: int
    recipients: list[str]
    numbers: list[int]
    offsets: list[int]
    rejections: dict[int, Rejection] = field(default_factory=dict)


class _Priced(NamedTuple):
    """The recipients that may be sent to, by their index in `Accepted.recipients`, with carrier and price."""

    indexes: list[int]
    carriers: list[int]
    prices: list[int]


async def accept(runtime: Runtime, catalog: Catalog, order: Order) -> Accepted:
    """Accept an order durably. Raises `broadcasts.Shortfall` for one that must be paid whole, and the store's `Unavailable`."""
    now = runtime.clock.now()
    recipients, numbers = await _unique(runtime, order)
    # A small order asks for opt-outs in the transaction that stores it, and comes back here in the rare case that there are some.
    unwanted = await _opted_out(runtime, order, numbers) if len(recipients) > SLICE else set()
    while True:
        accepted = await _accept(runtime, catalog, order, recipients, numbers, unwanted, now)
        if isinstance(accepted, Accepted):
            return accepted
        unwanted |= accepted


async def _opted_out(runtime: Runtime, order: Order, numbers: Sequence[int]) -> set[int]:
    return await runtime.store.read(broadcasts.opted_out, order.organization.id, [number for number in numbers if number])


async def _accept(
    runtime: Runtime, catalog: Catalog, order: Order, recipients: list[str], numbers: list[int], unwanted: set[int], now: int
) -> Accepted | set[int]:
    """Accept for all but the unwanted; or, of a small order, the opted-out recipients that are still in it."""
    encoding, segments, _ = measure(order.text)
    rejections = {index: Rejection("invalid_number") for index, number in enumerate(numbers) if not number}
    priced = await _price(runtime, catalog, order, numbers, segments, unwanted, rejections)
    draft = Draft(
        public_id=runtime.ids.broadcast(now),
        organization_id=order.organization.id,
        face=order.face,
        lane=order.lane,
        sender=order.sender,
        text=order.text,
        expires_at=now + VALIDITY_MICROS,
        now=now,
    )
    body = _Body(order, draft, numbers, priced, encoding, segments)
    offsets = await _store(runtime, body, recipients, rejections)
    if isinstance(offsets, set):
        return offsets
    carriers = set(priced.carriers)
    for topic in {carrier_topic(carrier) if order.lane < 2 else PLAN for carrier in carriers}:
        runtime.broker.ring(topic)
    return Accepted(
        broadcast_id=draft.public_id,
        sender=order.sender,
        simulated=any(catalog.simulated(carrier) for carrier in carriers),
        created_at=now,
        recipients=recipients,
        numbers=numbers,
        offsets=offsets,
        rejections=rejections,
    )


async def _unique(runtime: Runtime, order: Order) -> tuple[list[str], list[int]]:
    """Recipients without duplicates, in whatever spelling, and their numbers; what is no number is a duplicate if its text is equal."""
    recipients: list[str] = []
    numbers: list[int] = []
    seen: set[int | str] = set()
    for start in range(0, len(order.recipients), SLICE):
        texts = order.recipients[start : start + SLICE]
        for text, number in zip(texts, parse_many(texts, order.organization.region), strict=True):
            known = number or text
            if known not in seen:
                seen.add(known)
                recipients.append(text)
                numbers.append(number or 0)
        if len(order.recipients) > SLICE:
            await runtime.timer.sleep(0)
    return recipients, numbers


async def _price(
    runtime: Runtime,
    catalog: Catalog,
    order: Order,
    numbers: Sequence[int],
    segments: int,
    unwanted: set[int],
    rejections: dict[int, Rejection],
) -> _Priced:
    priced = _Priced([], [], [])
    for index, number in enumerate(numbers):
        if index % SLICE == SLICE - 1:
            await runtime.timer.sleep(0)
        if not number:
            continue
        quote = catalog.quote(number, order.organization)
        if number in unwanted:
            rejections[index] = Rejection("opted_out")
        elif segments > SEGMENTS_MAX:
            rejections[index] = Rejection("too_long")
        elif quote is None:
            rejections[index] = Rejection("no_route")
        else:
            priced.indexes.append(index)
            priced.carriers.append(quote.carrier_id)
            priced.prices.append(quote.price_milli * segments)
    return priced


@dataclass(frozen=True, slots=True)
class _Body:
    """All that is needed to build the rows, once the ids are known."""

    order: Order
    draft: Draft
    numbers: Sequence[int]
    priced: _Priced
    encoding: str
    segments: int

    def records(self, reserved: Reserved, places: Sequence[int], start: int) -> list[tuple[object, ...]]:
        """Rows of `broadcasts.MESSAGE_COLUMNS` for `places`, which are the messages from offset `start` on."""
        broadcast_id, first_id = reserved.broadcast_id, reserved.first_id + start
        organization_id, sender = self.order.organization.id, self.order.sender
        numbers, indexes, prices = self.numbers, self.priced.indexes, self.priced.prices
        return [
            (
                first_id + k,
                broadcast_id,
                organization_id,
                numbers[indexes[place]],
                sender,
                None,
                self.encoding,
                self.segments,
                prices[place],
            )
            for k, place in enumerate(places)
        ]

    def refusals(self, reserved: Reserved, count: int) -> dict[int, Rejection]:
        """The first recipient that cannot be paid is told the amounts, every later one of the request is skipped, whatever else it is."""
        if reserved.paid == len(self.priced.indexes):
            return {}
        stop = self.priced.indexes[reserved.paid]
        refused = {index: Rejection("skipped") for index in range(stop + 1, count)}
        return refused | {stop: Rejection("insufficient_balance", self.priced.prices[reserved.paid], reserved.available_milli)}


async def _store(runtime: Runtime, body: _Body, recipients: Sequence[str], rejections: dict[int, Rejection]) -> list[int] | set[int]:
    """The three transactions; adds to the rejections what could not be paid, and returns the offsets, parallel to the recipients.

    Of a small order with opted-out recipients nothing is stored, and these are returned.
    """
    organization, carriers = body.order.organization, body.priced.carriers
    totals = list(accumulate(body.priced.prices))
    terms = Terms(body.order.partial, None if organization.billing == "none" else organization.limit_milli)

    def build(reserved: Reserved) -> Built:
        order, ranges = lay_out(carriers[: reserved.paid])
        return Built(
            body.records(reserved, order, 0),
            _chunks(reserved, ranges),
            _rejects(recipients, body.refusals(reserved, len(recipients)), rejections),
        )

    if len(recipients) <= SLICE:
        wanted = [body.numbers[index] for index in body.priced.indexes]
        result = await runtime.store.write(broadcasts.accept_whole, body.draft, wanted, totals, terms, build)
        if isinstance(result, set):
            return result
        reserved = result
        places, _ = lay_out(carriers[: reserved.paid])
    else:
        reserved = await runtime.store.write(broadcasts.reserve, body.draft, totals, terms)
        places, ranges = lay_out(carriers[: reserved.paid])
        await _add_slices(runtime, body, reserved, places)
        refused = _rejects(recipients, body.refusals(reserved, len(recipients)), rejections)
        await runtime.store.write(broadcasts.publish, reserved.broadcast_id, body.draft, _chunks(reserved, ranges), refused)
    rejections.update(body.refusals(reserved, len(recipients)))
    offsets = [0] * len(recipients)
    for offset, place in enumerate(places, 1):
        offsets[body.priced.indexes[place]] = offset
    return offsets


async def _add_slices(runtime: Runtime, body: _Body, reserved: Reserved, places: Sequence[int]) -> None:
    """Hand the slices over without waiting for each other's commit: the store groups them."""
    writes = []
    for start in range(0, len(places), SLICE):
        records = body.records(reserved, places[start : start + SLICE], start)
        write = runtime.store.write(broadcasts.add_messages, records, reserved.broadcast_id, runtime.clock.now())
        writes.append(asyncio.ensure_future(write))
        await runtime.timer.sleep(0)
    await asyncio.gather(*writes)


def _chunks(reserved: Reserved, ranges: Sequence[Range]) -> list[ChunkDraft]:
    first = reserved.first_id
    return [ChunkDraft(first + start, first + end - 1, carrier_id) for start, end, carrier_id in ranges]


def _rejects(recipients: Sequence[str], *refused: dict[int, Rejection]) -> list[tuple[int, str, str]]:
    """Rows of `rejects`; where two reasons are known, the first mapping's."""
    reasons = {index: rejection.reason for known in reversed(refused) for index, rejection in known.items()}
    return [(index, recipients[index][:RECIPIENT_CHARACTERS_MAX], reason) for index, reason in sorted(reasons.items())]
