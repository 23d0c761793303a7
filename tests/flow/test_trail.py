"""From a message back to where it went: the ranges say of each part what the carrier's own log says, over a real road."""

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.flow.rig import Road, numbers, road

from clarion.carriers.interface import Place, Submission
from clarion.flow.accept import accept
from clarion.flow.dispatch.journey import Journey
from clarion.flow.dispatch.trail import RANGE_MICROS, SEQUENCES, Trail
from clarion.flow.order import Order
from clarion.simulator.settings import SmscSettings
from clarion.store import Store, submits
from clarion.store import tables as t
from clarion.store.history import message_history
from clarion.store.marks import Marked

LONG = "x" * 400
"""Three parts."""


def submission(message_id: int, part: int = 1, parts: int = 1, attempt: int = 1) -> Submission:
    return Submission(message_id, attempt, "ACME", 254_700_000_000, "Hi", "gsm7", part, parts, 0, None)


def journey(message_id: int, marked_at: int = 5) -> Journey:
    message = Marked(message_id, 1, "", 254_700_000_000, "Hi", "gsm7", 1, 1, 0, None, 1, 1, 1, 2, 1, 0)
    return Journey(message, 1, marked_at)


def add(trail: Trail, given: list[Submission], last: int, now: int = 10, marked_at: int = 5) -> None:
    trail.add(given, Place(1, last), {each.message_id: journey(each.message_id, marked_at) for each in given}, now)


def test_what_goes_on_is_one_range() -> None:
    trail = Trail()
    add(trail, [submission(7), submission(8)], 102)
    add(trail, [submission(9)], 103, now=20)
    add(trail, [submission(10, part, 2) for part in (1, 2)], 105)
    add(trail, [submission(11, 1, 2)], 106)
    add(trail, [submission(11, 2, 2)], 107)
    first, second = trail.drain()
    assert (first.first_id, first.last_id, first.sequence, first.submitted_at, first.until_at) == (7, 9, 101, 10, 20)
    assert (second.first_id, second.last_id, second.sequence, second.parts) == (10, 11, 104, 2)
    assert trail.drain() == []


def test_what_does_not_go_on_begins_another_range() -> None:
    trail = Trail()
    add(trail, [submission(7)], 101)
    add(trail, [submission(8)], 103)  # an enquire_link went between
    add(trail, [submission(9)], 104, marked_at=6)
    add(trail, [submission(10, attempt=2)], 105, marked_at=6)
    add(trail, [submission(11)], 106, now=RANGE_MICROS * 3, marked_at=6)
    add(trail, [submission(3), submission(5), submission(4)], 109, marked_at=6)
    assert [(each.first_id, each.last_id, each.sequence) for each in trail.drain()] == [
        (7, 7, 101),
        (8, 8, 103),
        (9, 9, 104),
        (10, 10, 105),
        (11, 11, 106),
        (3, 3, 107),
        (5, 5, 108),
        (4, 4, 109),
    ]


def test_sequences_begin_again() -> None:
    trail = Trail()
    add(trail, [submission(7), submission(8)], 1)
    assert trail.drain()[0].sequence == SEQUENCES


async def follow(here: Road) -> None:
    """Let what was given be written: the connections end in order."""
    await here.end()


async def test_it_says_what_the_carrier_has_seen(store: Store, tmp_path: Path) -> None:
    """Two binds, long and short texts, lost connections, throttling: every PDU that came is told, with its own number."""
    log = tmp_path / "smsc.log"
    settings = SmscSettings(log_file=log, disconnect_every=400, failures={0x58: 0.005}, answer_delay_ms=2)
    async with road(store, settings, options="window=20&binds=2&answer_timeout=5") as here:
        short = await here.accept(numbers(600))
        long = await here.accept(numbers(100, 254_711_000_000), LONG)
        single = await here.accept(numbers(1, 254_722_000_000), lane=0)
        for accepted in (short, long, single):
            await here.until(accepted, lambda v: v.state == "completed")
        await follow(here)
    seen = {(int(line["destination"]), line.get("part", 1), line["sequence"]) for line in read(log)}
    told = set()

    async def recipients() -> dict[int, int]:
        rows: list[Any] = await here.all(sa.select(t.messages.c.id, t.messages.c.recipient))
        return dict(map(tuple, rows))

    for message_id, recipient in (await recipients()).items():
        for found in await store.read(submits.of_message, message_id):
            assert found.marked_at <= found.submitted_at <= found.until_at
            told |= {(recipient, part, found.sequence + part - 1) for part in range(1, found.parts + 1)}
    assert len(seen) > 600, "what was written when a connection broke was never read"
    assert seen <= told
    ((ranges,),) = await here.all(sa.select(sa.func.count()).select_from(t.submits))
    assert ranges < len(seen), "many to a range"


def read(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_a_history_goes_from_the_request_to_the_receipt(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(log_file=log)) as here:
        order = Order(here.organization, "cli", 0, LONG, "ACME", numbers(1), partial=True, request_id="order-17")
        accepted = await accept(here.runtime, await here.settings.catalog(), order)
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 1)
        assert view.request_id == "order-17"
        await follow(here)
        history = await store.read(message_history, accepted.broadcast_id, 1)
    assert history is not None
    assert history.request_id == "order-17"
    told = [event.what for event in history.events]
    assert told[:5] == ["request", "accepted", "routed", "marked", "submitted"]
    assert told[-1] == "delivered"
    assert {"sent", "charged", "part 1 of attempt 1"} <= set(told)
    (submitted,) = [event for event in history.events if event.what == "submitted"]
    first = read(log)[0]["sequence"]
    assert submitted.detail == f"bind 0, connection 1, sequences {first} to {first + 2}"
    assert submitted.carrier == "one"
    assert sorted(event.at for event in history.events) == [event.at for event in history.events]


async def test_the_trail_is_forgotten_in_slices(store: Store) -> None:
    made = [submits.Submit(number, number, 1, 1, number, 1, 100, 100, 100 + number) for number in range(1, 1_201)]
    await store.write(submits.keep, 1, 0, 1, made)
    assert await store.write(submits.forget, 100) == 0
    dropped = []
    while count := await store.write(submits.forget, 1_000):
        dropped.append(count)
    assert sum(dropped) == 899
    assert max(dropped) <= submits.SLICE
    assert await store.read(submits.of_message, 899) == []
    assert len(await store.read(submits.of_message, 900)) == 1
