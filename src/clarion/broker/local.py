"""Rings within one process."""

import asyncio
from collections.abc import Iterable


class LocalListener:
    """As `Listener`. Rings that come while nobody waits are kept, as one."""

    def __init__(self, broker: "LocalBroker", topics: frozenset[str]) -> None:
        self.topics = topics
        self._broker = broker
        self._rung = asyncio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """As `Listener.wait`."""
        if not self._rung.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._rung.wait()
            except TimeoutError:
                return False
        self._rung.clear()
        return True

    def notice(self) -> None:
        """There was a ring."""
        self._rung.set()

    def close(self) -> None:
        self._broker.forget(self)


class LocalBroker:
    """As `Broker`, for one event loop."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[LocalListener]] = {}

    def ring(self, topic: str) -> None:
        for listener in self._listeners.get(topic, ()):
            listener.notice()

    def listen(self, topics: Iterable[str]) -> LocalListener:
        listener = LocalListener(self, frozenset(topics))
        for topic in listener.topics:
            self._listeners.setdefault(topic, []).append(listener)
        return listener

    def forget(self, listener: LocalListener) -> None:
        """Ring it no more; a second time does nothing."""
        for topic in listener.topics:
            remaining = [other for other in self._listeners.get(topic, ()) if other is not listener]
            if remaining:
                self._listeners[topic] = remaining
            else:
                self._listeners.pop(topic, None)

    def ring_all(self) -> None:
        """Ring every topic: something may have been missed."""
        for topic in self._listeners:
            self.ring(topic)

    async def close(self) -> None:
        """Nothing to let go of."""
