"""What a process that is gone left behind, where no carrier is left to take its binds up; and retries that let single sends pass."""

import pytest
from tests.flow.hand import Hand, by_hand

from clarion.core.states import State
from clarion.store import Store, binds, carriers, chunks
from clarion.store.facts import Fact
from clarion.store.marks import Marked


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def test_a_removed_carriers_dead_bind_gives_its_chunks_back(hand: Hand) -> None:
    """What it had marked is unknown, the rest is refused, its money returned, and nothing stays for ever."""
    accepted = await hand.accept(30, lane=1)
    await hand.lease()
    assert len((await hand.take(room=10)).messages) == 10
    await hand.store.write(carriers.remove_carrier, "one")
    await hand.run("UPDATE binds SET lease_until = 0")
    assert await hand.store.write(binds.bury, hand.store.owner + 1_000, hand.at) == 10
    assert await hand.store.write(binds.bury, hand.store.owner + 1_000, hand.at) == 0
    assert await hand.reroute() == 20
    assert (await hand.take(room=10)).fenced
    view = await hand.view(accepted)
    assert (view.state, view.counts[State.UNKNOWN], view.counts[State.REFUSED]) == ("completed", 10, 20)
    await hand.check()


async def test_a_living_owners_bind_is_left_alone(hand: Hand) -> None:
    await hand.accept(5, lane=1)
    await hand.lease()
    await hand.take(room=5)
    assert await hand.store.write(binds.bury, hand.store.owner, hand.at) == 0
    assert not (await hand.take(room=5)).fenced


async def test_a_single_send_goes_before_many_retries(hand: Hand) -> None:
    await hand.accept(40, lane=2)
    await hand.store.write(chunks.open_due, hand.at)
    waiting = [retry(hand, message) for message in (await hand.take(room=40)).messages]
    assert len(waiting) == 40
    await hand.record(waiting)
    single = await hand.accept(1, start=254_711_000_000)
    messages = (await hand.take(room=4)).messages
    assert [message.recipient for message in messages if message.lane == 0] == single.numbers
    assert [message.lane for message in messages].count(2) == 3
    assert (await hand.take(room=4, bulk_room=0)).messages == []
    await hand.check()


def retry(hand: Hand, message: Marked) -> Fact:
    return Fact(
        message_id=message.message_id,
        chunk_id=message.chunk_id,
        broadcast_id=message.broadcast_id,
        organization_id=message.organization_id,
        price_milli=message.price_milli,
        attempt=message.attempt + 1,
        state=State.RETRY,
        carrier_id=hand.carrier_id,
        reference=None,
        reason="the connection was gone",
        due_at=hand.at,
    )
