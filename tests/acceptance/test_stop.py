"""SIGTERM ends the process even where the database does not answer; a second signal ends it at once."""

import asyncio
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.acceptance.harness import PATIENCE_S, Server, until


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Nobody else writes to the database meanwhile."""
    with closing(sqlite3.connect(server.data_dir / "clarion.db", isolation_level=None, timeout=PATIENCE_S)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_stop_ends_without_the_database(tmp_path: Path, signals: int) -> None:
    server = Server(tmp_path / "data", options=("--simulator",))
    await server.start()
    try:
        await server.bound()
        process = server.process
        assert process is not None
        with locked(server):
            process.send_signal(signal.SIGTERM)
            await until(lambda: "server.stopping" in server.log.read_text(), "the stop to begin")
            if signals == 2:
                process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, PATIENCE_S)
        assert ("a second signal" in server.log.read_text()) == (signals == 2)
    finally:
        server.kill()
        await server.client.aclose()
