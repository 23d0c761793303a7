"""Money (law 4): reserves that run at once never go below the limit, the first ones are paid, nothing is written where nobody is billed."""

import asyncio
from itertools import accumulate
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import MakeStore
from tests.flow.hand import PRICE, Hand, by_hand, fact

from clarion.flow.order import Accepted
from clarion.store import Store, broadcasts, money, wallets
from clarion.store import tables as t
from clarion.store.broadcasts import Draft, Reserved, Shortfall, Terms

WALLET = sa.select(t.wallets.c.available_milli)


def reasons(accepted: Accepted) -> list[str | None]:
    return [accepted.rejections[k].reason if k in accepted.rejections else None for k in range(len(accepted.recipients))]


async def reserve(hand: Hand, store: Store, prices: list[int], limit_milli: int | None, *, partial: bool) -> Reserved | None:
    draft = Draft(hand.runtime.ids.broadcast(hand.at), hand.organization.id, None, "talkntalk", 2, None, "Hello", None, None, hand.at)
    try:
        return await store.write(broadcasts.reserve, draft, list(accumulate(prices)), Terms(partial, limit_milli))
    except Shortfall:
        return None


@pytest.mark.parametrize("limit_milli", [0, 7 * PRICE], ids=["prepaid", "postpaid"])
@pytest.mark.parametrize("partial", [False, True], ids=["whole", "partial"])
async def test_reserves_at_once_never_go_below_the_limit(make_store: MakeStore, limit_milli: int, partial: bool) -> None:
    """Eight stores, on PostgreSQL eight and more connections, each with several reserves under way; the wallet pays for some."""
    stores = [await make_store() for _ in range(8)]
    hand = await by_hand(stores[0], available_milli=20 * PRICE)
    lowest = 0

    async def watch() -> None:
        nonlocal lowest
        while True:
            ((available,),) = await hand.all(WALLET)
            lowest = min(lowest, available)
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    made = await asyncio.gather(
        *(reserve(hand, store, [PRICE] * (1 + k % 3), limit_milli, partial=partial) for k in range(5) for store in stores)
    )
    watching.cancel()
    ((available,),) = await hand.all(WALLET)
    reserved = [one for one in made if one is not None]
    paid = sum(one.paid for one in reserved)
    assert lowest >= -limit_milli
    assert available == 20 * PRICE - paid * PRICE >= -limit_milli
    # 80 messages were asked for and 20 or 27 can be paid: what is left does not pay for one more, or for no order that came later.
    assert paid == 20 + limit_milli // PRICE if partial else paid >= 20 + limit_milli // PRICE - 2
    await hand.check()


async def test_the_first_ones_are_paid_the_next_is_told_and_the_rest_is_skipped(store: Store) -> None:
    """In the order of the request, prices of two carriers between them; amounts are exact, and nothing after the stop is looked at."""
    hand = await by_hand(store, available_milli=5 * PRICE)
    await hand.carrier("dear", "25471", "2.50")
    cheap, dear = "254700000001", "254710000001"
    await hand.run(f"INSERT INTO suppressions VALUES ({hand.organization.id}, 254700000009, 'STOP', 1)")
    accepted = await hand.accept([cheap, "bad", dear, "254700000009", "254710000002", "254700000002", "worse", "254700000009"])
    assert reasons(accepted) == [None, "invalid_number", None, "opted_out", "insufficient_balance", "skipped", "skipped"]
    stopped = accepted.rejections[4]
    assert (stopped.required_milli, stopped.available_milli) == (250_000, 150_000)
    assert await hand.all(WALLET) == [(150_000,)]
    rejected = sa.select(t.rejects.c.position, t.rejects.c.reason).order_by(t.rejects.c.position)
    assert await hand.all(rejected) == [
        (1, "invalid_number"),
        (3, "opted_out"),
        (4, "insufficient_balance"),
        (5, "skipped"),
        (6, "skipped"),
    ]
    await hand.check()


async def test_an_empty_wallet_pays_for_nobody(store: Store) -> None:
    hand = await by_hand(store, available_milli=PRICE - 1)
    accepted = await hand.accept(3)
    assert reasons(accepted) == ["insufficient_balance", "skipped", "skipped"]
    assert (accepted.rejections[0].required_milli, accepted.rejections[0].available_milli) == (PRICE, PRICE - 1)
    view = await hand.view(accepted)
    assert (view.state, view.recipients, view.rejected) == ("completed", 0, 3)
    await hand.check()


async def test_a_credit_line_is_used_to_its_last_unit(store: Store) -> None:
    hand = await by_hand(store, available_milli=PRICE, billing="postpaid", limit_milli=2 * PRICE)
    assert reasons(await hand.accept(4)) == [None, None, None, "insufficient_balance"]
    assert await hand.all(WALLET) == [(-2 * PRICE,)]
    assert reasons(await hand.accept(1)) == ["insufficient_balance"]
    await hand.check()


async def test_whoever_is_not_billed_has_no_entries(store: Store) -> None:
    """Not at accept, not when messages are sent, refused or passed over."""
    hand = await by_hand(store, available_milli=0, billing="none")
    accepted = await hand.accept(3)
    assert reasons(accepted) == [None, None, None]
    first, second, third = (await hand.take()).messages
    await hand.record([fact(first, "sent"), fact(second, "refused"), fact(third, "expired")])
    assert (await hand.view(accepted)).state == "completed"
    for table in (t.ledger, t.ledger_lines, t.holds):
        assert await hand.all(sa.select(sa.func.count()).select_from(table)) == [(0,)]
    await hand.check()


async def test_entries_carry_the_sums_of_a_batch(store: Store) -> None:
    """One entry for each broadcast and kind in a transaction, of exactly the messages that moved."""
    hand = await by_hand(store)
    await hand.accept(5)
    await hand.accept(2, start=254_711_000_000)
    messages = (await hand.take()).messages
    states = ["sent", "sent", "refused", "refused", "unknown", "sent", "sent"]
    facts = [fact(message, state) for message, state in zip(messages, states, strict=True)]
    for _ in range(2):
        await hand.record(facts)
    entries = sa.text(
        "SELECT l.broadcast_id, l.kind, max(n.amount_milli) FROM ledger l JOIN ledger_lines n ON n.ledger_id = l.id"
        " WHERE l.broadcast_id IS NOT NULL GROUP BY l.id, l.broadcast_id, l.kind ORDER BY l.broadcast_id, l.kind"
    )
    assert await hand.all(entries) == [
        (1, "charge", 2 * PRICE),
        (1, "release", 2 * PRICE),
        (1, "reserve", 5 * PRICE),
        (2, "charge", 2 * PRICE),
        (2, "reserve", 2 * PRICE),
    ]
    await hand.check()


async def test_a_statement_is_paged_from_the_newest(store: Store) -> None:
    hand = await by_hand(store)
    for _ in range(3):
        await hand.accept(1)
    first = await hand.store.read(wallets.statement_of, hand.organization.id, None, 3)
    second = await hand.store.read(wallets.statement_of, hand.organization.id, first[-1].ledger_id, 3)
    assert [line.kind for line in [*first, *second]] == ["reserve"] * 3 + ["top_up"]
    assert [line.amount_milli for line in first] == [PRICE] * 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prices=st.lists(st.integers(0, 5), max_size=12), available=st.integers(-3, 20), limit=st.integers(0, 5))
async def test_as_many_of_the_first_as_can_be_paid(played: Hand, prices: list[int], available: int, limit: int) -> None:
    """Against the plain reckoning, free messages among them; whatever the wallet held before, even below its limit."""

    def fill(connection: Any) -> None:
        money.book(connection, [money.Entry(played.organization.id, None, "top_up", available - now)], played.at)

    ((now,),) = await played.all(WALLET)
    await played.store.write(fill)
    left, paid = available + limit, 0
    for price in prices:
        if price > left:
            break
        left -= price
        paid += 1
    # What was below its limit before pays for nothing, not even for what is free.
    expected = paid if available + limit >= 0 else 0
    reserved = await reserve(played, played.store, prices, limit, partial=True)
    assert reserved is not None
    assert reserved.paid == expected or (sum(prices) == 0 and available + limit < 0)
    assert reserved.available_milli == available - sum(prices[: reserved.paid])
    assert await played.all(WALLET) == [(reserved.available_milli,)]


@pytest.fixture
async def played(store: Store) -> Hand:
    return await by_hand(store)
