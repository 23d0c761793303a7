"""How a broadcast's messages ended, over which carriers and why: every message and every attempt counted once."""

import pytest
from tests.store.ways import NO, Ways, ways_of

from clarion.core.states import State
from clarion.store import Store, ends
from clarion.store.ends import End, Ends, Failed, Used


@pytest.fixture
async def ways(store: Store) -> Ways:
    return await ways_of(store, failover_undelivered=True)


async def told(ways: Ways, accepted: object) -> Ends:
    view = await ways.hand.view(accepted)  # type: ignore[arg-type]
    return await ways.hand.store.read(ends.ends, view)


async def test_reasons_attempts_and_carriers(ways: Ways) -> None:
    others = await ways.hand.accept(1)
    accepted = await ways.hand.accept(["254700000001", "254700000002", "254700000003", "254700000004", "254700000005", "0", "1"])
    messages = (await ways.hand.take(carrier_id=ways.one)).messages[1:]
    first, second, third, fourth, _ = messages
    await ways.refuse(first, ways.one)
    again = await ways.again(ways.two)
    await ways.send(again, ways.two)
    await ways.hear(again, ways.two)
    await ways.refuse(second, ways.one)
    for carrier_id in (ways.two, ways.three):
        await ways.refuse(await ways.again(carrier_id), carrier_id)
    await ways.send(third, ways.one)
    await ways.hear(third, ways.one, "undelivered")
    await ways.record(fourth, ways.one, State.UNKNOWN, reason="no answer in 60 s")
    found = await told(ways, accepted)
    assert found.attempts == [
        Failed("one", "refused", NO, 2),
        Failed("two", "refused", NO, 1),
        Failed("one", "undelivered", "UNDELIV err:034", 1),
    ]
    assert found.reasons[0] == End("rejected", None, "invalid_number", 2)
    assert set(found.reasons[1:]) == {
        End("refused", "three", NO, 1),
        End("retry", "two", "UNDELIV err:034", 1),
        End("unknown", "one", "no answer in 60 s", 1),
    }
    assert found.carriers == [Used("two", 2, 1, 1, 1), Used("one", 1, 0, 0, 3), Used("three", 1, 0, 0, 0)]
    assert (found.other_messages, found.other_attempts) == (0, 0)
    assert await told(ways, others) == Ends([], 0, [], 0, [])


async def test_beyond_the_commonest_they_are_summed_up(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "REASONS_MAX", 2)
    accepted = await ways.hand.accept(9)
    messages = (await ways.hand.take(carrier_id=ways.one)).messages
    for number, message in enumerate(messages):
        await ways.record(message, ways.one, State.UNKNOWN, reason=f"why {min(number, 6) // 2}")
    found = await told(ways, accepted)
    assert [(end.reason, end.messages) for end in found.reasons] == [("why 3", 3), ("why 0", 2)]
    assert found.other_messages == 4
