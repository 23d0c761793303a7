"""What became of each message: outcomes and receipts move its row forward, and every move is settled in the same transaction.

`settle` is the one place where a move reaches counters, money and the ends of chunks and broadcasts. It is given exactly the rows
that a guarded statement moved, which is what makes every charge happen once (laws 3 and 4 of the design).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection

from clarion.core.states import CHARGED, COUNTED, HELD, RANK, RELEASED, UNSETTLED, Money, State, money_of
from clarion.store import money, rows
from clarion.store.facts import AttemptFact, Fact, OfChunk, PartFact

Moved = tuple[int, int, int, str, str, int]
"""A message that went from one state to another: chunk, broadcast, organization, old state, new state, price in thousandths."""


class _Held(Struct, frozen=True, gc=False, array_like=True):
    message_id: int
    state: str
    attempt: int
    carrier_id: int | None
    charged_milli: int


_ROW = {
    "message_id": "bigint",
    "chunk_id": "bigint",
    "state": "text",
    "rank": "smallint",
    "attempt": "smallint",
    "carrier_id": "bigint",
    "carrier_reference": "text",
    "reason": "text",
    "charged_milli": "bigint",
    "due_at": "bigint",
    "sent_at": "bigint",
    "doubt_at": "bigint",
}
_INSERT = f"INSERT INTO deliveries ({', '.join(_ROW)}, updated_at) SELECT {', '.join(_ROW)}, :now FROM v WHERE true"
_UPDATE = (
    "UPDATE deliveries SET state = v.state, rank = v.rank, attempt = v.attempt, carrier_id = v.carrier_id,"
    # A new attempt has no answer yet, and so no reference and no time at which a carrier took it.
    " carrier_reference = CASE WHEN v.state = 'retry' THEN NULL ELSE coalesce(v.carrier_reference, deliveries.carrier_reference) END,"
    " reason = v.reason, charged_milli = deliveries.charged_milli + v.charged_milli, due_at = v.due_at,"
    " sent_at = CASE WHEN v.state = 'retry' THEN NULL ELSE coalesce(deliveries.sent_at, v.sent_at) END, updated_at = :now,"
    " doubt_at = v.doubt_at"
    " FROM v WHERE deliveries.message_id = v.message_id"
    f" AND deliveries.rank < {RANK[State.DELIVERED]} AND (deliveries.attempt, deliveries.rank) < (v.attempt, v.rank)"
)


def record(
    connection: Connection,
    facts: Sequence[Fact],
    now: int,
    parts: Sequence[PartFact] = (),
    attempts: Sequence[AttemptFact] = (),
) -> None:
    """Write what attempts came to, and settle it. Facts that a row is already beyond move nothing."""
    record_attempts(connection, attempts, now)
    if parts:
        rows.execute(
            connection,
            "INSERT INTO parts (message_id, attempt, part, carrier_id, carrier_reference, state, reason, shape, updated_at)"
            " SELECT message_id, attempt, part, carrier_id, carrier_reference, state, reason, shape, :now FROM v WHERE true"
            " ON CONFLICT (message_id, attempt, part) DO UPDATE SET state = excluded.state,"
            " carrier_reference = coalesce(excluded.carrier_reference, parts.carrier_reference), reason = excluded.reason,"
            " updated_at = excluded.updated_at WHERE parts.state IN ('unknown')",
            v=(
                {
                    "message_id": "bigint",
                    "attempt": "smallint",
                    "part": "smallint",
                    "carrier_id": "bigint",
                    "carrier_reference": "text",
                    "state": "text",
                    "reason": "text",
                    "shape": "text",
                },
                parts,
            ),
            now=now,
        )
    written = rows.inserted(connection, _INSERT, "message_id", (_ROW, [_row(fact, State.WAITING, now) for fact in facts]), now=now)
    if written is None:
        settle(connection, [_moved(fact, State.WAITING) for fact in facts], now)
        return
    moved: list[Moved] = []
    left: list[Fact] = []
    for fact in facts:
        if fact.message_id in written:
            # A second fact of the same message in this batch finds the row of the first.
            written.discard(fact.message_id)
            moved.append(_moved(fact, State.WAITING))
        else:
            left.append(fact)
    settle(connection, moved + advance(connection, left, now), now)


def advance(connection: Connection, facts: Sequence[Fact], now: int, *, failing_over: bool = False) -> list[Moved]:
    """Move existing rows forward, under the guard, and return those that moved; the caller settles them.

    A fact about an earlier attempt is kept in `attempts`; only `delivered` still makes the message delivered. A retry begins no
    attempt of a message that has ended meanwhile; with `failing_over`, of one that was sent.
    """
    open_ = HELD | {State.SENT} if failing_over else HELD
    found = rows.read(
        connection,
        _Held,
        "SELECT d.message_id, d.state, d.attempt, d.carrier_id, d.charged_milli FROM v JOIN deliveries d ON d.message_id = v.message_id"
        + rows.for_update(connection, "d"),
        v=({"message_id": "bigint"}, [(message_id,) for message_id in sorted({fact.message_id for fact in facts})]),
    )
    current = {held.message_id: (held.state, held.attempt, held.carrier_id) for held in found}
    charged = {held.message_id for held in found if held.charged_milli}
    latest: dict[int, Fact] = {}
    superseded: dict[tuple[int, int], AttemptFact] = {}
    for fact in facts:
        if fact.message_id not in current:
            continue
        state, attempt, carrier_id = current[fact.message_id]
        if fact.attempt < attempt:
            said = AttemptFact(fact.message_id, fact.attempt, fact.carrier_id, fact.reference, fact.state, fact.reason)
            last = superseded.setdefault((fact.message_id, fact.attempt), said)
            if RANK[last.outcome] < RANK[said.outcome]:
                superseded[fact.message_id, fact.attempt] = said
            if fact.state != State.DELIVERED:
                continue
            fact = fact._replace(attempt=attempt, carrier_id=carrier_id, reference=None)  # noqa: PLW2901
        if fact.message_id in charged:
            fact = _charged_already(fact, state)  # noqa: PLW2901
        known = latest.get(fact.message_id)
        held = (known.attempt, known.state) if known else (attempt, state)
        if fact.state == State.RETRY and held[1] not in open_:
            continue
        # Delivered is the end, whatever attempt a fact is about.
        if held[1] != State.DELIVERED and (held[0], RANK[held[1]]) < (fact.attempt, RANK[fact.state]):
            latest[fact.message_id] = fact
    record_attempts(connection, list(superseded.values()), now)
    data = [_row(fact, current[fact.message_id][0], now) for fact in latest.values()]
    changed = rows.changed(connection, _UPDATE, "deliveries.message_id", (_ROW, data), now=now)
    return [_moved(latest[message_id], current[message_id][0]) for message_id in (latest if changed is None else changed)]


def _charged_already(fact: Fact, old: str) -> Fact:
    """A message that a carrier took once costs nothing more, and if it is not delivered after all it is undelivered, whatever ends it."""
    ends = fact.state in RELEASED and old in HELD
    return fact._replace(price_milli=0, state=State.UNDELIVERED if ends else fact.state)


def count_moves(messages: Sequence[OfChunk], old: State, new: State) -> Counter[Moved]:
    """The moves of messages that all went from `old` to `new`: of a chunk they differ in their prices alone."""
    counts = Counter([(message.chunk_id, message.price_milli) for message in messages])
    chunks = {message.chunk_id: (message.broadcast_id, message.organization_id) for message in messages}
    return Counter({(chunk_id, *chunks[chunk_id], old, new, price_milli): n for (chunk_id, price_milli), n in counts.items()})


def settle(connection: Connection, moved: Iterable[Moved], now: int) -> None:
    """As `settle_counted`, for moves that were not counted yet."""
    settle_counted(connection, Counter(moved), now)


def settle_counted(connection: Connection, moved: Mapping[Moved, int], now: int) -> None:
    """Carry moves into the counters of chunks, the holds and the ledger, and end chunks and broadcasts that have nothing left to do.

    `moved` says how many messages moved so. What moves to undelivered is refunded where its broadcast says so, if it was charged before
    or is now.
    """
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    charges: dict[tuple[int, int], int] = defaultdict(int)
    releases: dict[tuple[int, int], int] = defaultdict(int)
    failed: dict[int, int] = {}
    reopened: set[int] = set()
    for (chunk_id, broadcast_id, organization_id, old, new, price_milli), n in moved.items():
        changes = counts[chunk_id]
        changes[new] += n
        if old != State.WAITING:
            changes[old] -= n
        match money_of(old, new):
            case Money.CHARGE:
                charges[broadcast_id, organization_id] += n * price_milli
            case Money.RELEASE:
                releases[broadcast_id, organization_id] += n * price_milli
        if new == State.UNDELIVERED:
            failed[chunk_id] = broadcast_id
        elif new == State.RETRY and old not in UNSETTLED:
            reopened.add(chunk_id)
    if not counts:
        return
    ended = _count(connection, counts)
    if reopened:
        _reopen_chunks(connection, reopened)
    end_chunks(connection, ended, now)
    refunds = _take_back(connection, failed) if failed else {}
    money.draw_holds(connection, charges, releases, now, refunds)


def _take_back(connection: Connection, failed: Mapping[int, int]) -> dict[tuple[int, int], int]:
    """Uncharge failed messages whose broadcasts refund them. `failed` are chunks with moves to undelivered, and their broadcasts.

    Returns the sums to refund: the prices of exactly the rows that were charged until now. One that the same batch has brought on to
    delivered keeps its charge.
    """
    found = rows.execute(
        connection,
        "SELECT b.id FROM v JOIN broadcasts b ON b.id = v.id WHERE b.refunds_failed",
        v=({"id": "bigint"}, [(broadcast_id,) for broadcast_id in sorted(set(failed.values()))]),
    )
    refunding = {broadcast_id for (broadcast_id,) in found}
    uncharged: list[tuple[int]] = []
    for chunk_id in sorted(failed):
        if failed[chunk_id] in refunding:
            uncharged += rows.all(connection, _UNCHARGE, chunk_id=chunk_id)
    sums: dict[tuple[int, int], int] = defaultdict(int)
    for broadcast_id, organization_id, price_milli in rows.execute(
        connection,
        "SELECT m.broadcast_id, m.organization_id, m.price_milli FROM v JOIN messages m ON m.id = v.id",
        v=({"id": "bigint"}, uncharged),
    ):
        sums[broadcast_id, organization_id] += price_milli
    return sums


_UNCHARGE = (
    "UPDATE deliveries SET charged_milli = 0 WHERE message_id >= :chunk_id"
    " AND message_id <= (SELECT last_id FROM chunks WHERE id = :chunk_id) AND state = 'undelivered' AND charged_milli <> 0"
    " RETURNING message_id"
)
"""By chunk, because moves are counted, not listed; a broadcast that refunds has no other rows like these."""


_SETTLED = " + ".join(f"{state}_count" for state in COUNTED if state not in UNSETTLED)
ENDED = f"chunks.state = 'claimed' AND chunks.marked_id = chunks.last_id AND {_SETTLED} = chunks.last_id - chunks.id + 1"
"""Whether a chunk has nothing left to do."""

_COUNTERS = {"id": "bigint"} | {f"{state}_change": "int" for state in COUNTED}
_COUNT = (
    "UPDATE chunks SET "
    + ", ".join(f"{state}_count = {state}_count + v.{state}_change" for state in COUNTED)
    + f" FROM v WHERE chunks.id = v.id RETURNING chunks.id, chunks.broadcast_id, {ENDED}"
)


def _count(connection: Connection, counts: dict[int, dict[str, int]]) -> list[tuple[int, int]]:
    data = [(chunk_id, *(counts[chunk_id].get(state, 0) for state in COUNTED)) for chunk_id in sorted(counts)]
    return [(chunk_id, broadcast_id) for chunk_id, broadcast_id, ended in rows.execute(connection, _COUNT, v=(_COUNTERS, data)) if ended]


def end_chunks(connection: Connection, ended: Sequence[tuple[int, int]], now: int) -> None:
    """End chunks, given with their broadcasts, and the broadcasts that have no other open."""
    if not ended:
        return
    rows.execute(
        connection,
        "UPDATE chunks SET state = 'done', bind_id = NULL, fence = NULL FROM v WHERE chunks.id = v.id",
        v=({"id": "bigint"}, [(chunk_id,) for chunk_id, _ in ended]),
    )
    per_broadcast: dict[int, int] = defaultdict(int)
    for _, broadcast_id in ended:
        per_broadcast[broadcast_id] += 1
    rows.execute(
        connection,
        "UPDATE broadcasts SET open_chunks = open_chunks - v.n,"
        " state = CASE WHEN open_chunks > v.n THEN state WHEN state = 'cancelling' THEN 'cancelled'"
        " WHEN state IN ('accepted', 'paused') THEN 'completed' ELSE state END,"
        " finished_at = CASE WHEN open_chunks = v.n AND finished_at IS NULL THEN :now ELSE finished_at END"
        " FROM v WHERE broadcasts.id = v.id",
        v=({"id": "bigint", "n": "int"}, sorted(per_broadcast.items())),
        now=now,
    )


def _reopen_chunks(connection: Connection, chunk_ids: Iterable[int]) -> None:
    """What is to be tried again after its chunk had ended opens the chunk, and its broadcast, which is not completed any more."""
    opened = rows.execute(
        connection,
        "UPDATE chunks SET state = 'claimed' FROM v WHERE chunks.id = v.id AND chunks.state = 'done'"
        f" AND {_SETTLED} < chunks.last_id - chunks.id + 1 RETURNING chunks.broadcast_id",
        v=({"id": "bigint"}, [(chunk_id,) for chunk_id in sorted(chunk_ids)]),
    )
    rows.execute(
        connection,
        "UPDATE broadcasts SET open_chunks = open_chunks + v.n, finished_at = NULL,"
        " state = CASE WHEN state = 'completed' THEN 'accepted' ELSE state END FROM v WHERE broadcasts.id = v.id",
        v=({"id": "bigint", "n": "int"}, sorted(Counter(broadcast_id for (broadcast_id,) in opened).items())),
    )


def record_attempts(connection: Connection, attempts: Sequence[AttemptFact], now: int) -> None:
    """Keep how earlier attempts ended; what is said of one that is kept already is what a receipt, or an answer, said later."""
    if not attempts:
        return
    rows.execute(
        connection,
        "INSERT INTO attempts (message_id, attempt, carrier_id, carrier_reference, outcome, reason, ended_at)"
        " SELECT message_id, attempt, carrier_id, carrier_reference, outcome, reason, :now FROM v WHERE true"
        " ON CONFLICT (message_id, attempt) DO UPDATE SET receipt = excluded.outcome,"
        " carrier_reference = coalesce(attempts.carrier_reference, excluded.carrier_reference)",
        v=(
            {
                "message_id": "bigint",
                "attempt": "smallint",
                "carrier_id": "bigint",
                "carrier_reference": "text",
                "outcome": "text",
                "reason": "text",
            },
            attempts,
        ),
        now=now,
    )


def _row(fact: Fact, old: str, now: int) -> tuple[object, ...]:
    charged = fact.price_milli if money_of(old, fact.state) is Money.CHARGE else 0
    return (
        fact.message_id,
        fact.chunk_id,
        fact.state,
        RANK[fact.state],
        fact.attempt,
        fact.carrier_id,
        fact.reference,
        fact.reason,
        charged,
        fact.due_at,
        now if fact.state in CHARGED else None,
        now if fact.state == State.UNKNOWN else None,
    )


def _moved(fact: Fact, old: str) -> Moved:
    return fact.chunk_id, fact.broadcast_id, fact.organization_id, old, fact.state, fact.price_milli
