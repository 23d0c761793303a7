"""The dispatcher's accounts, answer by answer, on a bind that the test plays: nothing is forgotten, nothing given twice, no place lost."""

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.hand import HOUR, PRICE, SECOND, Hand, by_hand

from clarion.carriers.interface import Answer, Parts, Place, Submission
from clarion.carriers.smpp.parts import cut
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.rates import TokenBucket
from clarion.core.states import Outcome
from clarion.flow.dispatch import Dispatcher
from clarion.flow.dispatch.dispatcher import THROTTLED_MAX
from clarion.store import Store, chunks, housekeeping
from clarion.store import tables as t

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LONG = "x" * 400
"""Three parts."""

DELIVERIES = sa.select(t.deliveries.c.state, t.deliveries.c.carrier_reference, t.deliveries.c.charged_milli)
PARTS = sa.select(t.parts.c.part, t.parts.c.state, t.parts.c.carrier_reference).order_by(t.parts.c.part)


class PlayedBind:
    """A bind whose carrier is the test."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.settings = SmppSettings("h", "me")
        self.state = "bound"
        self.can_submit = True
        self.given: list[Submission] = []
        self.open = 0

    @property
    def free(self) -> int:
        return self.window - self.open if self.state == "bound" else 0

    @property
    def place(self) -> Place:
        return Place(1, len(self.given))

    def parts(self, text: str, encoding: str, segments: int) -> Parts:
        return cut(self.settings, text, encoding, segments)

    def submit(self, submissions: Sequence[Submission]) -> int:
        count = min(len(submissions), self.free)
        self.given += submissions[:count]
        self.open += count
        return count

    def acknowledge(self, sequences: Sequence[int]) -> None: ...

    async def run(self) -> None: ...

    async def close(self, wait_s: float) -> None: ...


class Desk:
    """A dispatcher with its bind, moved by hand."""

    def __init__(self, hand: Hand, dispatcher: Dispatcher, bind: PlayedBind) -> None:
        self.hand = hand
        self.dispatcher = dispatcher
        self.bind = bind

    async def step(self) -> None:
        self.dispatcher._rung = True
        await self.dispatcher._step()
        self.dispatcher._send()

    def hear(self, *answers: tuple[Submission, Outcome]) -> list[Answer]:
        made = [Answer(s, outcome, f"p{s.message_id}-{s.part}" if outcome is Outcome.SENT else "", "") for s, outcome in answers]
        self.bind.open -= len(made)
        self.dispatcher.answered(made)
        self.dispatcher._rest_until = 0.0
        return made

    async def say(self, *answers: tuple[Submission, Outcome]) -> None:
        await self.dispatcher.record(self.dispatcher.ended(self.hear(*answers)), None)
        self.dispatcher._send()


async def desk(store: Store, window: int = 10) -> Desk:
    hand = await by_hand(store)
    bind = PlayedBind(window)
    dispatcher = Dispatcher(hand.runtime, await hand.lease(), hand.carrier_id, bind, TokenBucket(0, 1))
    return Desk(hand, dispatcher, bind)


async def test_a_mark_waits_for_half_of_what_may_be_marked(store: Store) -> None:
    """Where answers come at once, outcomes make room soon: many small marks would cost more than they bring."""
    made = await desk(store, window=16)
    await made.hand.accept(100, lane=2)
    await made.hand.store.write(chunks.open_due, made.hand.at)
    await made.step()
    assert (len(made.bind.given), made.dispatcher.doubt) == (16, 31)
    answered = made.hear(*((submission, Outcome.SENT) for submission in made.bind.given[:16]))
    answered += made.hear(*((submission, Outcome.SENT) for submission in made.bind.given[16:24]))
    await made.dispatcher.record(made.dispatcher.ended(answered[:8]), None)
    assert not await made.dispatcher._step()
    await made.dispatcher.record(made.dispatcher.ended(answered[8:16]), None)
    assert await made.dispatcher._step()
    assert made.dispatcher.doubt == 31


async def test_a_window_that_the_carrier_keeps_full_is_refilled_sooner(store: Store) -> None:
    made = await desk(store, window=16)
    await made.hand.accept(100, lane=2)
    await made.hand.store.write(chunks.open_due, made.hand.at)
    await made.step()
    await made.say(*((submission, Outcome.SENT) for submission in made.bind.given[:11]))
    assert (made.bind.open, made.dispatcher._desk.waiting()) == (16, 4)
    assert await made.dispatcher._step()
    assert made.dispatcher.doubt == 31


async def test_an_answer_behind_its_unknown_in_one_batch_is_the_answer(store: Store) -> None:
    """The answer timer and the answer were both noticed after a stall: the reference is kept, and the place is free again."""
    made = await desk(store)
    await made.hand.accept(1)
    await made.step()
    (submission,) = made.bind.given
    given_up, late = made.hear((submission, Outcome.UNKNOWN)), made.hear((submission, Outcome.SENT))
    await made.dispatcher.record(made.dispatcher.ended([*given_up, *late]), None)
    assert await made.hand.all(DELIVERIES) == [("sent", f"p{submission.message_id}-1", PRICE)]
    assert made.dispatcher.doubt == 0
    await made.hand.check()


async def test_a_part_answered_late_while_others_are_open_ends_its_message_once(store: Store) -> None:
    """One part is given up and then answered: the message ends with its last part, and is in doubt no longer."""
    made = await desk(store)
    await made.hand.accept(1, text=LONG)
    await made.step()
    first, second, third = made.bind.given
    await made.say((first, Outcome.UNKNOWN))
    await made.say((first, Outcome.SENT))
    await made.say((second, Outcome.SENT), (third, Outcome.SENT))
    assert await made.hand.all(DELIVERIES) == [("sent", None, 3 * PRICE)]
    assert [state for _, state, _ in await made.hand.all(PARTS)] == ["sent"] * 3
    assert made.dispatcher.doubt == 0


async def test_a_throttling_answer_behind_an_unknown_gives_nothing_again(store: Store) -> None:
    """The message is recorded as unknown meanwhile: whoever gave it again would send what nothing accounts for."""
    made = await desk(store)
    await made.hand.accept(1)
    await made.step()
    (submission,) = made.bind.given
    given_up = made.hear((submission, Outcome.UNKNOWN))
    throttled = made.hear((submission, Outcome.THROTTLED))
    await made.dispatcher.record(made.dispatcher.ended(given_up), None)
    made.dispatcher._send()
    await made.dispatcher.record(made.dispatcher.ended(throttled), None)
    assert made.bind.given == [submission]
    assert made.dispatcher.doubt == 0
    assert [state for state, _, _ in await made.hand.all(DELIVERIES)] == ["refused"]
    await made.hand.check()


async def resent(made: Desk) -> list[Submission]:
    """What goes out of a message that was lost, an hour later under the policy `resend`."""
    await made.hand.run(f"UPDATE carriers SET unknown_policy = 'resend', unknown_after_s = {HOUR // SECOND}")
    await made.hand.run("UPDATE settings SET version = version + 1")
    await made.hand.settings.refresh()
    made.hand.clock.at += HOUR
    before = len(made.bind.given)
    assert await made.hand.store.write(housekeeping.resend_unknowns, await made.hand.settings.catalog(), made.hand.at) == (1, 0)
    await made.step()
    return made.bind.given[before:]


@pytest.mark.parametrize("said", [Outcome.THROTTLED, Outcome.REFUSED, Outcome.SENT, Outcome.UNKNOWN])
@pytest.mark.parametrize("text", ["Hello", LONG])
async def test_an_answer_to_an_earlier_attempt_is_none_to_this_one(store: Store, said: Outcome, text: str) -> None:
    """Both are with the same carrier: what it says late of the first gives nothing again, and ends nothing of the second."""
    made = await desk(store)
    await made.hand.accept(1, text=text)
    await made.step()
    first = list(made.bind.given)
    await made.say(*((submission, Outcome.UNKNOWN) for submission in first))
    second = await resent(made)
    assert [submission.attempt for submission in second] == [2] * len(first)
    await made.say(*((submission, said) for submission in first))
    await made.step()
    assert made.bind.given == first + second, "a third time"
    assert made.dispatcher.doubt == 1
    await made.say(*((submission, Outcome.SENT) for submission in second))
    assert made.dispatcher.doubt == 0
    ((state, _, charged_milli),) = await made.hand.all(DELIVERIES)
    assert (state, charged_milli) == ("sent", len(first) * PRICE)
    await made.hand.check()


async def test_a_late_answer_to_the_last_part_makes_the_message_sent(store: Store) -> None:
    """Recorded as unknown for one part; when that part's answer comes, all parts are taken and the price is charged."""
    made = await desk(store)
    await made.hand.accept(1, text=LONG)
    await made.step()
    first, second, third = made.bind.given
    await made.say((first, Outcome.SENT), (second, Outcome.UNKNOWN), (third, Outcome.SENT))
    assert await made.hand.all(DELIVERIES) == [("unknown", None, 0)]
    await made.say((second, Outcome.SENT))
    assert await made.hand.all(DELIVERIES) == [("sent", None, 3 * PRICE)]
    assert (await made.hand.all(PARTS))[1] == (2, "sent", f"p{second.message_id}-2")
    await made.hand.check()


async def test_a_late_refusal_of_a_part_refuses_the_message(store: Store) -> None:
    made = await desk(store)
    await made.hand.accept(1, text=LONG)
    await made.step()
    first, second, third = made.bind.given
    await made.say((first, Outcome.SENT), (second, Outcome.UNKNOWN), (third, Outcome.UNKNOWN))
    await made.say((second, Outcome.SENT))
    assert await made.hand.all(DELIVERIES) == [("unknown", None, 0)]
    await made.say((third, Outcome.REFUSED))
    assert await made.hand.all(DELIVERIES) == [("refused", None, 0)]
    await made.hand.check()


async def test_a_refused_part_ends_its_message_and_the_rest_is_not_given(store: Store) -> None:
    made = await desk(store, window=2)
    await made.hand.accept(1, text=LONG)
    await made.step()
    first, second = made.bind.given
    await made.say((first, Outcome.REFUSED))
    assert len(made.bind.given) == 2
    await made.say((second, Outcome.SENT))
    assert await made.hand.all(DELIVERIES) == [("refused", None, 0)]
    assert len(made.bind.given) == 2
    assert made.dispatcher.doubt == 0
    await made.hand.check()


async def test_a_throttled_part_of_a_refused_message_is_not_given_again(store: Store) -> None:
    made = await desk(store)
    await made.hand.accept(1, text=LONG)
    await made.step()
    first, second, third = made.bind.given
    await made.say((first, Outcome.REFUSED))
    await made.say((second, Outcome.THROTTLED))
    await made.say((third, Outcome.SENT))
    assert len(made.bind.given) == 3
    assert await made.hand.all(DELIVERIES) == [("refused", None, 0)]
    assert made.dispatcher.doubt == 0


async def test_a_throttled_message_keeps_its_place_and_then_leaves_the_hand(store: Store) -> None:
    """It is given again, ten times at most; then it is a retry of a second attempt, due later, and its place is free."""
    made = await desk(store)
    await made.hand.accept(1)
    await made.step()
    for turn in range(1, THROTTLED_MAX + 1):
        assert len(made.bind.given) == turn
        assert made.dispatcher.doubt == 1
        await made.say((made.bind.given[-1], Outcome.THROTTLED))
    assert len(made.bind.given) == THROTTLED_MAX
    assert made.dispatcher.doubt == 0
    d = t.deliveries.c
    ((state, attempt, due_at),) = await made.hand.all(sa.select(d.state, d.attempt, d.due_at))
    assert (state, attempt) == ("retry", 2)
    assert due_at > made.hand.at
    assert await made.hand.all(sa.select(t.attempts.c.attempt, t.attempts.c.outcome)) == [(1, "throttled")]
    await made.hand.check()


async def test_what_is_in_hand_is_put_back_and_what_is_on_the_wire_is_not(store: Store) -> None:
    made = await desk(store, window=3)
    await made.hand.accept(5)
    await made.step()
    assert [submission.message_id for submission in made.bind.given] == [1, 2, 3]
    made.dispatcher.stop()
    await made.dispatcher.put_back(begun=False)
    assert await made.hand.states() == {4: "retry", 5: "retry"}
    await made.say(*((submission, Outcome.SENT) for submission in made.bind.given))
    assert len(made.bind.given) == 3
    assert made.dispatcher.doubt == 0
    await made.dispatcher.put_back()
    assert set((await made.hand.states()).values()) == {"sent", "retry"}
    await made.hand.check()


async def test_marks_stop_at_twice_the_window(store: Store) -> None:
    """Law 2, also when answers come and their commits do not."""
    made = await desk(store, window=10)
    await made.hand.accept(100)
    for _ in range(5):
        await made.step()
        waiting = made.bind.given[-made.bind.open :] if made.bind.open else []
        made.hear(*((submission, Outcome.SENT) for submission in waiting))
    assert made.dispatcher.doubt == 20
    assert len(made.bind.given) == 20


async def test_a_fenced_dispatcher_marks_nothing_and_records_what_it_hears(store: Store) -> None:
    made = await desk(store, window=10)
    await made.hand.accept(30)
    await made.step()
    given: list[Any] = list(made.bind.given)
    await made.hand.lease(owner=999)
    assert set((await made.hand.states()).values()) == {"unknown"}
    await made.say(*((submission, Outcome.SENT) for submission in given))
    await made.step()
    assert made.dispatcher.fenced.is_set()
    states = await made.hand.states()
    assert [states[submission.message_id] for submission in given] == ["sent"] * len(given)
    assert len(states) == 20
    await made.hand.check()
