"""Long messages of which a carrier took some parts (section 3 of the design): they go on with the missing ones, there, or end refused."""

import pytest
import sqlalchemy as sa
from tests.flow.hand import PRICE, note
from tests.flow.test_dispatcher import LONG, PARTS, Desk, desk

from clarion.carriers.interface import Submission
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.states import Outcome
from clarion.flow.dispatch.dispatcher import LATER_MICROS, THROTTLED_MAX
from clarion.flow.dispatch.journey import CUT_OTHERWISE
from clarion.store import Store, binds, carriers, doctor
from clarion.store import tables as t
from clarion.store.failover import TAKES_NO_MORE

d = t.deliveries.c
WHERE = sa.select(d.state, d.attempt, d.reason, d.charged_milli)
ATTEMPTS = sa.select(t.attempts.c.attempt, t.attempts.c.outcome, t.attempts.c.reason)
GONE = "1 of 3 parts were taken, the connection was gone before the others were sent"


async def exact(made: Desk) -> None:
    await made.hand.check()
    found = await made.hand.store.read(doctor.examine, made.hand.at)
    assert [finding for finding in found if finding.severity == "error"] == []


async def one_taken(made: Desk, text: str = LONG) -> Submission:
    """Accept a long message of which the first part is taken, and put back the others."""
    await made.hand.accept(1, text=text)
    await made.step()
    first = made.bind.given[0]
    made.bind.window = 0
    await made.say((first, Outcome.SENT))
    await made.dispatcher.put_back()
    made.bind.window = 10
    assert made.dispatcher.doubt == 0
    return first


async def test_what_was_begun_goes_on_with_the_missing_parts(store: Store) -> None:
    """The same reference, the same cut; the parts that were taken move on with their message, and it is charged when all are taken."""
    made = await desk(store, window=1)
    first = await one_taken(made)
    assert await made.hand.all(WHERE) == [("retry", 2, GONE, 0)]
    assert await made.hand.all(PARTS) == [(1, "sent", f"p{first.message_id}-1")]
    await exact(made)
    await made.step()
    second, third = made.bind.given[1:]
    assert [(s.part, s.parts, s.attempt, s.part_reference) for s in (second, third)] == [
        (2, 3, 2, first.part_reference),
        (3, 3, 2, first.part_reference),
    ]
    assert first.text + second.text + third.text == LONG
    await made.say((second, Outcome.SENT), (third, Outcome.SENT))
    assert await made.hand.all(WHERE) == [("sent", 2, None, 3 * PRICE)]
    assert await made.hand.all(ATTEMPTS) == [(1, "unreachable", GONE)]
    assert {attempt for (attempt,) in await made.hand.all(sa.select(t.parts.c.attempt))} == {2}
    await made.hand.receive(*(note(f"p{first.message_id}-{part}", first.recipient) for part in (1, 2, 3)))
    assert await made.hand.all(WHERE) == [("delivered", 2, None, 3 * PRICE)]
    await exact(made)


async def test_a_second_time_too(store: Store) -> None:
    made = await desk(store, window=1)
    first = await one_taken(made)
    made.bind.window = 1
    await made.step()
    made.bind.window = 0
    await made.say((made.bind.given[1], Outcome.SENT))
    await made.dispatcher.put_back()
    made.bind.window = 1
    assert [(state, attempt) for state, attempt, _, _ in await made.hand.all(WHERE)] == [("retry", 3)]
    await made.step()
    third = made.bind.given[2]
    assert (third.part, third.attempt, third.part_reference) == (3, 3, first.part_reference)
    await made.say((third, Outcome.SENT))
    assert await made.hand.all(WHERE) == [("sent", 3, None, 3 * PRICE)]
    await exact(made)


async def test_a_carrier_without_room_for_the_rest_is_asked_again_later(store: Store) -> None:
    """Ten times turned away, also where a part was taken: its place is free, and nothing of it stays in hand."""
    made = await desk(store)
    await made.hand.accept(1, text=LONG)
    await made.step()
    await made.say((made.bind.given[0], Outcome.SENT))
    while made.dispatcher.doubt:
        await made.say(*((submission, Outcome.THROTTLED) for submission in made.bind.given[-made.bind.open :]))
    assert made.dispatcher._desk.waiting() == 0
    why = "1 of 3 parts were taken, the carrier had no room for the others"
    assert await made.hand.all(WHERE) == [("retry", 2, why, 0)]
    given = len(made.bind.given)
    await made.step()
    assert len(made.bind.given) == given
    made.hand.clock.at += LATER_MICROS
    await made.step()
    assert [submission.part for submission in made.bind.given[given:]] == [2, 3]
    await made.say(*((submission, Outcome.SENT) for submission in made.bind.given[given:]))
    assert await made.hand.all(WHERE) == [("sent", 2, None, 3 * PRICE)]
    await exact(made)


async def test_a_long_message_that_is_turned_away_whole_leaves_nothing_in_hand(store: Store) -> None:
    made = await desk(store, window=2)
    await made.hand.accept(1, text=LONG)
    await made.step()
    for _ in range(THROTTLED_MAX):
        if made.bind.open:
            await made.say(*((submission, Outcome.THROTTLED) for submission in made.bind.given[-made.bind.open :]))
    assert (made.dispatcher.doubt, made.dispatcher._desk.waiting()) == (0, 0)
    assert await made.hand.all(WHERE) == [("retry", 2, "the carrier had no room for it", 0)]
    assert await made.hand.all(PARTS) == []


async def test_a_payload_has_no_parts_and_is_refused_or_given_back_whole(store: Store) -> None:
    """Three segments in one submission: another carrier may take it."""
    made = await desk(store)
    made.bind.settings = SmppSettings("h", "me", long="payload")
    await made.hand.accept(1, text=LONG)
    await made.step()
    (submission,) = made.bind.given
    await made.say((submission, Outcome.REFUSED))
    assert [(state, charged) for state, _, _, charged in await made.hand.all(WHERE)] == [("refused", 0)]
    assert await made.hand.all(PARTS) == []
    await exact(made)


async def test_a_refused_missing_part_ends_the_message_and_gives_the_money_back(store: Store) -> None:
    """Another carrier would take it, and is not asked: a part of it is with this one."""
    made = await desk(store, window=1)
    await made.hand.carrier("two")
    await made.hand.settings.catalog()
    await one_taken(made)
    await made.step()
    await made.say((made.bind.given[1], Outcome.REFUSED), (made.bind.given[2], Outcome.SENT))
    assert [(state, charged) for state, _, _, charged in await made.hand.all(WHERE)] == [("refused", 0)]
    await exact(made)


@pytest.mark.parametrize("url", ["long=sar", "long=payload", "alphabet=ascii"])
async def test_a_carrier_that_wants_it_cut_otherwise_meanwhile_gets_nothing_more_of_it(store: Store, url: str) -> None:
    """Two cuts of one text do not make a text again: refused, with the reason, and nobody pays."""
    made = await desk(store, window=1)
    await one_taken(made, text="é" + LONG[1:])
    made.bind.settings = SmppSettings("h", "me", **dict([url.split("=")]))  # type: ignore[arg-type]
    await made.step()
    assert len(made.bind.given) == 1
    if url == "alphabet=ascii":
        # Latin-1 is not the alphabet of the first part.
        assert made.bind.parts("é" + LONG[1:], "gsm7", 3).encoding == "latin1"
    assert await made.hand.all(WHERE) == [("refused", 2, CUT_OTHERWISE, 0)]
    assert made.dispatcher.doubt == 0
    assert not +made.dispatcher._desk.in_flight
    await exact(made)


async def test_a_removed_carriers_begun_messages_are_refused_and_the_others_take_the_next_route(store: Store) -> None:
    made = await desk(store, window=1)
    await one_taken(made)
    await made.hand.accept(1, text=LONG)
    await made.hand.carrier("two")
    await made.hand.store.write(carriers.remove_carrier, "one")
    await made.hand.reroute()
    assert await made.hand.all(sa.select(d.state, d.reason)) == [("refused", TAKES_NO_MORE)]
    chunk = sa.select(t.chunks.c.carrier_id).order_by(t.chunks.c.id)
    assert await made.hand.all(chunk) == [(made.hand.carrier_id,), (made.hand.carrier_id + 1,)]
    await exact(made)


async def test_killed_between_the_mark_of_the_missing_parts_and_their_outcome(store: Store) -> None:
    """In doubt, so unknown, and not sent again by itself; the receipts of all parts still deliver it, and then it is paid."""
    made = await desk(store, window=1)
    first = await one_taken(made)
    await made.hand.take()
    lease = await made.hand.lease()
    await made.hand.store.write(binds.release, lease.bind_id, lease.fence, made.hand.at)
    assert [(state, attempt) for state, attempt, _, _ in await made.hand.all(WHERE)] == [("unknown", 2)]
    assert (await made.hand.take(lease=await made.hand.lease(owner=7))).messages == []
    await made.hand.receive(note(f"p{first.message_id}-1", first.recipient))
    assert [(state, charged) for state, _, _, charged in await made.hand.all(WHERE)] == [("unknown", 0)]
    await exact(made)


async def test_a_failed_part_ends_what_was_to_go_on(store: Store) -> None:
    """The first part is not delivered while the others wait: they are not sent any more, and nobody pays."""
    made = await desk(store, window=1)
    first = await one_taken(made)
    await made.hand.receive(note(f"p{first.message_id}-1", first.recipient, "undelivered"))
    assert [(state, charged) for state, _, _, charged in await made.hand.all(WHERE)] == [("undelivered", 0)]
    await made.step()
    assert len(made.bind.given) == 1
    await exact(made)


@pytest.mark.parametrize("answer", [Outcome.SENT, Outcome.THROTTLED, Outcome.UNKNOWN, Outcome.REFUSED])
async def test_a_part_that_fails_while_the_missing_ones_are_on_the_wire(store: Store, answer: Outcome) -> None:
    """Whatever becomes of them: the message has ended, and stays so."""
    made = await desk(store, window=1)
    first = await one_taken(made)
    await made.step()
    await made.hand.receive(note(f"p{first.message_id}-1", first.recipient, "undelivered"))
    while made.dispatcher.doubt:
        await made.say(*((submission, answer) for submission in made.bind.given[-made.bind.open :]))
    assert [(state, charged) for state, _, _, charged in await made.hand.all(WHERE)] == [("undelivered", 0)]
    await exact(made)
