"""Clarion as its users have it: the command `clarion`, a server process on a port, an SMSC in another, and HTTP between.

The database is looked into through the store, beside the server or after its death.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import Connection
from tests.commands import worker
from tests.ports import free_port

from clarion.store import Store
from clarion.store.engine import open_store
from clarion.wiring.machine import SystemTimer

COMMAND = (sys.executable, "-m", "clarion.cli", "--config", os.devnull)

PATIENCE_S = 120.0
"""No test asks for speed: this is how long a condition may take on a busy machine before something is wrong."""

POLL_S = 0.02

T = TypeVar("T")


def environment(**more: str) -> dict[str, str]:
    """The machine's, without settings of Clarion's that whoever runs the tests may have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLARION_")}
    return kept | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "NO_PROXY": "127.0.0.1"} | more


async def until(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """The first answer of `condition` that is true."""
    end = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {patience_s:.0f} s for {what}"
        await asyncio.sleep(POLL_S)
    return answer


def clarion(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, in a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), timeout=PATIENCE_S
    )


@dataclass
class Server:
    """A server process that is started, killed and started again, on the same data and the same port."""

    data_dir: Path
    postgres_url: str | None = None
    options: tuple[str, ...] = ()
    clock: str = ""
    port: int = field(default_factory=free_port)
    key: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def place(self) -> tuple[str, ...]:
        """What tells a command where the data is."""
        return ("--database-url", self.postgres_url) if self.postgres_url else ("--data-dir", str(self.data_dir))

    @property
    def log(self) -> Path:
        return self.data_dir.with_suffix(".log")

    @property
    def said(self) -> Path:
        """What it wrote to standard output."""
        return self.data_dir.with_suffix(".out")

    def launch(self) -> None:
        """Start the process, and do not wait for it."""
        arguments = ("serve", "--port", str(self.port), "--data-dir", str(self.data_dir), *self.place[:2], *self.options)
        with self.log.open("ab") as log, self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=log,
                env=environment(CLARION_CLOCK=self.clock),
            )

    async def start(self) -> None:
        """Start the process, and wait until it answers."""
        self.launch()
        said = await until(lambda: self.said.read_text() if self.alive() else "", "the server to start")
        found = re.search(r"tk_live_\w{32}", said)
        self.key = found[0] if found else self.key

    async def bound(self) -> None:
        """Wait until a carrier is bound."""
        while not (self.alive() and await self._has_bound()):
            await asyncio.sleep(POLL_S)

    async def _has_bound(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            metrics = (await self.client.get(f"{self.url}/metrics")).text
            return re.search(r"^clarion_bind_bound\{.*\} 1\.0$", metrics, re.MULTILINE) is not None
        return False

    def alive(self) -> bool:
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
        begun = time.monotonic()
        self.process.terminate()
        code = await asyncio.to_thread(self.process.wait, PATIENCE_S)
        self.process = None
        return code, time.monotonic() - begun

    async def command(self, *arguments: str) -> Any:
        """What a command beside the server prints as JSON."""
        arguments = ("--config", os.devnull, *arguments, *self.place, "--json")
        done = await asyncio.to_thread(worker().run, self.data_dir.parent, {}, arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def add_carrier(self, url: str, *options: str) -> None:
        await self.command("carriers", "add", "one", url, "--price", "1.00", *options)

    async def top_up(self, amount: str = "1000000.00", organization: str = "default") -> None:
        await self.command("wallet", "top-up", "--organization", organization, amount)

    async def look(self, read: Callable[[Connection], T]) -> T:
        """What is in the database."""
        async with self.database() as store:
            return await store.read(read)

    async def left(self, read: Callable[[Connection], T]) -> T:
        """What the dead server left, as it left it: opening SQLite's own file would already tidy it up."""
        if self.postgres_url:
            return await self.look(read)
        copy = self.data_dir.parent / "left"
        shutil.copytree(self.data_dir, copy)
        try:
            return await Server(copy).look(read)
        finally:
            shutil.rmtree(copy)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Store]:
        """Beside the server, or after its death."""
        store = await open_store(self.postgres_url or f"sqlite:///{self.data_dir / 'clarion.db'}", SystemTimer())
        try:
            yield store
        finally:
            await store.close()

    async def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        return await self.client.post(f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {key or self.key}"})

    async def statuses(self, campaign: str) -> dict[str, str]:
        """The vendor's word for where each recipient's message stands."""
        found: dict[str, str] = {}
        page = f"{self.url}/v1/sms/campaigns/messages/?page_size=1000"
        while page:
            response = await self.post(page.removeprefix(self.url), {"campaign_id": campaign})
            assert response.status_code == 200, response.text
            answer = response.json()
            found |= {result["mobile"]: result["status"] for result in answer["results"]}
            page = answer["next"]
        return found

    async def completed(self, campaign: str) -> bool:
        response = await self.post("/v1/sms/campaigns/status/", {"campaign_id": campaign})
        assert response.status_code == 200, response.text
        return bool(response.json()["status"] == "completed")

    async def ended(self, campaign: str) -> dict[str, str]:
        """The same, once no message is on its way any more."""
        end = time.monotonic() + PATIENCE_S
        while {"queued", "sent"} & set((statuses := await self.statuses(campaign)).values()):
            assert time.monotonic() < end, Counter(statuses.values())
            await asyncio.sleep(0.3)
        return statuses

    async def send_bulk(self, recipients: list[str], text: str) -> str:
        """The campaign id; every recipient is queued."""
        response = await self.post("/v1/sms/send-bulk/", {"recipients": recipients, "message": text, "sender_id": "CLARION"})
        assert response.status_code == 201, response.text[:500]
        answer = response.json()
        assert answer["queued"] == len(recipients)
        return str(answer["campaign_id"])


@asynccontextmanager
async def server(data_dir: Path, postgres_url: str | None = None, *options: str) -> AsyncIterator[Server]:
    """A server that was not started yet; killed at the end if it runs."""
    made = Server(data_dir, postgres_url, options)
    try:
        yield made
    finally:
        made.kill()
        await made.client.aclose()


@dataclass
class SmscProcess:
    """A simulated SMSC in a process of its own, and what it wrote down."""

    port: int
    log: Path
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """SIGKILL, and the process is gone when this returns."""
        self.process.kill()
        self.process.wait()

    @property
    def count(self) -> int:
        """How many submits it wrote down."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def submits(self) -> list[dict[str, Any]]:
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


@contextmanager
def smsc_process(log: Path, *options: str) -> Iterator[SmscProcess]:
    """`clarion simulator smsc` with these options."""
    process = subprocess.Popen(
        [*COMMAND, "simulator", "smsc", "--port", "0", "--log-file", str(log), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stderr
        said = process.stderr.readline()
        found = re.search(r" listens on \S+:(\d+)", said)
        assert found, said
        yield SmscProcess(int(found[1]), log, process)
    finally:
        process.kill()
        process.communicate()
