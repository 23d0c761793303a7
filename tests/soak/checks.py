"""What must be true at every kill and in the end: rows, money and what the carriers wrote down, against each other."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from tests.acceptance.accounts import CHARGED
from tests.soak.carriers import TOKEN, Carrier, Submit, Wire
from tests.soak.orders import Order

from clarion.core.states import COUNTED
from clarion.store import tables as t

BY_ENDING = {1: {"refused", "unknown"}, 2: {"undelivered"}, 3: {"sent", "unknown"}, 7: {"undelivered"}, 8: {"undelivered"}}
"""What becomes of a message that the steady carrier was given, by the recipient's ending; every other one is delivered, also where the
answer was lost with the process, since its receipt is there. Without one the message stays unknown."""

OPEN = {None, "waiting", "retry", "marked"}
UNSENT = {"cancelled", "suppressed", "expired"}
GONE = "the process that sent it is gone"
"""The reason of an `unknown` that a kill left."""


class Row(NamedTuple):
    """A message as the database has it. `state` None: no row."""

    recipient: str
    token: str
    state: str | None
    attempt: int
    reason: str | None
    carrier: str


class Broadcast(NamedTuple):
    """`size`: messages; `rejected`: recipients refused at accept."""

    token: str
    public_id: str
    state: str
    size: int
    rejected: int
    pace: int | None


@dataclass(frozen=True)
class Left:
    """What a killed server left: messages in doubt by carrier, messages that nobody holds up, and which of those asked for are marked."""

    doubt: Mapping[str, int]
    waiting: int
    marked: frozenset[tuple[str, str]]


def left(connection: Connection, recipients: Sequence[str]) -> Left:
    """Read the database of a dead server. `marked` is told of messages to these recipients."""
    b, c, d, k = t.broadcasts.c, t.chunks.c, t.deliveries.c, t.carriers.c
    counted: sa.ColumnElement[int] = sum((c[f"{state}_count"] for state in COUNTED), sa.literal(0))
    query = sa.select(k.name, sa.func.sum(c.marked_id - c.id + 1 - counted)).join_from(t.chunks, t.carriers, k.id == c.carrier_id)
    open_ = c.state.not_in(["done", "cancelled"])
    doubt = Counter({name: int(in_doubt) for name, in_doubt in connection.execute(query.where(open_).group_by(k.name))})
    retries = sa.select(k.name, sa.func.count()).join_from(t.deliveries, t.carriers, k.id == d.carrier_id).where(d.state == "marked")
    for name, in_doubt in connection.execute(retries.group_by(k.name)):
        doubt[name] += in_doubt
    unmarked = sa.select(sa.func.sum(c.last_id - c.marked_id)).join_from(t.chunks, t.broadcasts, b.id == c.broadcast_id)
    waiting = connection.execute(unmarked.where(open_, b.state == "accepted", b.pace.is_(None))).scalar_one() or 0
    return Left(doubt, int(waiting), frozenset(_marked(connection, recipients)))


def _marked(connection: Connection, recipients: Sequence[str]) -> Iterable[tuple[str, str]]:
    m, c, b = t.messages.c, t.chunks.c, t.broadcasts.c
    for start in range(0, len(recipients), 500):
        numbers = [int(recipient) for recipient in recipients[start : start + 500]]
        joined = t.messages.join(t.chunks, m.id.between(c.id, c.last_id)).join(t.broadcasts, b.id == m.broadcast_id)
        query = (
            sa.select(m.recipient, sa.func.coalesce(m.text, b.text))
            .select_from(joined)
            .where(m.recipient.in_(numbers), m.id <= c.marked_id)
        )
        for recipient, text in connection.execute(query):
            yield str(recipient), _token(text)


def messages(connection: Connection) -> list[Row]:
    """All of them; those of an accept that was cut off are not there for anybody."""
    m, d, b, k, c = t.messages.c, t.deliveries.c, t.broadcasts.c, t.carriers.c, t.chunks.c
    joined = (
        t.messages.join(t.broadcasts, b.id == m.broadcast_id)
        .join(t.chunks, m.id.between(c.id, c.last_id))
        .outerjoin(t.deliveries, d.message_id == m.id)
        .outerjoin(t.carriers, k.id == sa.func.coalesce(d.carrier_id, c.carrier_id))
    )
    columns = (m.recipient, sa.func.coalesce(m.text, b.text), d.state, d.attempt, d.reason, k.name)
    return [
        Row(str(recipient), _token(text), state, attempt or 1, reason, name)
        for recipient, text, state, attempt, reason, name in connection.execute(sa.select(*columns).select_from(joined))
    ]


def broadcasts(connection: Connection) -> list[Broadcast]:
    b = t.broadcasts.c
    query = sa.select(b.text, b.public_id, b.state, b.last_id - b.first_id + 1, b.rejected, b.pace)
    return [Broadcast(_token(row[0]), str(row[1]), *row[2:]) for row in connection.execute(query)]


class Kept(NamedTuple):
    """Counts of rows. `orphans`: receipts that fit no message, by carrier; `earlier_attempts`: those before the last one of a message."""

    orphans: Mapping[str, int]
    ledger_lines: int
    inbound: int
    opted_out: int
    earlier_attempts: int


def kept(connection: Connection) -> Kept:
    by_carrier = sa.select(t.carriers.c.name, sa.func.count()).join_from(t.orphans, t.carriers, t.carriers.c.id == t.orphans.c.carrier_id)
    orphans = {row[0]: row[1] for row in connection.execute(by_carrier.group_by(t.carriers.c.name))}
    tables = (t.ledger_lines, t.inbound, t.suppressions, t.attempts)
    return Kept(orphans, *(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables))


def _token(text: str | None) -> str:
    found = TOKEN.search(text or "")
    return found[0] if found else ""


# -- in the end


@dataclass
class Picture:
    """Everything that is known in the end."""

    rows: Sequence[Row]
    broadcasts: Sequence[Broadcast]
    wire: Wire
    orders: Sequence[Order]
    carriers: Mapping[str, Carrier]
    doubted: Mapping[str, int]
    """Messages found in doubt at the kills, by carrier."""

    def wrong(self) -> list[str]:
        """Sentences, none of them if all is well."""
        return [*self._messages(), *self._unasked(), *self._orders(), *self._unknown()]

    def _messages(self) -> Iterable[str]:
        for row in self.rows:
            submits = self.wire.get((row.recipient, row.token), [])
            what = f"{row.recipient} {row.token} is {row.state or 'waiting'} ({row.reason})"
            for problem in (*_doubled(row, submits), *_contradicted(row, submits)):
                yield f"{what}: {problem}; the carriers were given {[(s.carrier, s.part, hex(s.status)) for s in submits]}"

    def _unasked(self) -> Iterable[str]:
        """Nothing lost the other way round: what is on the wire was accepted, and nobody was written to who had opted out before."""
        known = {(row.recipient, row.token) for row in self.rows}
        for key in self.wire.keys() - known:
            yield f"{key} is on the wire, and no message"
        for order in self.orders:
            for recipient in order.opted_out:
                if (recipient, order.token) in self.wire:
                    yield f"{recipient} had opted out before {order.token} was asked for"

    def _orders(self) -> Iterable[str]:
        """What was answered is there as a whole; what was not is there as a whole or not at all."""
        found = {broadcast.token: broadcast for broadcast in self.broadcasts}
        taken_back = {broadcast.token for broadcast in self.broadcasts if broadcast.state == "cancelled" and not broadcast.size}
        if len(found) != len(self.broadcasts):
            yield f"{len(self.broadcasts) - len(found)} broadcasts more than were asked for"
        for order in self.orders:
            broadcast = found.get(order.token)
            if broadcast is None or order.token in taken_back:
                if order.answered:
                    yield f"{order.kind} {order.token} was accepted and is {'lost' if broadcast is None else 'taken back'}"
            elif broadcast.size + broadcast.rejected != len(order.recipients):
                yield f"{order.kind} {order.token} has {broadcast.size} + {broadcast.rejected} of {len(order.recipients)} recipients"
            elif broadcast.state not in {"completed", "cancelled"}:
                yield f"{order.kind} {order.token} is {broadcast.state}"

    def _unknown(self) -> Iterable[str]:
        """Of the kills no more messages are unknown than were found in doubt at them."""
        unknown = Counter(row.carrier for row in self.rows if row.state == "unknown" and row.reason == GONE)
        for name, count in unknown.items():
            if count > self.doubted.get(name, 0):
                yield f"{count} messages of {name} are unknown by kills, and {self.doubted.get(name, 0)} were in doubt at them"

    # -- figures

    def states(self) -> Counter[str]:
        return Counter(row.state or "waiting" for row in self.rows)

    def charged(self) -> int:
        return sum(row.state in CHARGED for row in self.rows)

    def taken(self) -> int:
        """Messages of which a carrier has every part."""
        return sum(_parts_taken(submits) == submits[0].parts for submits in self.wire.values())

    def unknown_by_kills(self) -> int:
        return sum(row.state == "unknown" and row.reason == GONE for row in self.rows)

    def doubled(self) -> int:
        return sum(1 for row in self.rows for _ in _doubled(row, self.wire.get((row.recipient, row.token), [])))


def _doubled(row: Row, submits: Sequence[Submit]) -> Iterable[str]:
    """Each part is taken once at most, and given once for each attempt that rows tell of; what was turned away was not given."""
    taken = Counter(submit.part for submit in submits if submit.taken)
    given = Counter(submit.part for submit in submits if not submit.is_turned_away)
    if taken and max(taken.values()) > 1:
        yield "a carrier has it twice"
    elif given and max(given.values()) > row.attempt:
        yield f"given {max(given.values())} times in {row.attempt} attempts"


def _contradicted(row: Row, submits: Sequence[Submit]) -> Iterable[str]:
    parts, taken = (submits[0].parts if submits else 1), _parts_taken(submits)
    if row.state in OPEN:
        yield "it has not ended"
    elif row.state in {"sent", "delivered"} and taken != parts:
        yield f"{taken} of {parts} parts are taken"
    elif row.state == "undelivered" and not taken:
        yield "no carrier has it"
    elif row.state == "refused" and taken == parts:
        yield "a carrier has it"
    elif row.state in UNSENT and taken:
        yield "a carrier has it, or a part of it"
    elif row.carrier == "steady" and row.state not in _expected(row, parts, taken, given=bool(submits)):
        yield f"not {' or '.join(sorted(_expected(row, parts, taken, given=bool(submits))))}"


def _expected(row: Row, parts: int, taken: int, *, given: bool) -> set[str]:
    """Of the steady carrier's messages, each to a person of its own."""
    if not given:
        return {"unknown", *UNSENT}
    if taken and taken < parts:
        return {"unknown"}
    return BY_ENDING.get(int(row.recipient[-4:]), {"delivered"})


def _parts_taken(submits: Sequence[Submit]) -> int:
    return len({submit.part for submit in submits if submit.taken})
