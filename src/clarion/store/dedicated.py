"""A connection to PostgreSQL that is kept for the life of the process, and comes back when it was lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

from clarion.core.clock import Timer
from clarion.store.errors import Unavailable

AGAIN_S = 0.5
"""Between two attempts to come back."""

CHECK_S = 10.0
"""A link that died without a word is noticed after this and ANSWER_S."""

ANSWER_S = 5.0
"""What the server has for the greeting, and for the check."""

LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""How asyncpg says that the server is not there."""

Prepare = Callable[["asyncpg.Connection[Any]"], Awaitable[None]]


class DedicatedConnection:
    """`prepare` is run on every connection before it counts as there: it takes a lock, or begins to listen."""

    def __init__(self, url: str, timer: Timer, prepare: Prepare) -> None:
        self._dsn = dsn(url)
        self._timer = timer
        self._prepare = prepare
        self._lost = asyncio.Event()
        self._busy = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._current: asyncpg.Connection[Any] | None = None

    async def start(self) -> None:
        """Connect, and stay connected from then on. Raises `Unavailable` if the first attempt fails."""
        try:
            await self._connect()
        except LOST as error:
            raise Unavailable(f"The database cannot be reached: {str(error) or type(error).__name__}.") from error
        self._task = asyncio.ensure_future(self._keep())

    async def execute(self, statement: str, *arguments: object) -> bool:
        """Run a statement; False if the connection is away, or was lost on the way."""
        async with self._busy:
            connection = self._current
            if connection is None:
                return False
            try:
                await connection.execute(statement, *arguments, timeout=ANSWER_S)
            except LOST:
                return False
            return True

    async def close(self) -> None:
        """Let go of it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._drop()

    async def _connect(self) -> None:
        self._lost.clear()
        connection = await asyncpg.connect(self._dsn, timeout=ANSWER_S, server_settings={"application_name": "clarion"})
        connection.add_termination_listener(lambda _: self._lost.set())
        try:
            await self._prepare(connection)
        except BaseException:
            connection.terminate()
            raise
        self._current = connection

    async def _keep(self) -> None:
        while True:
            if await self._is_alive():
                continue
            self._drop()
            try:
                await self._connect()
            except LOST:
                await self._timer.sleep(AGAIN_S)

    async def _is_alive(self) -> bool:
        if self._current is None:
            return False
        with suppress(TimeoutError):
            await asyncio.wait_for(self._lost.wait(), CHECK_S)
            return False
        return await self.execute("SELECT 1")

    def _drop(self) -> None:
        connection, self._current = self._current, None
        if connection is not None:
            connection.terminate()


def dsn(url: str) -> str:
    """The URL as asyncpg reads it, which knows libpq's options (sslmode, host as a folder of sockets, passfile)."""
    _, _, rest = url.partition("://")
    return f"postgresql://{rest}"
