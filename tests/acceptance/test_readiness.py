"""`/readyz` of a real server says what it cannot do, and says so no longer than it is true."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.acceptance.harness import PATIENCE_S, POLL_S, Server, server


async def reasons(of: Server) -> list[str]:
    answer = await of.client.get(f"{of.url}/readyz")
    assert (answer.status_code == 200) == (answer.json()["reasons"] == []), answer.text
    return list(answer.json()["reasons"])


async def until_ready(of: Server, *, ready: bool) -> list[str]:
    """The reasons, as soon as there are none, or some."""
    found: list[str] = []
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = await reasons(of)
        if bool(found) != ready:
            return found
        await asyncio.sleep(POLL_S)
    raise AssertionError(found)


async def test_a_database_that_takes_no_writes_makes_the_server_not_ready(tmp_path: Path) -> None:
    """Reads go on all the while, nobody sends anything, and there is no carrier whose lease would be renewed."""
    async with server(tmp_path / "data") as made:
        await made.start()
        assert await until_ready(made, ready=True) == []
        with closing(sqlite3.connect(made.data_dir / "clarion.db", isolation_level=None, timeout=PATIENCE_S)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await until_ready(made, ready=False) == ["the last write was not taken: The database is locked by another process."]
            other.execute("ROLLBACK")
        assert await until_ready(made, ready=True) == []
        assert (await made.terminate())[0] == 0
