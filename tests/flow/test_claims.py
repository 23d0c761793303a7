"""A claim looks at so much and no more: what it left out must not wait for the next poll."""

from tests.flow.hand import by_hand, fact

from clarion.store import Store
from clarion.store.marks import CANDIDATES_MAX


async def test_more_chunks_than_a_claim_looks_at(store: Store) -> None:
    hand = await by_hand(store)
    for number in range(CANDIDATES_MAX + 1):
        await hand.accept(1, start=254_700_000_000 + number)
    first, second = await hand.take(), await hand.take()
    assert (len(first.messages), first.more) == (CANDIDATES_MAX, True)
    assert (len(second.messages), second.more) == (1, False)


async def test_more_retries_than_there_is_room_for(store: Store) -> None:
    hand = await by_hand(store)
    await hand.accept(15)
    taken = await hand.take()
    await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at) for message in taken.messages])
    first, second = await hand.take(10), await hand.take(10)
    assert (len(first.messages), first.more) == (10, True)
    assert (len(second.messages), second.more) == (5, False)
