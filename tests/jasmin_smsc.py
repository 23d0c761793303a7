"""Runs Jasmin as an SMSC: its SMPP server, which hands on to another SMSC and brings back receipts and texts in its own forms.

It needs Redis and RabbitMQ and takes half a minute to start, so it runs only where `make bench-peers` has put all of it into the cache.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bench.peers import programs
from bench.peers.brokers import Brokers
from bench.peers.install import Absent, debian, python_package
from bench.peers.jasmin import LOCKS, RELEASES, SETTINGS, _Console

CACHE = Path(__file__).parent.parent / ".cache" / "peers"
BROKERS = ["redis-server", "rabbitmq-server"]
RELEASE = RELEASES[-1]
"""0.11.1 tells nobody of receipts."""

DAEMONS = {"jasmind.py": "jasmind", "dlrlookupd.py": "dlrlookupd-bench", "dlrd.py": "dlrd-bench"}
"""The programs, and the lock that each has for the whole machine."""

READY = {"dlr-thrower.log": "Consuming from", "dlrlookupd-messages.log": "is ready", "smpp-server-pb.log": "Authenticated Avatar"}
"""Receipts that come before these stand in the logs are lost."""

LIMIT_S = 120.0
PORTS = ("smpp", "smpp_pb", "clients", "router", "entry", "console")


@dataclass
class JasminSmsc:
    """A running one: who binds is `clarion` with the password `secret`; what it hands on goes to `downstream`."""

    home: Path
    folder: Path
    brokers: Brokers
    downstream: int
    ports: dict[str, int] = field(default_factory=lambda: {name: programs.free_port() for name in PORTS})
    running: list[programs.Process] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Of its SMPP server."""
        return self.ports["smpp"]

    async def start(self) -> None:
        """The daemons, configured by its console: what it was told is in memory only."""
        for name in READY:
            (self.folder / "log" / name).unlink(missing_ok=True)
        for daemon in DAEMONS:
            await self._launch(daemon)
        for name in ("console", "smpp"):
            await programs.listening(self.ports[name], self.running[0], self.folder / "jasmind.py.log")
        await _until(lambda: all(self._says(name, words) for name, words in READY.items()))
        await self._configure()

    async def kill(self) -> None:
        """End the daemons as a crash does; the brokers stay."""
        await programs.kill(self.running)
        self._forget()

    async def stop(self) -> None:
        for process in reversed(self.running):
            await programs.end(process)
        self._forget()

    def write_settings(self) -> None:
        for name in ("store", "log"):
            (self.folder / name).mkdir(exist_ok=True)
        settings = SETTINGS.format(
            **self.ports,
            folder=self.folder,
            spec=next((self.home / "source").glob("jasmin-*/misc/config/resource/amqp0-9-1.xml")),
            amqp=self.brokers.amqp_port,
            redis=self.brokers.redis_port,
            sm_listener="",
            http_api="",
            dlr="",
        )
        (self.folder / "jasmin.cfg").write_text(settings)

    async def _launch(self, daemon: str) -> None:
        folder = self.folder
        command = [self.home / "bin/python", self.home / "bin" / daemon, "-c", folder / "jasmin.cfg"]
        identity = [] if daemon == "jasmind.py" else ["-i", "bench"]
        environment = {"ROOT_PATH": str(folder), "LOG_PATH": f"{folder}/log", "STORE_PATH": f"{folder}/store"}
        log = folder / f"{daemon}.log"
        self.running.append(await programs.launch(*command, *identity, log=log, environment=environment, cwd=folder))

    async def _configure(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports["console"])
        console = _Console(reader, writer)
        async with asyncio.timeout(LIMIT_S):
            await reader.readuntil(b"Session ref")
            await console.add("group", "gid clarion")
            await console.add("user", "uid clarion", "gid clarion", "username clarion", "password secret")
            carrier = ("cid down", "host 127.0.0.1", f"port {self.downstream}", "username jasmin", "password bench", "bind transceiver")
            await console.add("smppccm", *carrier, "submit_throughput 0", "con_fail_delay 1", "con_loss_delay 1")
            await console.ask("smppccm -1 down")
            await console.add("mtrouter", "type DefaultRoute", "connector smppc(down)", "rate 0.0")
            await console.add("morouter", "type DefaultRoute", "connector smpps(clarion)")
            while "BOUND_TRX" not in await console.ask("smppccm -l"):
                await asyncio.sleep(programs.POLL_S)
        writer.close()

    def _says(self, log: str, words: str) -> bool:
        path = self.folder / "log" / log
        return path.exists() and words in path.read_text(errors="replace")

    def _forget(self) -> None:
        """Its locks, which a killed daemon leaves; never those of another Jasmin."""
        for lock in DAEMONS.values() if self.running else ():
            (LOCKS / f"{lock}.lock").unlink(missing_ok=True)
        self.running.clear()


@asynccontextmanager
async def jasmin_smsc(folder: Path, downstream: int) -> AsyncIterator[JasminSmsc]:
    """Run it in front of the SMSC at this port. Skips the test where it is not in the cache, or another one runs."""
    if not ((CACHE / "-".join(BROKERS) / "versions.json").exists() and (CACHE / f"jasmin-{RELEASE}" / "installed").exists()):
        pytest.skip(f"Jasmin {RELEASE}, Redis and RabbitMQ are not in .cache/peers; `make bench-peers` puts them there")
    if taken := [lock for lock in DAEMONS.values() if (LOCKS / f"{lock}.lock").exists()]:
        pytest.skip(f"another Jasmin runs on this machine, or has left {LOCKS / taken[0]}.lock")
    smsc = JasminSmsc(python_package(CACHE, "jasmin", RELEASE), folder, Brokers(debian(CACHE, BROKERS), folder), downstream)
    try:
        try:
            await smsc.brokers.start()
        except Absent as absent:
            pytest.skip(f"Jasmin's brokers do not run here: {absent}")
        smsc.write_settings()
        await smsc.start()
        yield smsc
    finally:
        await smsc.stop()
        await smsc.brokers.stop()


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not done():
            await asyncio.sleep(programs.POLL_S)
