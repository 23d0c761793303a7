"""Jasmin from PyPI with its daemons (jasmind, dlrd, dlrlookupd), Redis and RabbitMQ: with one connector, and with ten."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp
from bench.house import PATIENCE_S, Carrier
from bench.load import FIRST, TEXT
from bench.peers import programs
from bench.peers.brokers import Brokers
from bench.peers.gateway import Candidate, HttpPeer, Sizes, called_back
from bench.peers.install import debian, python_package
from bench.peers.programs import Process
from bench.processes import Program

NEWEST = "0.11.1"
RELEASES = (NEWEST, "0.11.0")
"""The newest first. Whether a release tells anybody of receipts is tried before it is measured."""

CONNECTORS = {"one": 1, "ten": 10}
"""Each has one message in flight: jasmin/managers/clients.py sets the prefetch of its queue to 1, without an option."""

SIZES = {"one": Sizes(500, 150, 300, 50), "ten": Sizes(1_000, 600, 1_000, 50)}

TITLES = {"one": "1 connector", "ten": "10 connectors"}

LOCKS = Path("/tmp")
"""Where its daemons put their locks (jasmin/bin); a killed one leaves its lock there, and nobody starts before it is gone."""

SETTINGS = """\
[smpp-server]
bind = 127.0.0.1
port = {smpp}
[smpp-server-pb]
bind = 127.0.0.1
port = {smpp_pb}
[smpp-server-pb-client]
port = {smpp_pb}
[client-management]
bind = 127.0.0.1
port = {clients}
store_path = {folder}/store
[router]
bind = 127.0.0.1
port = {router}
store_path = {folder}/store
[amqp-broker]
port = {amqp}
spec = {spec}
connection_loss_retry_delay = 1
[redis-client]
port = {redis}
[sm-listener]
submit_retrial_delay_smppc_not_ready = 2
{sm_listener}[http-api]
bind = 127.0.0.1
port = {entry}
{http_api}[jcli]
port = {console}
authentication = no
[dlr]
pid = bench
dlr_lookup_retry_delay = 1
dlr_lookup_max_retries = 10
{dlr}[dlr-thrower]
{dlr}
"""

QUIET = "log_level = ERROR\n"


def candidates(cache: Path, release: str) -> Sequence[Candidate]:
    """With one connector, and with ten. Raises Absent."""
    unpacked = debian(cache, ["redis-server", "rabbitmq-server"])
    home = python_package(cache, "jasmin", release)
    versions = {
        "Jasmin": release,
        "Redis": unpacked.versions["redis-server"],
        "RabbitMQ": unpacked.versions["rabbitmq-server"],
    }
    return [
        Candidate(
            key=f"jasmin-{kind}",
            name=f"Jasmin {release}, {TITLES[kind]}",
            run=partial(_run, home, cache, kind),
            sizes=SIZES[kind],
            settings=_OF_KIND[kind],
            versions=versions,
            rounds_max=1,
            has_window=False,
            stores_apart=True,
        )
        for kind in CONNECTORS
    ]


_OF_KIND = {
    "one": (
        "jasmind, dlrd and dlrlookupd, Redis and RabbitMQ with their defaults; one connector, a transceiver, with `submit_throughput 0` "
        "(its default is one message a second) and one message in flight (there is no setting for more); a receipt that overtakes its "
        "answer is tried again after 1 s, ten times (its default: 10 s, twice); shorter waits before it connects again; messages "
        "enter by `/send` over 32 kept connections, with `dlr-level=2` and a `dlr-url`; single sends with `priority=3`"
    ),
    "ten": "the same with 10 connectors behind a random round-robin route, logs of errors only, and no billing",
}


@asynccontextmanager
async def _run(home: Path, cache: Path, kind: str, folder: Path, smsc_port: int, _: Carrier) -> AsyncIterator["Jasmin"]:
    brokers = Brokers(debian(cache, ["redis-server", "rabbitmq-server"]), folder)
    async with called_back(folder, "ACK/Jasmin") as (http, callbacks):
        jasmin = Jasmin(home, folder, kind, smsc_port, programs.free_port(), programs.free_port(), http, callbacks, brokers)
        jasmin.write_settings()
        try:
            await brokers.start()
            await jasmin.start()
            try:
                yield jasmin
            finally:
                await jasmin.stop()
        finally:
            for daemon in jasmin.running:
                await programs.end(daemon)
            await brokers.stop()


@dataclass
class Jasmin(HttpPeer):
    """Its daemons and its brokers."""

    home: Path
    folder: Path
    kind: str
    smsc_port: int
    port: int
    console: int
    http: aiohttp.ClientSession
    callbacks: Program
    brokers: Brokers
    running: list[Process] = field(default_factory=list)

    def pids(self) -> list[int]:
        return [process.pid for process in (*self.running, *self.brokers.running)]

    def request(self, numbers: Sequence[int], *, urgent: bool) -> str:
        (number,) = numbers
        text, url = quote(TEXT, safe=""), quote(f"http://127.0.0.1:{self.callbacks.line}/d?n={FIRST + number}", safe="")
        priority = "&priority=3" if urgent else ""
        return (
            f"/send?username=bench&password=bench&from=CLARION&to={FIRST + number}&content={text}"
            f"&dlr=yes&dlr-level=2&dlr-method=GET&dlr-url={url}{priority}"
        )

    def write_settings(self) -> None:
        """One file for all daemons."""
        tuned = self.kind == "ten"
        ports = {name: programs.free_port() for name in ("smpp", "smpp_pb", "clients", "router")}
        settings = SETTINGS.format(
            **ports,
            folder=self.folder,
            spec=next((self.home / "source").glob("jasmin-*/misc/config/resource/amqp0-9-1.xml")),
            amqp=self.brokers.amqp_port,
            redis=self.brokers.redis_port,
            entry=self.port,
            console=self.console,
            sm_listener=QUIET if tuned else "",
            http_api=QUIET + "billing_feature = no\n" if tuned else "",
            dlr=QUIET if tuned else "",
        )
        for name in ("store", "log"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "jasmin.cfg").write_text(settings)

    async def start(self) -> None:
        """The daemons, configured anew by jasmind's console, and bound."""
        self.running.clear()
        jasmind = await self._launch("jasmind.py")
        for port in (self.console, self.port):
            await programs.listening(port, jasmind, self.folder / "jasmind.py.log")
        for daemon in ("dlrlookupd.py", "dlrd.py"):
            await self._launch(daemon, "-i", "bench")
        await self._configure()
        await asyncio.sleep(1.0)  # dlrd and dlrlookupd listen to queues, and tell nobody that they do

    async def kill(self, *, everything: bool) -> None:
        victims = [*self.running, *self.brokers.running] if everything else self.running
        await programs.kill(victims)
        self._forget_locks()

    async def stop(self) -> None:
        """The daemons; one that would not end in time leaves its lock, too."""
        for daemon in reversed(self.running):
            await programs.end(daemon)
        self._forget_locks()

    def _forget_locks(self) -> None:
        for name in ("jasmind", "dlrd-bench", "dlrlookupd-bench"):
            (LOCKS / f"{name}.lock").unlink(missing_ok=True)

    async def restart(self) -> None:
        if any(broker.returncode is not None for broker in self.brokers.running):
            await self.brokers.start()
        await self.start()

    async def _launch(self, daemon: str, *arguments: str) -> Process:
        environment = {"ROOT_PATH": str(self.folder), "LOG_PATH": f"{self.folder}/log", "STORE_PATH": f"{self.folder}/store"}
        process = await programs.launch(
            self.home / "bin/python",
            self.home / "bin" / daemon,
            "-c",
            self.folder / "jasmin.cfg",
            *arguments,
            log=self.folder / f"{daemon}.log",
            environment=environment,
            cwd=self.folder,
        )
        self.running.append(process)
        return process

    async def _configure(self) -> None:
        names = [f"bench{number}" for number in range(CONNECTORS[self.kind])]
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.console)
            console = _Console(reader, writer)
            await reader.readuntil(b"Session ref")  # its greeting ends without a prompt
            await console.add("group", "gid bench")
            await console.add("user", "uid bench", "gid bench", "username bench", "password bench")
            for name in names:
                await console.add(
                    "smppccm",
                    f"cid {name}",
                    "host 127.0.0.1",
                    f"port {self.smsc_port}",
                    "username jasmin",
                    "password bench",
                    "bind transceiver",
                    "submit_throughput 0",
                    "con_fail_delay 1",
                    "con_loss_delay 1",
                    f"loglevel {40 if self.kind == 'ten' else 20}",
                )
                await console.ask(f"smppccm -1 {name}")
            # One filter that lets everything pass: only the route of last resort may have none.
            await console.add("filter", "fid all", "type TransparentFilter")
            connectors = ";".join(f"smppc({name})" for name in names)
            if len(names) == 1:
                await console.add("mtrouter", "type DefaultRoute", f"connector {connectors}", "rate 0.0")
            else:
                route = ("type RandomRoundrobinMTRoute", "order 10", f"connectors {connectors}", "filters all", "rate 0.0")
                await console.add("mtrouter", *route)
            while (await console.ask("smppccm -l")).count("BOUND_TRX") < len(names):
                await asyncio.sleep(programs.POLL_S)
            writer.write(b"quit\r\n")
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@dataclass
class _Console:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def add(self, what: str, *lines: str) -> None:
        """Raises RuntimeError if it was not added."""
        for line in (f"{what} -a", *lines):
            await self.ask(line)
        said = await self.ask("ok")
        if "uccessfully" not in said:
            raise RuntimeError(f"jasmind's console took no {what}: {said}")

    async def ask(self, line: str) -> str:
        """What it says to a line, up to its prompt."""
        self.writer.write(line.encode() + b"\r\n")
        said = b""
        while not said.endswith((b"jcli : ", b"> ")):
            octets = await self.reader.read(4096)
            if not octets:
                raise RuntimeError("jasmind's console went away")
            said += octets
        return said.decode(errors="replace")
