"""The guard of the life cycle (laws 3 and 4): whatever facts and receipts come, in any order, states move forward and money moves once."""

from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.flow.hand import NOW, PRICE, Hand, by_hand, counters_are_exact, ledger_is_exact

from clarion.core.states import HELD, RANK, UNSETTLED, State
from clarion.core.submission import Receipt
from clarion.store import Store, deliveries, outcomes, receipts
from clarion.store import tables as t
from clarion.store.catalog import Catalog
from clarion.store.facts import Fact
from clarion.store.outcomes import Batch, LateAnswer

MESSAGES = 6
"""Of one broadcast, in two chunks of three."""

FACTS = [State.RETRY, State.UNKNOWN, State.SENT, State.REFUSED, State.SUPPRESSED, State.EXPIRED, State.UNDETERMINED, State.CANCELLED]
FINAL = ["delivered", "undelivered", ""]


class Said(NamedTuple):
    """Something that is claimed of a message: `attempt` counts from the one that it is in."""

    message: int
    attempt: int
    state: str


places = st.integers(0, MESSAGES - 1)
said = st.builds(Said, places, st.integers(-1, 1), st.sampled_from(FACTS))
steps = st.one_of(
    st.tuples(st.just("record"), st.lists(said, min_size=1, max_size=5)),
    st.tuples(st.just("receipts"), st.lists(st.builds(Said, places, st.integers(-1, 0), st.sampled_from(FINAL)), min_size=1, max_size=5)),
    st.tuples(st.just("late"), st.lists(st.builds(Said, places, st.just(0), st.sampled_from([State.SENT, State.REFUSED])), max_size=3)),
    st.tuples(st.just("mark"), st.lists(st.builds(Said, places, st.just(0), st.just("")), min_size=1, max_size=2)),
)


class Played(NamedTuple):
    """The broadcast that an example plays with."""

    broadcast_id: int
    organization_id: int
    carrier_id: int
    first_id: int
    refunds: bool
    catalog: Catalog | None
    """With a second carrier, and a broadcast that tries it after a failed receipt."""


def play(connection: Connection, hand: Played, script: list[tuple[str, list[Said]]]) -> None:
    """Apply a script step by step and check after each."""
    rows: dict[int, tuple[int, int]] = {}
    charges: dict[int, int] = {}
    for name, data in script:
        before = _rows(connection, hand)
        if name == "mark":
            _mark(connection, hand, data)
        else:
            _apply(connection, hand, name, data, before)
        after = _rows(connection, hand)
        for message_id, row in after.items():
            assert rows.get(message_id, (0, 0)) <= (row.attempt, RANK[row.state]), f"{before.get(message_id)} -> {row}"
            assert message_id not in before or before[message_id].state != State.DELIVERED or row.state == State.DELIVERED
            rows[message_id] = (row.attempt, RANK[row.state])
            if hand.refunds and row.state == State.UNDELIVERED:
                # Whatever it was charged before: a failure gives it back, and nothing charges it again.
                charges[message_id] = 0
            # What failed and is tried elsewhere is charged already.
            if row.state not in HELD or row.charged_milli:
                assert charges.setdefault(message_id, row.charged_milli) == row.charged_milli
        counters_are_exact(connection)
        ledger_is_exact(connection)
        hold = connection.execute(sa.select(t.holds).where(t.holds.c.broadcast_id == hand.broadcast_id)).one()
        assert hold.charged_milli == sum(charges.values())
        assert hold.released_milli == PRICE * list(charges.values()).count(0)


class Row(NamedTuple):
    """Where a message stands."""

    attempt: int
    state: str
    charged_milli: int


def _rows(connection: Connection, hand: Played) -> dict[int, Row]:
    d = t.deliveries.c
    found = connection.execute(
        sa.select(d.message_id, d.attempt, d.state, d.charged_milli, d.rank).where(
            d.message_id.between(hand.first_id, hand.first_id + MESSAGES - 1)
        )
    ).all()
    assert all(row.rank == RANK[row.state] for row in found)
    return {message_id: Row(*row) for message_id, *row, _ in found}


def _mark(connection: Connection, hand: Played, data: list[Said]) -> None:
    """Move the mark of a chunk one further, as `take` does."""
    for one in data:
        c = t.chunks.c
        connection.execute(
            sa.update(t.chunks)
            .where(c.id == hand.first_id + one.message // 3 * 3, c.marked_id < c.last_id)
            .values(marked_id=c.marked_id + 1, state="claimed")
        )


def _apply(connection: Connection, hand: Played, name: str, data: list[Said], before: dict[int, Row]) -> None:
    marked = {
        message_id
        for chunk_id, marked_id in connection.execute(sa.select(t.chunks.c.id, t.chunks.c.marked_id))
        for message_id in range(chunk_id, marked_id + 1)
    }
    never = Row(1, State.WAITING, 0)
    usable = []
    for one in data:
        message_id = hand.first_id + one.message
        if message_id in marked:
            usable.append((message_id, max(1, before.get(message_id, never).attempt + one.attempt), one.state))
    if name == "record":
        # A new attempt begins only while the last one has not ended, as every stage has it; delivered is to withstand it.
        facts = [
            _fact(hand, message_id, attempt, state)
            for message_id, attempt, state in usable
            if attempt <= before.get(message_id, never).attempt
            or (state == State.RETRY and before.get(message_id, never).state in UNSETTLED | {State.DELIVERED})
        ]
        # In one batch too, an attempt does not end and begin again.
        begun = {fact.message_id for fact in facts if fact.state == State.RETRY}
        deliveries.record(connection, [fact for fact in facts if fact.message_id not in begun or fact.state == State.RETRY], NOW)
    elif name == "receipts":
        notes = [
            Receipt(f"m{message_id}a{attempt}", str(_recipient(hand, message_id)), "CLARION", state, "why", -1, b"")
            for message_id, attempt, state in usable
        ]
        receipts.record_receipts(connection, hand.carrier_id, None, notes, NOW, hand.catalog)
    else:
        late = {
            message_id: LateAnswer(message_id, attempt, state, f"m{message_id}a{attempt}" if state == State.SENT else None, None)
            for message_id, attempt, state in usable
            if message_id in before
        }
        outcomes.record_outcomes(connection, Batch(hand.carrier_id, [], [], [], list(late.values())), None, NOW, hand.catalog)


def _fact(hand: Played, message_id: int, attempt: int, state: str) -> Fact:
    chunk_id = hand.first_id + (message_id - hand.first_id) // 3 * 3
    reference = f"m{message_id}a{attempt}" if state == State.SENT else None
    due_at = NOW if state == State.RETRY else None
    return Fact(
        message_id, chunk_id, hand.broadcast_id, hand.organization_id, PRICE, attempt, state, hand.carrier_id, reference, None, due_at
    )


def _recipient(hand: Played, message_id: int) -> int:
    return 254_700_000_000 + message_id - hand.first_id


async def _begin(hand: Hand, *, refunds: bool, fails_over: bool) -> Played:
    """A broadcast of two chunks of three messages, on the road."""
    accepted = await hand.accept(MESSAGES, lane=0, refunds_failed=refunds)
    view = await hand.view(accepted)
    first = view.first_id
    await hand.run(f"UPDATE chunks SET last_id = {first + 2} WHERE id = {first}")
    await hand.run(
        "INSERT INTO chunks (id, broadcast_id, organization_id, carrier_id, lane, marked_id, last_id, opens_at, state)"
        f" SELECT {first + 3}, broadcast_id, organization_id, carrier_id, lane, {first + 2}, {first + 5}, opens_at, 'ready'"
        f" FROM chunks WHERE id = {first}"
    )
    await hand.run(f"UPDATE broadcasts SET open_chunks = 2 WHERE id = {view.id}")
    catalog = None
    if fails_over:
        await hand.run("UPDATE broadcasts SET failover_undelivered = true")
        await hand.carrier("two")
        catalog = await hand.settings.catalog()
    return Played(view.id, hand.organization.id, hand.carrier_id, first, refunds, catalog)


class _Undone(Exception):
    """Ends an example; nothing of it stays."""


def _play_and_undo(connection: Connection, hand: Played, script: list[tuple[str, list[Said]]]) -> None:
    play(connection, hand, script)
    raise _Undone


@pytest.fixture(params=["kept", "refunded", "kept, failing over", "refunded, failing over"])
async def played(store: Store, request: pytest.FixtureRequest) -> Played:
    refunds, fails_over = request.param.startswith("refunded"), request.param.endswith("over")
    return await _begin(await by_hand(store), refunds=refunds, fails_over=fails_over)


def limits(examples: int) -> settings:
    """The store is shared by the examples, each of which is rolled back."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
marked = ("mark", [Said(place, 0, "") for place in range(MESSAGES)] * 3)
sent = ("record", [Said(place, 0, State.SENT) for place in range(MESSAGES)])
delivered = ("receipts", [Said(place, 0, State.DELIVERED) for place in range(0, MESSAGES, 2)])
beginnings: list[list[Any]] = [[], [marked], [marked, sent], [marked, sent, delivered]]
scripts = st.builds(lambda first, some: [*first, *some], st.sampled_from(beginnings), st.lists(steps, min_size=3, max_size=8))


@on_sqlite
@limits(120)
@given(script=scripts)
async def test_nothing_goes_back_and_money_moves_once(store: Store, played: Played, script: Any) -> None:
    """Random facts, receipts and late answers, doubled, superseded and out of order."""
    with pytest.raises(_Undone):
        await store.write(_play_and_undo, played, script)


@on_postgres
@limits(25)
@given(script=scripts)
async def test_nothing_goes_back_and_money_moves_once_on_postgres(store: Store, played: Played, script: Any) -> None:
    """As above: the statements' texts differ there, and so does what one statement sees of itself."""
    with pytest.raises(_Undone):
        await store.write(_play_and_undo, played, script)
