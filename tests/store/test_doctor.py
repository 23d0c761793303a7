"""The doctor finds nothing in what the program wrote, and everything that was put wrong afterwards."""

from collections.abc import Callable
from typing import Any

import pytest

from clarion.core.states import State
from clarion.core.submission import Receipt
from clarion.store import (
    Store,
    binds,
    broadcasts,
    carriers,
    catalog,
    deliveries,
    history,
    housekeeping,
    marks,
    orphans,
    receipts,
    rows,
    tenants,
    views,
    wallets,
    whole,
)
from clarion.store.doctor import CHECKS, EXAMPLES_MAX, examine
from clarion.store.facts import AttemptFact, Fact
from clarion.store.whole import Built
from clarion.wiring.machine import SystemIds

Outside = Callable[[str], list[tuple[Any, ...]]]

NOW = 1_774_700_000_000_000
HOUR = 3_600_000_000
PRICE = 100_000
ORGANIZATION = tenants.NewOrganization("Acme")
NORTH = carriers.NewCarrier("north", "smpp://acme@127.0.0.1:2775", "", "", "1.00")


@pytest.fixture
async def world(store: Store) -> Store:
    """Six messages of one broadcast: delivered, undelivered, refused, unknown, to be sent again, and one not marked yet."""
    public_id = SystemIds().broadcast(NOW)
    await store.write(tenants.create_organization, ORGANIZATION, public_id, NOW)
    acme = await store.read(catalog.load_organization, "Acme")
    assert acme is not None
    await store.write(wallets.top_up_wallet, acme, 50 * PRICE, NOW)
    carrier_id = await store.write(carriers.add_carrier, NORTH, NOW)
    draft = broadcasts.Draft(public_id, acme.id, None, "talkntalk", 0, None, "Hello", None, NOW + 72 * HOUR, NOW)

    def build(reserved: broadcasts.Reserved) -> Built:
        first, broadcast_id = reserved.first_id, reserved.broadcast_id
        records = [(first + k, broadcast_id, acme.id, 254_712_000_000 + k, None, None, "gsm7", 1, PRICE) for k in range(6)]
        return Built(records, [broadcasts.ChunkDraft(first, first + 5, carrier_id)], [])

    totals = [PRICE * (k + 1) for k in range(6)]
    await store.write(
        whole.accept_whole,
        draft,
        [254_712_000_000 + k for k in range(6)],
        totals,
        broadcasts.Terms(partial=True, limit_milli=0),
        build,
    )
    lease = await store.write(binds.acquire, carrier_id, 0, store.owner, NOW)
    assert lease is not None
    taken = await store.write(marks.take, lease.bind_id, carrier_id, lease.fence, 5, 5, {}, NOW)
    first = taken.messages[0].message_id

    def fact(place: int, state: str, *, attempt: int = 1, due_at: int | None = None) -> Fact:
        message = taken.messages[place]
        reference = str(700 + place) if state == State.SENT else None
        reason = "busy" if state == State.RETRY else "no" if state == State.REFUSED else None
        return Fact(
            message.message_id,
            message.chunk_id,
            message.broadcast_id,
            acme.id,
            PRICE,
            attempt,
            state,
            carrier_id,
            reference,
            reason,
            due_at,
        )

    facts = [fact(0, State.SENT), fact(1, State.SENT), fact(2, State.REFUSED), fact(3, State.UNKNOWN)]
    facts.append(fact(4, State.RETRY, attempt=2, due_at=NOW + HOUR))
    await store.write(deliveries.record, facts, NOW + 1, (), [AttemptFact(first + 4, 1, carrier_id, None, "throttled", "busy")])
    notes = [
        Receipt("700", "254712000000", "", "delivered", "DELIVRD", -1, b""),
        Receipt("701", "254712000001", "", "undelivered", "UNDELIV err:034", -1, b""),
    ]
    await store.write(receipts.record_receipts, carrier_id, None, notes, NOW + 2)
    return store


async def codes(store: Store, now: int = NOW + 60_000_000) -> set[str]:
    return {finding.code for finding in await store.read(examine, now)}


async def test_a_healthy_database_has_no_findings(world: Store) -> None:
    assert await world.read(examine, NOW + 60_000_000) == []


WRONG = [
    (
        "UPDATE ledger_lines SET amount_milli = amount_milli + 1 WHERE account = 'spent'",
        {"ledger_entry_unbalanced", "hold_differs_from_ledger"},
    ),
    ("DELETE FROM ledger_lines WHERE account IN ('outside')", {"ledger_entry_unbalanced"}),
    ("UPDATE wallets SET available_milli = available_milli + 5", {"wallet_differs_from_ledger"}),
    ("DELETE FROM wallets", {"wallet_differs_from_ledger"}),
    ("UPDATE organizations SET limit_milli = -1000000000", {"wallet_below_limit"}),
    ("UPDATE holds SET amount_milli = amount_milli + 1", {"hold_differs_from_ledger", "hold_differs_from_messages"}),
    ("UPDATE holds SET charged_milli = charged_milli + 1", {"hold_differs_from_ledger", "hold_differs_from_messages"}),
    ("UPDATE holds SET released_milli = 0", {"hold_differs_from_ledger", "hold_differs_from_messages"}),
    ("DELETE FROM holds", {"ledger_without_hold"}),
    ("UPDATE deliveries SET charged_milli = charged_milli * 2 WHERE state = 'delivered'", {"charge_wrong", "hold_differs_from_messages"}),
    ("UPDATE deliveries SET charged_milli = 100000 WHERE state = 'unknown'", {"charge_wrong", "hold_differs_from_messages"}),
    ("UPDATE chunks SET delivered_count = delivered_count + 1", {"counters_wrong"}),
    ("UPDATE chunks SET unknown_count = 0, sent_count = 1", {"counters_wrong"}),
    ("UPDATE deliveries SET state = 'sent', rank = 30 WHERE state = 'delivered'", {"counters_wrong"}),
    ("UPDATE deliveries SET chunk_id = chunk_id + 1 WHERE state = 'refused'", {"delivery_misplaced", "counters_wrong"}),
    (
        "DELETE FROM messages WHERE recipient = 254712000002",
        {"delivery_misplaced", "broadcast_incomplete", "hold_differs_from_messages"},
    ),
    ("UPDATE chunks SET last_id = last_id - 1", {"broadcast_incomplete"}),
    ("UPDATE broadcasts SET open_chunks = 2", {"open_chunks_wrong"}),
    ("UPDATE broadcasts SET state = 'completed'", {"open_chunks_wrong"}),
    ("UPDATE chunks SET state = 'done', bind_id = NULL", {"open_chunks_wrong"}),
    ("UPDATE chunks SET bind_id = NULL, fence = NULL, marked_id = last_id", {"messages_lost"}),
    ("UPDATE chunks SET fence = fence - 1", {"chunk_fenced_off"}),
]


@pytest.mark.parametrize(("statement", "expected"), WRONG, ids=[statement[:70] for statement, _ in WRONG])
async def test_what_is_wrong_is_found(world: Store, statement: str, expected: set[str]) -> None:
    await world.write(rows.all, statement)
    found = await world.read(examine, NOW + 60_000_000)
    assert expected <= {finding.code for finding in found}
    assert {finding.severity for finding in found if finding.code in expected} == {"error"}
    for finding in found:
        assert finding.count >= len(finding.examples) > 0
        assert finding.advice


async def test_a_chunk_that_has_nothing_left_to_do_has_ended(world: Store) -> None:
    await world.write(rows.all, "UPDATE deliveries SET state = 'refused', rank = 80 WHERE state = 'retry'")
    insert = (
        "INSERT INTO deliveries (message_id, chunk_id, state, rank, attempt, updated_at)"
        " SELECT last_id, id, 'refused', 80, 1, :now FROM chunks"
    )
    await world.write(rows.all, insert, now=NOW)
    await world.write(rows.all, "UPDATE chunks SET retry_count = 0, refused_count = 3, marked_id = last_id")
    assert "chunk_not_ended" in await codes(world)


async def test_what_waits_for_somebody_is_a_warning(world: Store) -> None:
    await world.write(rows.all, "UPDATE binds SET owner = NULL")
    found = await world.read(examine, NOW + 60_000_000)
    assert [(finding.code, finding.severity) for finding in found] == [("chunk_of_nobody", "warning")]


async def test_a_retry_that_was_given_to_a_connection_that_is_gone(world: Store) -> None:
    await world.write(rows.all, "UPDATE deliveries SET state = 'marked', rank = 10, fence = 12345 WHERE state = 'retry'")
    await world.write(rows.all, "UPDATE chunks SET retry_count = 0, marked_count = 1")
    assert await codes(world) == {"retry_in_doubt"}
    await world.write(rows.all, "UPDATE deliveries SET fence = (SELECT max(fence) FROM binds) WHERE state = 'marked'")
    assert await codes(world) == set()


async def test_what_is_overdue_is_found_when_it_is(world: Store) -> None:
    assert await codes(world, NOW + 2 * HOUR) == {"retry_overdue"}
    assert await codes(world, NOW + 74 * HOUR) == {"retry_overdue", "unknown_overdue"}


async def test_a_receipt_that_fits_nothing_is_an_orphan_after_an_hour(world: Store) -> None:
    notes = [Receipt(f"9{number}", "254700000000", "", "delivered", "", -1, b"") for number in range(EXAMPLES_MAX + 2)]
    await world.write(receipts.record_receipts, 1, None, notes, NOW)
    assert await codes(world) == set()
    found = {finding.code: finding for finding in await world.read(examine, NOW + 2 * HOUR)}
    assert found["receipts_orphaned"].count == EXAMPLES_MAX + 2
    assert len(found["receipts_orphaned"].examples) == EXAMPLES_MAX


async def test_an_accept_that_was_cut_off_is_found_and_taken_back(world: Store) -> None:
    draft = broadcasts.Draft(SystemIds().broadcast(NOW), 1, None, "talkntalk", 2, None, "Hello", None, None, NOW)
    await world.write(broadcasts.reserve, draft, [PRICE, 2 * PRICE], broadcasts.Terms(partial=True, limit_milli=0))
    assert await codes(world) == set()
    found = await world.read(examine, NOW + HOUR - 1)
    assert [(finding.code, finding.examples) for finding in found] == [("accept_interrupted", (str(draft.public_id),))]
    await world.write(broadcasts.drop_abandoned, NOW + 1, NOW + 1)
    assert await codes(world) == set()


async def test_what_a_late_receipt_lifts_was_released_and_is_not_charged(world: Store) -> None:
    """An unknown that was closed as undetermined and is delivered after all costs nothing, and that is right."""
    await world.write(rows.all, "UPDATE carriers SET unknown_after_s = 1")
    assert await world.write(housekeeping.close_unknowns, NOW + HOUR) == 1
    (message,) = await world.read(
        rows.all,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, d.carrier_id FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id WHERE d.state = 'undetermined'",
    )
    message_id, chunk_id, broadcast_id, organization_id, carrier_id = message
    fact = Fact(message_id, chunk_id, broadcast_id, organization_id, PRICE, 1, State.DELIVERED, carrier_id, None, None)
    await world.write(deliveries.record, [fact], NOW + HOUR)
    assert await codes(world) == set()


def test_every_check_has_a_name_of_its_own_and_advice() -> None:
    assert len({check.code for check in CHECKS}) == len(CHECKS)
    assert all(check.advice.endswith((".", "!")) for check in CHECKS)


async def offset_history(store: Store, offset: int) -> history.History:
    (view,) = await store.read(views.broadcasts, None, None, 5)
    found = await store.read(history.message_history, view.public_id, offset)
    assert found is not None
    return found


async def test_the_history_of_a_message_that_was_delivered(world: Store) -> None:
    found = await offset_history(world, 1)
    assert (found.state, found.money, found.carrier, found.reference) == ("delivered", "charged", "north", "700")
    assert [event.what for event in found.events] == ["accepted", "routed", "sent", "charged", "delivered"]
    assert [event.at for event in found.events] == [NOW, NOW, NOW + 1, NOW + 1, NOW + 2]


@pytest.mark.parametrize(
    ("offset", "state", "money", "events"),
    [
        (2, "undelivered", "charged", ["accepted", "routed", "sent", "charged", "undelivered"]),
        (3, "refused", "released", ["accepted", "routed", "refused", "released"]),
        (4, "unknown", "held", ["accepted", "routed", "unknown"]),
        (5, "retry", "held", ["accepted", "routed", "attempt 1", "retry", "due"]),
        (6, "waiting", "held", ["accepted", "routed", "waiting"]),
    ],
)
async def test_the_history_of_every_other(world: Store, offset: int, state: str, money: str, events: list[str]) -> None:
    found = await offset_history(world, offset)
    assert (found.state, found.money) == (state, money)
    assert [event.what for event in found.events] == events


async def test_a_history_shows_receipts_that_were_not_taken_for_it(world: Store) -> None:
    note = Receipt("2bc", "254799999999", "", "delivered", "DELIVRD", -1, b"")  # 700 in hexadecimal, of another number
    await world.write(receipts.record_receipts, 1, None, [note], NOW + 5)
    assert (await world.write(orphans.retry_page, 0, NOW + 4, NOW + 5)).fitted == 0
    found = await offset_history(world, 1)
    assert found.events[-1][:3] == (NOW + 5, "receipt that fits nothing", "delivered DELIVRD")


async def test_there_is_no_message_beyond_the_last(world: Store) -> None:
    (view,) = await world.read(views.broadcasts, None, None, 5)
    assert await world.read(history.message_history, view.public_id, 7) is None
    assert await world.read(history.message_history, view.public_id, 0) is None


async def test_why_messages_failed(world: Store) -> None:
    (view,) = await world.read(views.broadcasts, None, None, 5)
    found = await world.read(history.failure_reasons, view)
    assert {(why.state, why.reason, why.messages) for why in found} == {
        ("undelivered", "UNDELIV err:034", 1),
        ("refused", "no", 1),
        ("unknown", "", 1),
        ("retry", "busy", 1),
    }
    assert await world.read(history.hold_of, view.id) == (6 * PRICE, 2 * PRICE, PRICE)


async def test_the_statement_and_the_wallet_of_an_owner(world: Store) -> None:
    acme = await world.read(catalog.load_organization, "Acme")
    assert acme is not None
    assert await world.read(wallets.wallet_of, acme.id) == (45 * PRICE, 3 * PRICE)
    entries = await world.read(wallets.statement_of, acme.id, None, 10)
    assert [(entry.kind, entry.amount_milli) for entry in reversed(entries)][:2] == [("top_up", 50 * PRICE), ("reserve", 6 * PRICE)]
    older = await world.read(wallets.statement_of, acme.id, entries[-2].ledger_id, 10)
    assert [entry.kind for entry in older] == ["top_up"]
    corrected = await world.write(wallets.top_up_wallet, acme, -PRICE, NOW)
    assert corrected.wallet.available_milli == 44 * PRICE
    assert (await world.read(wallets.statement_of, acme.id, None, 1))[0].amount_milli == -PRICE
    with pytest.raises(wallets.NotAllowed, match=r"has KES 44\.00 available"):
        await world.write(wallets.top_up_wallet, acme, -45 * PRICE, NOW)
    assert await codes(world) == set()
