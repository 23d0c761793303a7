"""kill -9 at seeded instants (law 2): nothing twice on the wire, nothing lost, no more in doubt than two windows, the money exact.

The witness is the SMSC's own log, written by a process that survives: each text carries a token, and each person is written to once.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, SmscProcess, server, smsc_process, until

from clarion.flow.sweep import ABANDONED_MICROS
from clarion.store import tables as t

KILLS = int(os.environ.get("CLARION_TEST_KILLS", "10"))
KILLS_ON = {"sqlite": KILLS, "postgres": max(3, KILLS // 4)}
SEED = int(os.environ.get("CLARION_TEST_SEED", str(random.SystemRandom().randrange(1_000_000))))

RECIPIENTS = 5_000
WINDOW = 50
DOUBT_MAX = 2 * WINDOW
"""Of each bind (law 2)."""

CARRIER = f"window={WINDOW}&rate=500"

BUSY = ("--aimed-failures", "--answer-delay-ms", "60", "--receipt-delay-ms", "100")
"""So that at every instant some thirty submits have no answer, and fifty receipts are owed."""

BINDS = {"sqlite": 1, "postgres": 2}

IN_START_SHARE = 0.25
"""So many kills hit a process that is just starting, and taking up what the last one left."""

AFTER_S = 1.2
"""A kill comes within this time of the start, or of the bind."""

AIMED_EVERY = 20
AIMED = (1, 2, 3, 4, 5, 6, 7, 8)
"""Endings of numbers that the SMSC refuses, fails, answers without receipt, with two, an early or a late one, expires and rejects."""

ENDS = {1: {"refused", "unknown"}, 2: {"undelivered"}, 3: {"sent", "unknown"}, 7: {"undelivered"}, 8: {"undelivered"}}
"""What may become of a message that the SMSC has, by the ending; all others must be delivered. Where no receipt follows, the answer may
have been lost with the process: that message stays unknown."""


ACCEPTS = 6
ACCEPT_S = 0.3
"""Twice what sending, pricing and storing 10,000 recipients takes: the kills are spread over it."""

STOPS = 2
SLOW = ("--aimed-failures", "--answer-delay-ms", "200", "--receipt-delay-ms", "300")


class Row(NamedTuple):
    """A message as the database has it. `state` None: no row."""

    message_id: int
    recipient: str
    text: str
    marked: bool
    state: str | None


@dataclass
class Trial:
    """A server under fire, its broadcasts by campaign id, and a line for each kill."""

    server: Server
    smsc: SmscProcess
    chance: random.Random
    recipients: int = RECIPIENTS
    binds: int = 1
    texts: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    async def send(self) -> None:
        """One more broadcast, to people of its own."""
        number = len(self.texts)
        text = f"Your code is {self.chance.randrange(1 << 40):010x}"
        self.texts[await self.server.send_bulk(recipients_of(number)[: self.recipients], text)] = text

    async def completed(self) -> bool:
        return all([await self.server.completed(campaign) for campaign in self.texts])

    async def kill(self, number: int) -> None:
        """One life of the server, from its launch to its end at an instant that chance chooses."""
        launched = time.monotonic()
        self.server.launch()
        if number > 1 and self.chance.random() < IN_START_SHARE:
            bound = " in start"
        else:
            await self.server.bound()
            bound = f"{time.monotonic() - launched:7.2f} s"
            if await self.completed():
                await self.send()
        await asyncio.sleep(self.chance.random() * AFTER_S)
        self.server.kill()
        rows = await self.server.left(messages)
        doubt = sum(row.marked and row.state is None for row in rows) + sum(row.state == "marked" for row in rows)
        unknown = sum(row.state == "unknown" for row in rows)
        submits = self.smsc.submits()
        self.lines.append(f"{number:4}  {bound}  {doubt:8}  {unknown:8}  {len(submits):8}")
        assert doubt <= DOUBT_MAX * self.binds
        marked = {row.recipient for row in rows if row.marked}
        assert {submit["destination"] for submit in submits} <= marked, "something is on the wire that was never marked"


def recipients_of(broadcast: int) -> list[str]:
    """No two numbers share their last eight digits; every so many have an ending that the SMSC knows."""
    aimed = (f"2547{broadcast:02}{place // len(AIMED):02}{AIMED[place % len(AIMED)]:04}" for place in range(RECIPIENTS))
    return [next(aimed) if k % AIMED_EVERY == 0 else f"2547{broadcast:02}{501_000 + k}" for k in range(RECIPIENTS)]


def messages(connection: Connection) -> list[Row]:
    m, d, c, b = t.messages.c, t.deliveries.c, t.chunks.c, t.broadcasts.c
    joined = (
        t.messages.join(t.chunks, m.id.between(c.id, c.last_id))
        .join(t.broadcasts, b.id == m.broadcast_id)
        .outerjoin(t.deliveries, d.message_id == m.id)
    )
    query = sa.select(m.id, sa.cast(m.recipient, sa.Text), b.text, m.id <= c.marked_id, d.state).select_from(joined)
    return [Row(*row) for row in connection.execute(query)]


def wrong(rows: Iterable[Row], submits: Sequence[dict[str, Any]]) -> list[str]:
    """Messages whose state is not what the SMSC's log says of them."""
    taken = {(submit["destination"], submit["text"]): submit["status"] == 0 for submit in submits}
    found = []
    for row in rows:
        took = taken.get((row.recipient, row.text))
        ending = int(row.recipient[-4:])
        expected = {"unknown"} if took is None else ENDS.get(ending, {"delivered"})
        if row.state not in expected:
            found.append(f"{row.recipient} is {row.state}, not {' or '.join(sorted(expected))}")
    return found


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_killed_at_any_instant(engine: str, request: pytest.FixtureRequest, tmp_path: Path, note: Callable[[str], None]) -> None:
    kills = KILLS_ON[engine]
    carrier = f"{CARRIER}&binds={BINDS[engine]}"
    url = request.getfixturevalue("empty_postgres_url") if engine == "postgres" else None
    with smsc_process(tmp_path / "submits.jsonl", *BUSY) as smsc:
        async with server(tmp_path / "data", url) as here:
            trial = Trial(here, smsc, random.Random(f"{SEED} {engine}"), binds=BINDS[engine])
            note(f"{kills} kills on {engine}, CLARION_TEST_SEED={SEED}, {carrier}")
            await here.start()
            await here.top_up()
            await here.add_carrier(f"smpp://clarion@127.0.0.1:{smsc.port}?{carrier}")
            await here.bound()
            await trial.send()
            try:
                here.kill()
                for number in range(1, kills + 1):
                    await trial.kill(number)
            finally:
                note("kill  bound again  in doubt   unknown   on the wire")
                for line in trial.lines:
                    note(line)
            await here.start()
            rows = await settled(trial)
            once = Counter((submit["destination"], submit["text"]) for submit in smsc.submits())
            assert [key for key, count in once.items() if count > 1] == []
            assert len(rows) == RECIPIENTS * len(trial.texts)
            states = Counter(row.state for row in rows)
            assert states["unknown"] <= DOUBT_MAX * trial.binds * kills
            await here.look(assert_exact)
            assert (await here.command("doctor"))["healthy"]
            note(f"{len(trial.texts)} broadcasts, {len(rows)} messages, {len(once)} on the wire, none twice: {dict(states)}")


async def settled(trial: Trial) -> list[Row]:
    """All messages, once every broadcast is completed and every state is what the SMSC's log says."""
    end = time.monotonic() + PATIENCE_S
    while True:
        rows = await trial.server.look(messages)
        faults = wrong(rows, trial.smsc.submits())
        if await trial.completed() and not faults:
            return rows
        assert time.monotonic() < end, f"{len(faults)} are wrong: {faults[:10]}"
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_an_accept_that_is_killed_is_whole_or_is_taken_back(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, note: Callable[[str], None]
) -> None:
    """The request of 10,000 recipients is in flight at SIGKILL."""
    chance = random.Random(f"{SEED} accept {engine}")
    url = request.getfixturevalue("empty_postgres_url") if engine == "postgres" else None
    with smsc_process(tmp_path / "submits.jsonl") as smsc:
        async with server(tmp_path / "data", url) as here:
            await here.start()
            await here.top_up()
            await here.add_carrier(f"smpp://clarion@127.0.0.1:{smsc.port}?window={WINDOW}")
            await here.bound()
            texts = [f"Accept number {number}" for number in range(ACCEPTS)]
            answered = set()
            for number, text in enumerate(texts):
                request_ = asyncio.create_task(here.send_bulk([f"2547{number:02}{510_000 + k}" for k in range(2 * RECIPIENTS)], text))
                await asyncio.sleep((number + chance.random()) / ACCEPTS * ACCEPT_S)
                here.kill()
                with contextlib.suppress(httpx.TransportError):
                    await request_
                    answered.add(text)
                await here.start()
                await here.bound()
            found = {text: (state, count) for text, state, count in await here.look(accepted)}
            whole = {text for text, (state, _) in found.items() if state not in {"accepting", "cancelled"}}
            cut = found.keys() - whole
            note(f"{ACCEPTS} accepts killed on {engine}: {len(answered)} answered, {len(whole)} whole, {len(cut)} cut off")
            assert answered <= whole
            assert {found[text][1] for text in whole} <= {2 * RECIPIENTS}
            here.kill()
            later = datetime.now(UTC) + timedelta(seconds=1 + ABANDONED_MICROS / 1e6)
            here.clock = f"start={later:%Y-%m-%dT%H:%M:%SZ},rate=1"
            await here.start()
            ended = ({"completed"} if whole else set()) | ({"cancelled"} if cut else set())
            while {state for _, state, _ in await here.look(accepted)} != ended:
                await asyncio.sleep(0.2)
            submits = Counter((submit["destination"], submit["text"]) for submit in smsc.submits())
            assert {text for _, text in submits} <= whole
            assert set(submits.values()) <= {1}
            rows = await here.look(messages)
            assert len(rows) == 2 * RECIPIENTS * len(whole)
            assert sum(row.state == "unknown" for row in rows) <= DOUBT_MAX * ACCEPTS
            await here.look(assert_exact)


def accepted(connection: Connection) -> list[tuple[str, str, int]]:
    """The text, the state and the size of each broadcast."""
    b = t.broadcasts.c
    return [(row[0], row[1], row[2]) for row in connection.execute(sa.select(b.text, b.state, b.last_id - b.first_id + 1))]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_sigterm_leaves_nothing_unknown(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, note: Callable[[str], None]
) -> None:
    """In the middle of a broadcast, with a carrier that takes its time and owes receipts."""
    url = request.getfixturevalue("empty_postgres_url") if engine == "postgres" else None
    with smsc_process(tmp_path / "submits.jsonl", *SLOW) as smsc:
        async with server(tmp_path / "data", url) as here:
            await here.start()
            await here.top_up()
            await here.add_carrier(f"smpp://clarion@127.0.0.1:{smsc.port}?{CARRIER}")
            await here.bound()
            trial = Trial(here, smsc, random.Random(SEED), recipients=1_500)
            await trial.send()
            for stops in range(1, STOPS + 1):
                await until(partial(more_than, smsc, 300 * stops), "submits")
                code, seconds = await here.terminate()
                assert code == 0, here.log.read_text()[-2000:]
                rows = await trial.server.left(messages)
                left = Counter(row.state for row in rows if row.marked)
                note(f"SIGTERM on {engine}: exit {code} after {seconds:.1f} s, {smsc.count} on the wire, marked: {dict(left)}")
                assert left.keys() <= {"retry", "sent", "delivered", "undelivered", "refused"}
                assert left.total() - left["retry"] == smsc.count
                await here.start()
            rows = await settled(trial)
            assert {row.state for row in rows} == {"sent", "delivered", "undelivered", "refused"}
            assert smsc.count == len(rows) == trial.recipients
            await here.look(assert_exact)


def more_than(smsc: SmscProcess, count: int) -> bool:
    return smsc.count > count
