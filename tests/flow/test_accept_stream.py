"""A broadcast from a stream of rows: slice by slice the same as at once, and nothing of it where it ends early."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from tests.flow.hand import PRICE, SECOND, Hand, by_hand

from clarion.core.sheet import Row
from clarion.flow import accept_stream as stage
from clarion.flow import plan
from clarion.flow.accept import SLICE
from clarion.flow.accept_stream import Fault, Imported, Stream, Tally, accept_stream, rehearse
from clarion.flow.order import Order
from clarion.flow.sweep import ABANDONED_MICROS, SLICES_MAX, Sweeper
from clarion.store import Store, imports
from clarion.store import tables as t
from clarion.store.errors import Unavailable

START = 254_700_000_000
BROADCASTS = sa.select(t.broadcasts.c.state, t.broadcasts.c.reason)
COUNTS = [sa.select(sa.func.count()).select_from(table) for table in (t.messages, t.chunks, t.rejects)]


class Told:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.accepted: list[int] = []

    def fault(self, fault: Fault) -> None:
        self.faults.append(fault)

    def progress(self, tally: Tally) -> None:
        self.accepted.append(tally.accepted)


def rows_of(count: int, start: int = START) -> list[Row]:
    return [Row(number + 2, f"+{start + number}", {"name": f"N{number}"}) for number in range(count)]


def stream_of(hand: Hand, rows: Any, text: str = "Hello {name}", **more: Any) -> Stream:
    return Stream(Order(hand.organization, "cli", 2, text, "CLARION", (), partial=True), rows, 100_000, **more)


async def take_in(hand: Hand, rows: Any, text: str = "Hello {name}", **more: Any) -> tuple[Imported, Told]:
    told = Told()
    return await accept_stream(hand.runtime, await hand.settings.catalog(), stream_of(hand, rows, text, **more), told), told


async def available(hand: Hand) -> int:
    return int((await hand.all(sa.select(t.wallets.c.available_milli)))[0][0])


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def test_many_slices_are_one_broadcast_on_the_road(hand: Hand) -> None:
    two = await hand.carrier("two", "25470000001", "2.00")
    done, told = await take_in(hand, rows_of(1_234))
    assert (done.tally.rows, done.tally.accepted, done.tally.segments, dict(done.tally.reasons)) == (1_234, 1_234, 1_234, {})
    assert done.tally.amount_milli == 1_224 * PRICE + 10 * 2 * PRICE
    assert told.accepted == [500, 1_000, 1_234, 1_234]
    messages = await hand.all(sa.select(t.messages.c.id, t.messages.c.recipient, t.messages.c.text).order_by(t.messages.c.id))
    assert {recipient: text for _, recipient, text in messages} == {START + k: f"Hello N{k}" for k in range(1_234)}
    (first_id, last_id), *_ = await hand.all(sa.select(t.broadcasts.c.first_id, t.broadcasts.c.last_id))
    assert [message_id for message_id, *_ in messages] == list(range(first_id, last_id + 1))
    chunks = await hand.all(sa.select(t.chunks.c.id, t.chunks.c.last_id, t.chunks.c.carrier_id).order_by(t.chunks.c.id))
    assert [last - first + 1 for first, last, _ in chunks] == [490, 10, 500, 234]
    assert [carrier for *_, carrier in chunks] == [hand.carrier_id, two, hand.carrier_id, hand.carrier_id]
    assert await hand.all(BROADCASTS) == [("accepted", None)]
    await hand.check()
    await plan.plan(hand.runtime)
    assert len((await hand.take()).messages) > 0


async def test_carriers_of_one_prefix_share_every_slice(hand: Hand) -> None:
    two, three = await hand.carrier("two"), await hand.carrier("three")
    await hand.run(f"UPDATE routes SET weight = 3 WHERE carrier_id = {two}")
    await hand.run(f"UPDATE carriers SET senders = 'short' WHERE id = {three}")
    await hand.run("UPDATE settings SET version = version + 1")
    await hand.settings.refresh()
    done, _ = await take_in(hand, rows_of(1_200))
    assert done.tally.amount_milli == 1_200 * PRICE
    chunks = await hand.all(sa.select(t.chunks.c.carrier_id, t.chunks.c.last_id - t.chunks.c.id + 1).order_by(t.chunks.c.id))
    assert chunks == [(hand.carrier_id, 125), (two, 375)] * 2 + [(hand.carrier_id, 50), (two, 150)]
    await hand.check()


async def test_rows_that_get_no_message_are_told_with_their_line(hand: Hand) -> None:
    await hand.run(f"INSERT INTO suppressions VALUES ({hand.organization.id}, {START + 7}, 'STOP', {hand.at})")
    rows = rows_of(1_200)
    rows[3] = Row(5, "12", {"name": "x"})
    rows[4] = Row(6, "", {}, "too_many_cells")
    rows[5] = rows[5]._replace(values={})
    rows[6] = Row(8, "0700 000 000", {"name": "again"})
    rows[1_100] = Row(1_102, f"{START + 9}", {"name": "in another slice"})
    done, told = await take_in(hand, rows)
    assert told.faults == [
        Fault(5, "12", "invalid_number"),
        Fault(6, "", "too_many_cells"),
        Fault(7, f"+{START + 5}", "missing_variable: name"),
        Fault(8, "0700 000 000", "duplicate"),
        Fault(9, f"+{START + 7}", "opted_out"),
        Fault(1_102, f"{START + 9}", "duplicate"),
    ]
    assert (done.tally.accepted, done.tally.rows) == (1_194, 1_200)
    assert await hand.all(sa.select(t.rejects.c.position, t.rejects.c.reason).order_by(t.rejects.c.position)) == [
        (5, "invalid_number"),
        (6, "too_many_cells"),
        (7, "missing_variable: name"),
        (9, "opted_out"),
    ]
    assert await hand.all(sa.select(t.broadcasts.c.rejected)) == [(4,)]
    await hand.check()


async def test_a_text_without_places_is_kept_once(hand: Hand) -> None:
    await take_in(hand, rows_of(3), text="Hello all")
    assert await hand.all(sa.select(t.messages.c.text).distinct()) == [(None,)]


async def test_where_the_money_ends_so_does_the_broadcast(store: Store) -> None:
    hand = await by_hand(store, available_milli=700 * PRICE + 5)
    done, told = await take_in(hand, rows_of(1_700))
    tally = done.tally
    assert (tally.rows, tally.accepted, tally.is_short, tally.available_milli) == (1_700, 700, True, 5)
    assert tally.reasons == {"insufficient_balance": 1, "skipped": 999}
    assert told.faults[0] == Fault(702, f"+{START + 700}", "insufficient_balance")
    assert [fault.line for fault in told.faults] == list(range(702, 1_702))
    assert await available(hand) == 5
    assert await hand.all(BROADCASTS) == [("accepted", None)]
    await hand.check()


async def test_all_or_nothing(store: Store) -> None:
    hand = await by_hand(store, available_milli=700 * PRICE)
    rehearsed = await rehearse(hand.runtime, await hand.settings.catalog(), stream_of(hand, rows_of(1_700), whole=True), Told())
    done, told = await take_in(hand, rows_of(1_700), whole=True)
    assert done.broadcast_id is None
    assert done.tally == rehearsed
    assert (done.tally.is_short, done.tally.rows, done.tally.payable, done.tally.accepted) == (True, 1_700, 700, 0)
    assert (done.tally.segments, done.tally.amount_milli, done.tally.available_milli) == (0, 0, 700 * PRICE), "it is all back"
    assert [fault.line for fault in told.faults] == list(range(702, 1_702)), "what could not be paid, to the end of the file"
    assert await available(hand) == 700 * PRICE
    assert await hand.all(BROADCASTS) == [("cancelled", "insufficient_balance")]
    assert [await hand.all(count) for count in COUNTS] == [[(0,)]] * 3
    await hand.check()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rows", [[], [Row(number, "12", {}) for number in range(2, 1_204)]], ids=["no row", "no good row"])
async def test_where_nothing_is_accepted_no_broadcast_stays(hand: Hand, rows: list[Row], whole: bool) -> None:
    before = await available(hand)
    done, told = await take_in(hand, rows, whole=whole)
    assert done.broadcast_id is None
    assert (done.tally.rows, done.tally.accepted, done.tally.available_milli) == (len(rows), 0, before)
    assert len(told.faults) == len(rows)
    assert await hand.all(BROADCASTS) == []
    assert [await hand.all(count) for count in COUNTS] == [[(0,)]] * 3
    assert await hand.all(sa.select(sa.func.count()).select_from(t.holds)) == [(0,)]
    await hand.check()


async def test_where_the_first_row_cannot_be_paid_no_broadcast_stays(store: Store) -> None:
    hand = await by_hand(store, available_milli=PRICE - 1)
    done, _ = await take_in(hand, rows_of(3))
    assert (done.broadcast_id, done.tally.is_short, done.tally.payable) == (None, True, 0)
    assert await hand.all(BROADCASTS) == []
    await hand.check()


async def test_an_organization_that_is_not_billed_pays_nothing(hand: Hand) -> None:
    hand.organization = await hand.organize("free", 0, billing="none")
    done, _ = await take_in(hand, rows_of(600))
    assert (done.tally.accepted, done.tally.amount_milli) == (600, 0)
    await hand.check()


class Broken(Exception):
    """The disk with the file is gone."""


def ending(count: int) -> Iterator[Row]:
    yield from rows_of(count)
    raise Broken


async def test_what_ends_it_early_takes_it_back(hand: Hand) -> None:
    before = await available(hand)
    with pytest.raises(Broken):
        await take_in(hand, ending(1_600))
    assert await hand.all(BROADCASTS) == [("cancelled", "accept_interrupted")]
    assert [await hand.all(count) for count in COUNTS] == [[(0,)]] * 3
    assert await available(hand) == before
    done, _ = await take_in(hand, rows_of(1_600))
    assert done.tally.accepted == 1_600
    await hand.check()


async def test_a_cancelled_caller_takes_it_back(hand: Hand) -> None:
    before = await available(hand)

    def endless() -> Iterator[Row]:
        yield from rows_of(1_100)
        task.cancel()
        yield from rows_of(1_100, START + 5_000)

    task = asyncio.create_task(take_in(hand, endless()))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await hand.all(BROADCASTS) == [("cancelled", "accept_interrupted")]
    assert await available(hand) == before
    await hand.check()


async def begun(hand: Hand, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import whose process is gone: nobody takes it back."""

    async def gone(*_: Any) -> None:
        return

    with monkeypatch.context() as patched:
        patched.setattr(stage, "_take_back", gone)
        with pytest.raises(Broken):
            await take_in(hand, ending_with_faults(rows))


def ending_with_faults(count: int) -> Iterator[Row]:
    yield from rows_of(count - 700)
    yield from (Row(count + number, str(number), {}) for number in range(700))
    raise Broken


async def test_sweep_takes_back_in_slices_what_was_cut_off(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one pass of sweep does: its money is back with the first slice, and nobody can go on with it."""
    before, sweeper = await available(hand), Sweeper(hand.runtime, hand.settings)
    await begun(hand, SLICE * (SLICES_MAX + 4), monkeypatch)
    stored = (await hand.all(COUNTS[0]))[0][0]
    assert stored > SLICE * SLICES_MAX
    assert await available(hand) < before
    assert [each.messages for each in await hand.store.read(imports.unfinished, hand.organization.id, "cli")] == [stored]
    hand.clock.at += ABANDONED_MICROS + SECOND
    with capture_logs() as said:
        await sweeper.sweep()
    assert said == [], "it is told when it is done"
    assert await hand.all(BROADCASTS) == [("accepting", "accept_interrupted")]
    assert await available(hand) == before
    assert await hand.all(COUNTS[0]) == [(stored - SLICE * SLICES_MAX,)]
    await hand.check()
    with capture_logs() as said:
        await sweeper.sweep()
        await sweeper.sweep()
    assert [each["event"] for each in said] == ["broadcast.abandoned"]
    assert await hand.all(BROADCASTS) == [("cancelled", "accept_interrupted")]
    assert [await hand.all(count) for count in COUNTS] == [[(0,)]] * 3
    assert await hand.store.read(imports.unfinished, hand.organization.id, "cli") == []
    await hand.check()


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is run again after it was committed; the money, the messages and the rejects are those of one run."""
    write = hand.store.write
    steps: list[str] = []

    async def lossy(function: Any, *args: Any, **kwargs: Any) -> Any:
        result = await write(function, *args, **kwargs)
        steps.append(function.__name__)
        if steps.count(function.__name__) % 2:
            raise Unavailable("The database was lost in the middle of a commit: whether it was made is not known.")
        return result

    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(hand.store, "write", lossy)
    monkeypatch.setattr(hand.runtime.timer, "sleep", at_once, raising=False)
    done, told = await take_in(hand, [*rows_of(700), Row(800, "12", {}), Row(801, f"+{START}", {"name": "again"})])
    assert sorted(steps) == ["begin"] * 2 + ["finish"] * 2 + ["land"] * 4
    assert (done.tally.accepted, done.tally.amount_milli) == (700, 700 * PRICE)
    assert [fault.reason for fault in told.faults] == ["invalid_number", "duplicate"]
    assert await hand.all(COUNTS[0]) == [(700,)]
    monkeypatch.undo()
    await hand.check()


async def test_a_rehearsal_says_the_same_and_writes_nothing(store: Store) -> None:
    hand = await by_hand(store, available_milli=900 * PRICE)
    await hand.run(f"INSERT INTO suppressions VALUES ({hand.organization.id}, {START + 7}, 'STOP', {hand.at})")
    rows = [*rows_of(800), *rows_of(10), Row(3_000, "12", {}), *rows_of(300, START + 800)]
    told = Told()
    tally = await rehearse(hand.runtime, await hand.settings.catalog(), stream_of(hand, rows), told)
    assert await hand.all(BROADCASTS) == []
    done, really = await take_in(hand, rows)
    assert tally == done.tally
    assert told.faults == really.faults
    assert tally.reasons["opted_out"] == 2


async def test_beside_another_writer_it_rests_after_every_slice(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = hand.runtime.timer.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(hand.runtime.timer, "sleep", noted, raising=False)
    await take_in(hand, rows_of(1_200))
    assert max(slept) == 0
    await take_in(hand, rows_of(1_200), beside=lambda: True)
    assert len([seconds for seconds in slept if seconds >= stage.REST_S]) == 3
