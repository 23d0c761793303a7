"""What a trial asks of a gateway, Clarion's and the peers'; and what the peers share."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol

import aiohttp
from bench import processes
from bench.house import Carrier, client
from bench.peers import entry
from bench.processes import Program
from yarl import URL

SINGLES = 90_000_000
"""Numbers from here on, counted from the first, are those of single sends."""

COUNT_S = 0.05


class Gateway(Protocol):
    """One that runs, bound to the simulated SMSC."""

    def pids(self) -> list[int]:
        """The programs that it is made of, its database and brokers included."""

    async def send(self, messages: int) -> None:
        """Have so many accepted, to the numbers from the first on, the way that is fastest."""

    async def send_without_end(self, ahead: int) -> None:
        """The same until cancelled, with at most so many accepted and not finished."""

    async def send_single(self, number: int) -> float:
        """One message to a number of `SINGLES`, ahead of others where the gateway knows that; how long the answer took, in seconds."""

    async def finished(self) -> int:
        """Of how many messages the receipt has come out at the other end."""

    async def kill(self, *, everything: bool) -> None:
        """SIGKILL for its own processes, and for databases and brokers too if everything is to go."""

    async def restart(self) -> None:
        """Start what was killed, and wait until it is bound."""

    async def unknown(self) -> int:
        """How many messages it names as in doubt."""


Run = Callable[[Path, int, Carrier], AbstractAsyncContextManager[Gateway]]
"""A gateway in this folder, bound to the SMSC at this port."""


class Sizes(NamedTuple):
    """How many messages are sent in each trial, and how long a single one of the killed ones takes the carrier."""

    messages: int
    delayed: int
    killed: int
    kill_delay_ms: int = 200

    def of(self, share: float, killed_share: float) -> "Sizes":
        """Only a share of it."""
        messages, delayed = (max(100, int(n * share)) for n in (self.messages, self.delayed))
        return Sizes(messages, delayed, int(self.killed * killed_share), self.kill_delay_ms)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to measure. `key` is its name in files, `settings` what is to be known of its configuration."""

    key: str
    name: str
    run: Run
    sizes: Sizes
    settings: str
    versions: Mapping[str, str] = field(default_factory=dict)
    has_window: bool = True
    """Whether window ÷ round trip says anything of it."""

    rounds_max: int = 3
    """How often its rates are measured at most."""

    is_variant: bool = False
    """Whether only its messages enter another way, so that a slow carrier and a kill find what they find without it."""

    stores_apart: bool = False
    """Whether something else than its own processes keeps its messages."""


class HttpPeer(ABC):
    """A peer that takes messages by GET requests, and calls a URL for each receipt."""

    port: int
    http: aiohttp.ClientSession
    callbacks: Program
    connections: int = 32
    """Over which a blast enters."""

    recipients: int = 1
    """How many one request of a blast has."""

    @abstractmethod
    def request(self, numbers: Sequence[int], *, urgent: bool) -> str:
        """Path and query that send the text to these numbers, and have the receiver called for each."""

    async def send(self, messages: int) -> None:
        requests = (self._octets(range(first, min(first + self.recipients, messages))) for first in range(0, messages, self.recipients))
        await entry.send(self.port, requests, self.connections)

    async def send_without_end(self, ahead: int) -> None:
        sent = finished = 0

        def requests() -> Iterator[bytes]:
            nonlocal sent
            for sent in count(self.recipients, self.recipients):
                yield self._octets(range(sent - self.recipients, sent))

        async def follow() -> None:
            nonlocal finished
            while True:
                finished = await self.finished()
                await asyncio.sleep(COUNT_S)

        following = asyncio.create_task(follow())
        try:
            await entry.send(self.port, requests(), self.connections, lambda: sent - finished < ahead)
        finally:
            following.cancel()

    async def send_single(self, number: int) -> float:
        url = f"http://127.0.0.1:{self.port}{self.request([SINGLES + number], urgent=True)}"
        started = time.perf_counter()
        async with self.http.get(URL(url, encoded=True)) as answer:
            octets = await answer.read()
            took_s = time.perf_counter() - started
            if answer.status not in {200, 202}:
                raise RuntimeError(f"a single request was answered {answer.status}: {octets[:300]!r}")
        return took_s

    async def finished(self) -> int:
        async with self.http.get(f"http://127.0.0.1:{self.callbacks.line}/count") as answer:
            called, numbers = json.loads(await answer.read())
        assert called >= numbers
        return int(numbers)

    async def unknown(self) -> int:
        return 0

    def _octets(self, numbers: Sequence[int]) -> bytes:
        target = self.request(numbers, urgent=False)
        return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: keep-alive\r\n\r\n".encode()


@asynccontextmanager
async def called_back(folder: Path, body: str) -> AsyncIterator[tuple[aiohttp.ClientSession, Program]]:
    """A client, and a receiver of callbacks that answers them with this."""
    callbacks = await processes.start("bench.peers.callbacks", body, errors=folder / "callbacks.err")
    try:
        async with client(None) as http:
            yield http, callbacks
    finally:
        await callbacks.stop()
