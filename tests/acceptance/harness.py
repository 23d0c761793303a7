"""Clarion as its users have it: a server process on a port, an SMSC in another, HTTP between, and the database to look into."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import Connection

from clarion.store import Store, money, tenants
from clarion.store.catalog import load_organization
from clarion.store.engine import open_store
from clarion.wiring.machine import SystemClock, SystemIds, SystemTimer

LAUNCH = Path(__file__).parent / "launch.py"

PATIENCE_S = 60.0
"""No test asks for speed: this is how long a condition may take on a busy machine before something is wrong."""

POLL_S = 0.02

MILLI = 100_000
"""One shilling."""

T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """The first answer of `condition` that is true."""
    end = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {patience_s:.0f} s for {what}"
        await asyncio.sleep(POLL_S)
    return answer


@dataclass
class Server:
    """A server process that is started, killed and started again on the same data and the same port."""

    data_dir: Path
    database_url: str
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=PATIENCE_S))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir / "serve.log"

    def launch(self) -> None:
        """Start the process, and do not wait for it."""
        self.data_dir.mkdir(exist_ok=True)
        options = {
            "port": self.port,
            "data_dir": str(self.data_dir),
            "database_url": self.database_url,
            "log_format": "json",
            **self.options,
        }
        with self.log.open("ab") as log, self.announced.open("wb") as announced:
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCH), "serve", json.dumps(options)],
                stdout=announced,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **self.environment},
            )

    @property
    def announced(self) -> Path:
        return self.data_dir / "announced.json"

    async def start(self) -> None:
        """Start the process, and wait until it answers."""
        self.launch()
        line = await until(lambda: self.announced.read_text() if self._alive() else "", "the server to start")
        self.key = json.loads(line)["key"] or self.key

    async def bound(self) -> None:
        """Wait until a carrier is bound."""
        while not (self._alive() and await self._has_bound()):
            await asyncio.sleep(POLL_S)

    async def _has_bound(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            metrics = (await self.client.get(f"{self.url}/metrics")).text
            return re.search(r"^clarion_bind_bound\{.*\} 1\.0$", metrics, re.MULTILINE) is not None
        return False

    def _alive(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}"
        return True

    def kill(self) -> None:
        """SIGKILL, and the process is gone when this returns."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def terminate(self) -> tuple[int, float]:
        """SIGTERM; the exit code and the seconds that it took."""
        assert self.process is not None
        process, self.process = self.process, None
        begun = time.monotonic()
        process.terminate()
        try:
            code = await asyncio.to_thread(process.wait, PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return code, time.monotonic() - begun

    async def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        return await self.client.post(f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {key or self.key}"})

    async def send_bulk(self, recipients: list[str], text: str, sender: str = "CLARION") -> str:
        """Its campaign id, and every recipient queued."""
        response = await self.post("/v1/sms/send-bulk/", {"recipients": recipients, "message": text, "sender_id": sender})
        assert response.status_code == 201, response.text[:500]
        answer = response.json()
        assert answer["queued"] == len(recipients)
        return str(answer["campaign_id"])


@asynccontextmanager
async def server(data_dir: Path, database_url: str | None = None, **options: Any) -> AsyncIterator[Server]:
    """A server that was not started yet; killed at the end if it runs."""
    made = Server(data_dir, database_url or f"sqlite:///{data_dir / 'clarion.db'}", options=options)
    try:
        yield made
    finally:
        made.kill()
        await made.client.aclose()


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Store]:
    """The server's database, beside it or after its death."""
    store = await open_store(server.database_url, SystemTimer())
    try:
        yield store
    finally:
        await store.close()


async def look(server: Server, read: Callable[[Connection], T]) -> T:
    """What is in the server's database."""
    async with opened(server) as store:
        return await store.read(read)


async def add_carrier(server: Server, url: str, *, prefix: str = "", price: str = "1.00", name: str = "one") -> None:
    async with opened(server) as store:
        await store.write(tenants.add_carrier, tenants.NewCarrier(name, url, "", prefix, price), SystemClock().now())


async def top_up(server: Server, organization: str, amount_milli: int) -> None:
    async with opened(server) as store:
        found = await store.read(load_organization, organization)
        assert found is not None
        await store.write(money.top_up, found.id, amount_milli, SystemClock().now())


async def add_organization(server: Server, name: str, amount_milli: int) -> str:
    """A prepaid organization with this much money; its key."""
    now, token = SystemClock().now(), tenants.KEY_PREFIX + SystemIds().token(tenants.KEY_CHARACTERS)
    async with opened(server) as store:
        organization_id = await store.write(tenants.create_organization, tenants.NewOrganization(name), SystemIds().broadcast(now), now)
        await store.write(tenants.create_key, tenants.NewKey(organization_id, "test"), token, now)
        await store.write(money.top_up, organization_id, amount_milli, now)
    return token


@dataclass
class SmscProcess:
    """A simulated SMSC in a process of its own, and what it wrote down."""

    port: int
    log: Path
    process: "subprocess.Popen[str]"

    def submits(self) -> list[dict[str, Any]]:
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def counters(self) -> dict[str, int]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        counters: dict[str, int] = json.loads(self.process.stdout.readline())
        return counters


@contextmanager
def smsc_process(log: Path, **options: Any) -> Iterator[SmscProcess]:
    process = subprocess.Popen(
        [sys.executable, str(LAUNCH), "smsc", json.dumps({"log_file": str(log), **options})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout
        word, _, port = process.stdout.readline().partition(" ")
        assert word == "listening"
        yield SmscProcess(int(port), log, process)
    finally:
        process.kill()
        process.communicate()
