"""An accept that the database did not take to its end: its caller was refused, so nothing of it may stay, and its money returns."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.hand import Hand, by_hand

from clarion.flow.accept import SLICE, accept
from clarion.flow.order import Order
from clarion.flow.sweep import Sweeper
from clarion.store import Store, broadcasts
from clarion.store import tables as t
from clarion.store.doctor import examine
from clarion.store.errors import Unavailable

MESSAGES = 3 * SLICE


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def available(hand: Hand) -> int:
    return int((await hand.all(sa.select(t.wallets.c.available_milli)))[0][0])


def order_of(hand: Hand) -> Order:
    recipients = [str(254_700_000_000 + number) for number in range(MESSAGES)]
    return Order(hand.organization, "talkntalk", 2, "Hello", "CLARION", recipients, partial=True)


@pytest.mark.parametrize("step", ["add_messages", "publish"])
async def test_an_accept_that_the_database_cuts_off_is_taken_back_at_the_next_sweep(
    hand: Hand, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, whole, calls = await available(hand), getattr(broadcasts, step), 0

    def full(connection: sa.Connection, /, *args: object) -> object:
        nonlocal calls
        calls += 1
        if step == "publish" or calls > 1:
            raise Unavailable("The disk of the database is full.")
        return whole(connection, *args)

    catalog = await hand.settings.catalog()
    with monkeypatch.context() as patch:
        patch.setattr(broadcasts, step, full)
        with pytest.raises(Unavailable):
            await accept(hand.runtime, catalog, order_of(hand))
    assert await available(hand) < before
    sweeper = Sweeper(hand.runtime, hand.settings)
    await sweeper.sweep()
    assert await available(hand) == before
    assert await hand.all(sa.select(t.broadcasts.c.state, t.broadcasts.c.reason)) == [("cancelled", broadcasts.INTERRUPTED)]
    assert await hand.all(sa.select(sa.func.count()).select_from(t.messages)) == [(0,)]
    assert await hand.runtime.store.read(examine, hand.runtime.clock.now()) == []
    await sweeper.sweep()
    assert await available(hand) == before
    # The same again is accepted.
    await accept(hand.runtime, catalog, order_of(hand))
    assert await hand.all(sa.select(sa.func.count()).select_from(t.messages)) == [(MESSAGES,)]


async def test_an_accept_whose_publishing_was_made_after_all_stays(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL was lost in the middle of that commit: its caller was told that this is not certain."""
    lost = Unavailable("The database was lost in the middle of a commit: whether it was made is not known.")
    write: Any = type(hand.runtime.store).write

    async def losing(store: Store, function: Any, *args: Any, **kwargs: Any) -> Any:
        result = await write(store, function, *args, **kwargs)
        if function is broadcasts.publish:
            raise lost
        return result

    with monkeypatch.context() as patch:
        patch.setattr(type(hand.runtime.store), "write", losing)
        with pytest.raises(Unavailable):
            await accept(hand.runtime, await hand.settings.catalog(), order_of(hand))
    await Sweeper(hand.runtime, hand.settings).sweep()
    assert await hand.all(sa.select(t.broadcasts.c.state)) == [("accepted",)]
    assert await hand.all(sa.select(sa.func.count()).select_from(t.messages)) == [(MESSAGES,)]
