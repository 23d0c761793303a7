"""Rings between processes by PostgreSQL's NOTIFY; listeners of the same process are rung directly."""

import asyncio
from collections.abc import Iterable
from typing import Any

from clarion.broker.local import LocalBroker, LocalListener
from clarion.core.clock import Timer
from clarion.store.dedicated import DedicatedConnection

CHANNEL = "clarion_rings"
"""One channel for all topics; the payload is the topic."""


async def open_postgres_broker(url: str, timer: Timer) -> "PostgresBroker":
    """Connect and listen. Raises `Unavailable`; once open, a lost connection comes back by itself."""
    broker = PostgresBroker(url, timer)
    await broker.start()
    return broker


class PostgresBroker:
    """As `Broker`. While the connection is away only this process hears its rings: everybody polls as well."""

    def __init__(self, url: str, timer: Timer) -> None:
        self._local = LocalBroker()
        self._connection = DedicatedConnection(url, timer, self._begin)
        self._pending: set[str] = set()
        self._sender: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """As `open_postgres_broker`."""
        await self._connection.start()

    def ring(self, topic: str) -> None:
        """As `Broker.ring`. Rings of one turn of the loop, and those that come while others are on their way, go together."""
        self._local.ring(topic)
        self._pending.add(topic)
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._send())

    def listen(self, topics: Iterable[str]) -> LocalListener:
        return self._local.listen(topics)

    async def close(self) -> None:
        """Send what was rung, then stop listening."""
        if self._sender is not None:
            await self._sender
        await self._connection.close()

    async def _begin(self, connection: Any) -> None:  # noqa: ANN401  (asyncpg's)
        await connection.add_listener(CHANNEL, self._heard)
        # What was rung while the connection was away is lost: let everybody look once.
        self._local.ring_all()

    def _heard(self, connection: Any, process: int, _channel: str, topic: object) -> None:  # noqa: ANN401  (asyncpg's)
        if process != connection.get_server_pid():
            self._local.ring(str(topic))

    async def _send(self) -> None:
        try:
            while self._pending:
                topics, self._pending = self._pending, set()
                await self._connection.execute("SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic", CHANNEL, list(topics))
        finally:
            self._sender = None
