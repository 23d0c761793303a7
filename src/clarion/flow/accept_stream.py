"""Accept, for what does not fit into memory: one broadcast from a stream of rows, reserved, deduplicated and stored slice by slice.

What the rows become is worked out as for every order (`accept.prepare`), while the slice before is being stored. Nothing of it is seen
or sent until the last transaction publishes it; an end before that takes it back, here or by sweep.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple, Protocol
from uuid import UUID

from clarion.broker.interface import PLAN
from clarion.core.layout import lay_out
from clarion.core.phone import parse_many
from clarion.core.sheet import Row
from clarion.core.template import Template
from clarion.flow.accept import RECIPIENT_CHARACTERS_MAX, SLICE, Outgoing, Turn, Unique, draft_of, prepare
from clarion.flow.order import Order, Rejection
from clarion.runtime import Runtime
from clarion.store import broadcasts, imports, wallets
from clarion.store.broadcasts import ChunkDraft
from clarion.store.catalog import Catalog
from clarion.store.imports import Begun, Landed, Slice
from clarion.store.scratch import SeenNumbers

LANE = 2

REST_S = 0.010
"""The least that a file's writer leaves the database to another process between two slices. SQLite's busy handler looks again after 1, 3,
8 and 18 ms: with a rest of 10 ms, or as long as the slice took, whoever waits gets in at its first look after the commit."""

NOT_PAID = "insufficient_balance"


@dataclass(frozen=True, slots=True)
class Stream:
    """What is to be sent to whom. `order` has everything but recipients and values; `rows_max` bounds how many rows there can be.

    `whole`: where the money does not last for all, nothing is accepted. `beside`: whether another process writes to the same file.
    """

    order: Order
    rows: Iterable[Row]
    rows_max: int
    whole: bool = False
    beside: Callable[[], bool] = lambda: False


class Fault(NamedTuple):
    """A row that got no message: where, what it had as its recipient, and why (as `accept.Rejection`, or `duplicate`)."""

    line: int
    recipient: str
    reason: str


@dataclass(slots=True)
class Tally:
    """How far it is. `reasons` counts the rows without a message; `is_short`: the wallet could not pay for all.

    `payable` is for how many rows it could, where for that reason none was accepted.
    """

    rows: int = 0
    accepted: int = 0
    segments: int = 0
    amount_milli: int = 0
    available_milli: int = 0
    is_short: bool = False
    payable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Told(Protocol):
    """Who follows an import: each row without a message, and the tally after each slice."""

    def fault(self, fault: Fault) -> None: ...

    def progress(self, tally: Tally) -> None: ...


class _Prepared(NamedTuple):
    """A slice as it is known before the database was asked."""

    batch: Sequence[Row]
    faults: list[Fault]
    piece: Slice
    unique: Unique
    outgoing: Outgoing


class Imported(NamedTuple):
    """What became of a stream. `broadcast_id` None: nothing was accepted; `simulated`: the built-in simulator takes some of it."""

    broadcast_id: UUID | None
    tally: Tally
    simulated: bool


async def accept_stream(runtime: Runtime, catalog: Catalog, stream: Stream, told: Told) -> Imported:
    """Accept a stream durably. What ends it early, an error or a cancelled caller, takes back what was stored.

    Raises `broadcasts.Abandoned` where sweep was there first, and what reading the rows raises.
    """
    order, now = stream.order, runtime.clock.now()
    draft = draft_of(runtime, order, LANE, now)
    begun = await runtime.write_patiently(imports.begin, draft, max(stream.rows_max, 1), billed=order.organization.billing != "none")
    store = _Store(runtime, stream, begun)
    try:
        tally = await _run(runtime, catalog, stream, store, told)
        if _is_nothing(stream, tally):
            await _take_back(runtime, begun, NOT_PAID)
            if not tally.accepted:
                await runtime.write_patiently(imports.forget, begun)
            return Imported(None, await _with_nothing(runtime, stream, tally), simulated=False)
        rejected = sum(tally.reasons.values()) - tally.reasons["duplicate"] - tally.reasons["skipped"] - tally.reasons[NOT_PAID]
        finished = draft._replace(now=runtime.clock.now())
        await runtime.write_patiently(imports.finish, begun, finished, store.chunks, rejected)
    except BaseException:
        await _take_back(runtime, begun, broadcasts.INTERRUPTED)
        raise
    runtime.broker.ring(PLAN)
    carriers = {chunk.carrier_id for chunk in store.chunks}
    return Imported(draft.public_id, tally, simulated=any(catalog.simulated(carrier) for carrier in carriers))


async def rehearse(runtime: Runtime, catalog: Catalog, stream: Stream, told: Told) -> Tally:
    """What `accept_stream` would do with the stream, as far as opt-outs, prices and the wallet are now; nothing is written."""
    with SeenNumbers() as seen:
        owner = stream.order.organization
        available = None if owner.billing == "none" else (await runtime.store.read(wallets.wallet_of, owner.id)).available_milli
        tally = await _run(runtime, catalog, stream, _Rehearsal(runtime, stream, seen, available), told)
        return await _with_nothing(runtime, stream, tally) if _is_nothing(stream, tally) else tally


def _is_nothing(stream: Stream, tally: Tally) -> bool:
    return not tally.accepted or (tally.is_short and stream.whole)


async def _with_nothing(runtime: Runtime, stream: Stream, tally: Tally) -> Tally:
    """What is told where nothing is accepted: the wallet as it is without what the stream had taken of it."""
    owner = stream.order.organization
    available = 0 if owner.billing == "none" else (await runtime.store.read(wallets.wallet_of, owner.id)).available_milli
    return replace(tally, accepted=0, segments=0, amount_milli=0, available_milli=available, payable=tally.accepted)


class _Landing(Protocol):
    """Where slices go."""

    async def land(self, prepared: _Prepared) -> Landed: ...


class _Store:
    """The database: the messages of a broadcast that was begun. `chunks` are those of what is stored so far."""

    def __init__(self, runtime: Runtime, stream: Stream, begun: Begun) -> None:
        self._runtime = runtime
        self._stream = stream
        self._begun = begun
        self._next_id = begun.first_id
        self.chunks: list[ChunkDraft] = []

    async def land(self, prepared: _Prepared) -> Landed:
        runtime, organization = self._runtime, self._stream.order.organization
        piece = prepared.piece._replace(start_id=self._next_id)
        carriers = prepared.outgoing.carriers

        def build(kept: Sequence[int]) -> list[tuple[object, ...]]:
            places, _ = lay_out([carriers[place] for place in kept])
            return [self._record(prepared, piece.start_id + k, kept[place]) for k, place in enumerate(places)]

        held_s = runtime.store.stats.held_s
        landed = await runtime.write_patiently(
            imports.land,
            self._begun,
            organization.id,
            piece,
            [
                (fault.line, fault.recipient[:RECIPIENT_CHARACTERS_MAX], fault.reason)
                for fault in prepared.faults
                if fault.reason != "duplicate"
            ],
            None if organization.billing == "none" else organization.limit_milli,
            build,
            runtime.clock.now(),
        )
        _, ranges = lay_out([carriers[place] for place in landed.kept])
        self.chunks += [ChunkDraft(self._next_id + start, self._next_id + end - 1, carrier_id) for start, end, carrier_id in ranges]
        self._next_id += len(landed.kept)
        if self._stream.beside():
            await runtime.timer.sleep(max(REST_S, runtime.store.stats.held_s - held_s))
        return landed

    def _record(self, prepared: _Prepared, message_id: int, place: int) -> tuple[object, ...]:
        """A row of `broadcasts.MESSAGE_COLUMNS`."""
        order, outgoing = self._stream.order, prepared.outgoing
        number = prepared.unique.numbers[outgoing.indexes[place]]
        return (
            message_id,
            self._begun.broadcast_id,
            order.organization.id,
            number,
            order.sender,
            *outgoing.texts[place],
            outgoing.prices[place],
        )


class _Rehearsal:
    """Memory of what would be there."""

    def __init__(self, runtime: Runtime, stream: Stream, seen: SeenNumbers, available_milli: int | None) -> None:
        self._runtime = runtime
        self._organization = stream.order.organization
        self._seen = seen
        self._available_milli = available_milli

    async def land(self, prepared: _Prepared) -> Landed:
        numbers, prices, places = prepared.piece.numbers, prepared.piece.prices, range(len(prepared.piece.numbers))
        stopped = await self._runtime.store.read(broadcasts.opted_out, self._organization.id, numbers)
        known = self._seen.add([number for number in numbers if number not in stopped])
        wanted = [place for place in places if numbers[place] not in stopped and numbers[place] not in known]
        kept, reserved, available = wanted, sum(prices[place] for place in wanted), self._available_milli or 0
        if self._available_milli is not None:
            kept, reserved = [], 0
            for place in wanted:
                if reserved + prices[place] > available + self._organization.limit_milli:
                    break
                kept.append(place)
                reserved += prices[place]
            self._available_milli = available - reserved
        return Landed(
            kept,
            [place for place in places if numbers[place] in stopped],
            [place for place in places if numbers[place] in known],
            wanted[len(kept) :],
            available,
            reserved,
        )


async def _run(runtime: Runtime, catalog: Catalog, stream: Stream, target: _Landing, told: Told) -> Tally:
    """All slices: while one is being stored, the next one is prepared."""
    tally, turn = Tally(), Turn(runtime)
    personal = bool(Template(stream.order.text).variables)
    rows = iter(stream.rows)
    landing: tuple[asyncio.Task[Landed], _Prepared] | None = None
    try:
        while batch := list(islice(rows, SLICE)):
            prepared = await _prepare_slice(turn, catalog, stream.order, batch, personal=personal)
            # Also where nothing is being stored yet: its writer gets the event loop before the next slice is read.
            if landing is not None:
                _count(tally, told, landing[1], await landing[0])
                if tally.is_short:
                    _skip(tally, told, batch)
                    break
            landing = (asyncio.create_task(target.land(prepared)), prepared)
            await runtime.timer.sleep(0)
        else:
            if landing is not None:
                _count(tally, told, landing[1], await landing[0])
    except BaseException:
        if landing is not None:
            # What was begun ends before it is taken back.
            await asyncio.wait({landing[0]})
        raise
    if tally.is_short:
        for batch in _batches(rows):
            _skip(tally, told, batch)
            await runtime.timer.sleep(0)
    told.progress(tally)
    return tally


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, SLICE)):
        yield batch


async def _prepare_slice(turn: Turn, catalog: Catalog, order: Order, batch: Sequence[Row], *, personal: bool) -> _Prepared:
    readable = [row for row in batch if row.fault is None]
    faults = [Fault(row.line, row.recipient, row.fault) for row in batch if row.fault is not None]
    unique, seen = Unique([], [], []), set[int]()
    for position, (row, number) in enumerate(
        zip(readable, parse_many([row.recipient for row in readable], order.organization.region), strict=True)
    ):
        if number is None or number in seen:
            faults.append(Fault(row.line, row.recipient, "invalid_number" if number is None else "duplicate"))
            continue
        seen.add(number)
        unique.recipients.append(row.recipient)
        unique.numbers.append(number)
        unique.positions.append(position)
    values: list[Mapping[str, object]] | None = [row.values for row in readable] if personal else None
    rejections: dict[int, Rejection] = {}
    outgoing = await prepare(turn, catalog, replace(order, variables=values), unique, set(), rejections)
    faults += [
        Fault(readable[unique.positions[index]].line, unique.recipients[index], told_reason(rejection))
        for index, rejection in rejections.items()
    ]
    lines = [readable[position].line for position in unique.positions]
    piece = Slice(
        numbers=[unique.numbers[index] for index in outgoing.indexes],
        prices=outgoing.prices,
        texts=[unique.recipients[index][:RECIPIENT_CHARACTERS_MAX] for index in outgoing.indexes],
        positions=[lines[index] for index in outgoing.indexes],
        start_id=0,
    )
    return _Prepared(batch, faults, piece, unique, outgoing)


def told_reason(rejection: Rejection) -> str:
    """As rows of `rejects` say it."""
    return f"{rejection.reason}: {rejection.variable}" if rejection.variable else rejection.reason


def _count(tally: Tally, told: Told, prepared: _Prepared, landed: Landed) -> None:
    piece = prepared.piece
    faults = list(prepared.faults)
    faults += [Fault(piece.positions[place], piece.texts[place], "opted_out") for place in landed.unwanted]
    faults += [Fault(piece.positions[place], piece.texts[place], "duplicate") for place in landed.known]
    faults += [
        Fault(piece.positions[place], piece.texts[place], "skipped" if number else NOT_PAID) for number, place in enumerate(landed.unpaid)
    ]
    for fault in sorted(faults):
        tally.reasons[fault.reason.partition(":")[0]] += 1
        told.fault(fault)
    tally.rows += len(prepared.batch)
    tally.accepted += len(landed.kept)
    tally.segments += sum(prepared.outgoing.texts[place][2] for place in landed.kept)
    tally.amount_milli += landed.reserved_milli
    tally.available_milli = landed.available_milli - landed.reserved_milli
    tally.is_short = bool(landed.unpaid)
    told.progress(tally)


def _skip(tally: Tally, told: Told, batch: Sequence[Row]) -> None:
    """Rows behind the one that could not be paid: nobody looks at what is in them."""
    tally.rows += len(batch)
    tally.reasons["skipped"] += len(batch)
    for row in batch:
        told.fault(Fault(row.line, row.recipient[:RECIPIENT_CHARACTERS_MAX], "skipped"))


async def _take_back(runtime: Runtime, begun: Begun, reason: str) -> None:
    while await runtime.write_patiently(broadcasts.withdraw, begun.broadcast_id, reason, runtime.clock.now()):
        pass
