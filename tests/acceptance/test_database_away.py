"""A database that does not answer for a while in the middle of a broadcast: stopped, crashed, locked, its folder moved away."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, SmscProcess, server, smsc_process, until
from tests.acceptance.test_readiness import until_ready
from tests.acceptance.troubles import Meanwhile, refused_everywhere
from tests.own_postgres import own_postgres
from tests.ports import free_port

from clarion.store import tables as t

RECIPIENTS = [str(254_700_000_000 + number) for number in range(2_000)]
BEGUN = 400
WINDOW = 50
CARRIER = f"window={WINDOW}&rate=200"
SLOW = ("--answer-delay-ms", "150", "--receipt-delay-ms", "300")


@dataclass
class Blast:
    """A broadcast in the middle of its way."""

    here: Server
    smsc: SmscProcess
    meanwhile: Meanwhile
    campaign: str

    async def stands(self, reason: str) -> None:
        """Not ready for this reason; nothing more goes out, nothing is acknowledged, every face refuses."""
        before = self.smsc.count
        found = await until_ready(self.here, ready=False)
        async with asyncio.timeout(PATIENCE_S):
            while not any(reason in each for each in found):
                found = await until_ready(self.here, ready=False)
        await self.meanwhile.stands_still(before=before, more_max=2 * WINDOW)
        await refused_everywhere(self.here)

    async def goes_on(self) -> None:
        """By itself, to its end, with every message once and the money exact."""
        assert await until_ready(self.here, ready=True) == []
        assert Counter((await self.here.ended(self.campaign)).values()) == {"delivered": len(RECIPIENTS)}
        await self.meanwhile.nothing_twice(len(RECIPIENTS))
        assert await self.here.look(lambda c: c.execute(sa.select(sa.func.count()).select_from(t.broadcasts)).scalar_one()) == 1
        await self.here.look(assert_exact)
        assert (await self.here.command("doctor"))["findings"] == []
        assert (await self.here.terminate())[0] == 0


@asynccontextmanager
async def blast(tmp_path: Path, url: str | None = None) -> AsyncIterator[Blast]:
    http = free_port()
    with smsc_process(tmp_path / "submits.jsonl", *SLOW, "--http-port", str(http)) as smsc:
        async with server(tmp_path / "data", url) as here:
            await here.start()
            await here.add_carrier(f"smpp://clarion@127.0.0.1:{smsc.port}?{CARRIER}")
            await here.command("organizations", "set", "default", "--rate-limits", "off")
            await here.top_up()
            await here.bound()
            campaign = await here.send_bulk(RECIPIENTS, "Under way")
            await until(lambda: smsc.count > BEGUN, "the middle of the broadcast")
            yield Blast(here, smsc, Meanwhile(here, smsc, http), campaign)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_postgres_that_is_stopped_and_started(mode: str, tmp_path: Path) -> None:
    """In order, and as in a crash: the server stays up, refuses, waits with what it knows, and goes on."""
    with own_postgres() as postgres:
        async with blast(tmp_path, postgres.url) as under_way:
            await asyncio.to_thread(postgres.stop, mode)
            await under_way.stands("the database")
            await asyncio.to_thread(postgres.start)
            await under_way.goes_on()


async def test_a_database_that_another_process_holds_locked(tmp_path: Path) -> None:
    async with blast(tmp_path) as under_way:
        with closing(sqlite3.connect(tmp_path / "data/clarion.db", isolation_level=None, timeout=PATIENCE_S)) as other:
            other.execute("BEGIN IMMEDIATE")
            await under_way.stands("The database is locked by another process.")
            other.execute("ROLLBACK")
        await under_way.goes_on()


async def test_a_data_folder_that_is_moved_away_and_back(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    async with blast(tmp_path) as under_way:
        folder.rename(elsewhere)
        await under_way.stands("The database file cannot be opened.")
        elsewhere.rename(folder)
        await under_way.goes_on()


async def test_an_end_that_the_database_does_not_let_through_is_forced(tmp_path: Path) -> None:
    """What was not recorded is in doubt at the next start, as after a kill: two windows at most, and nothing goes out again."""
    async with blast(tmp_path) as under_way:
        here = under_way.here
        with closing(sqlite3.connect(tmp_path / "data/clarion.db", isolation_level=None, timeout=PATIENCE_S)) as other:
            other.execute("BEGIN IMMEDIATE")
            await until_ready(here, ready=False)
            assert (await here.terminate())[0] == 1
            assert '"event": "server.forced"' in here.log.read_text()
        await here.start()
        async with asyncio.timeout(PATIENCE_S):
            while (found := await here.look(states)) - Counter({"delivered": len(RECIPIENTS), "unknown": 2 * WINDOW}):
                await asyncio.sleep(0.5)
        assert found.total() == len(RECIPIENTS)
        once = Counter(submit["destination"] for submit in under_way.smsc.submits())
        assert set(once.values()) == {1}
        assert len(once) >= found["delivered"]
        await here.look(assert_exact)
        assert (await here.command("doctor"))["healthy"]


def states(connection: sa.Connection) -> "Counter[str]":
    """How many messages are in each; those without a row are waiting."""
    joined = t.messages.outerjoin(t.deliveries, t.deliveries.c.message_id == t.messages.c.id)
    return Counter(state or "waiting" for (state,) in connection.execute(sa.select(t.deliveries.c.state).select_from(joined)))
