"""Kannel as Debian packages it: bearerbox and smsbox, without a store (its default), with its file store and with its spool store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp
from bench.house import PATIENCE_S, Carrier
from bench.load import FIRST, TEXT
from bench.peers import programs
from bench.peers.gateway import Candidate, HttpPeer, Sizes, called_back
from bench.peers.install import Unpacked, debian
from bench.peers.programs import Process
from bench.processes import Program

STORES = {"memory": "no store (its default)", "file": "file store", "spool": "spool store"}

SIZES = {"memory": Sizes(20_000, 10_000, 10_000), "file": Sizes(15_000, 10_000, 10_000), "spool": Sizes(8_000, 8_000, 10_000)}

BULK = (8, 100)
ONE_BY_ONE = (32, 1)
"""Connections, and recipients in a request. 100 recipients are a third faster than one; more connections then only take turns. Not with
a store: the messages of one request have one id between them, and of those a store keeps one."""

LOG_LEVEL = "3"
"""Errors only, for both boxes; by default every message is written down several times."""

CORE = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = bench
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
smsbox-max-pending = 1000
sms-resend-freq = 2
dlr-storage = internal
{store}
group = smsbox
bearerbox-host = 127.0.0.1
sendsms-interface = 127.0.0.1
sendsms-port = {entry}

group = sendsms-user
username = bench
password = bench

group = sms-service
keyword = default
text = ""
max-messages = 0

group = smsc
smsc = smpp
smsc-id = bench
host = 127.0.0.1
port = {smsc}
smsc-username = kannel
smsc-password = bench
system-type = ""
transceiver-mode = true
max-pending-submits = {window}
instances = {binds}
reconnect-delay = 1
"""


def candidates(cache: Path) -> Sequence[Candidate]:
    """One for each store. Raises Absent."""
    unpacked = debian(cache, ["kannel"])
    versions = {"Kannel": unpacked.versions["kannel"]}
    found = [
        Candidate(
            key=f"kannel-{store}",
            name=f"Kannel, {title}",
            run=partial(_run, unpacked, store, BULK if store == "memory" else ONE_BY_ONE),
            sizes=SIZES[store],
            settings=_OF_STORE[store],
            versions=versions,
        )
        for store, title in STORES.items()
    ]
    one_by_one = Candidate(
        key="kannel-single",
        name="Kannel, no store, a request each",
        run=partial(_run, unpacked, "memory", ONE_BY_ONE),
        sizes=SIZES["memory"],
        settings="the same with one recipient in each request, over 32 connections",
        versions=versions,
        is_variant=True,
    )
    return [found[0], one_by_one, *found[1:]]


_OF_STORE = {
    "memory": (
        "bearerbox and one smsbox, no store; `max-pending-submits` is the window (default 10), `instances` the binds, transceivers; "
        "`smsbox-max-pending` 1000 (default 100), `sms-resend-freq` 2 s (default 60); receipts in memory (`dlr-storage = internal`, the "
        "default); logs of errors only; messages enter by `sendsms`, 100 recipients a request over 8 kept connections, with a `dlr-url` "
        "(mask 3); single sends with `priority=3`"
    ),
    "file": (
        "the same with `store-type = file`, dumped every 10 s (the default), and one recipient in each request, over 32 connections: "
        "of several in one request a store keeps only one"
    ),
    "spool": "the same with `store-type = spool`: a file for each message",
}


@asynccontextmanager
async def _run(
    unpacked: Unpacked, store: str, way: tuple[int, int], folder: Path, smsc_port: int, carrier: Carrier
) -> AsyncIterator["Kannel"]:
    admin, boxes, port = (programs.free_port() for _ in range(3))
    stores = {"memory": "", "file": f"store-type = file\nstore-location = {folder}/store\n"}
    stores["spool"] = f"store-type = spool\nstore-location = {folder}/spool\n"
    (folder / "spool").mkdir()
    ports = {"admin": admin, "boxes": boxes, "entry": port, "smsc": smsc_port}
    (folder / "kannel.conf").write_text(CORE.format(**ports, window=carrier.window, binds=carrier.binds, store=stores[store]))
    async with called_back(folder, "") as (http, callbacks):
        kannel = Kannel(unpacked, folder, admin, boxes, carrier.binds, port, http, callbacks, *way)
        try:
            await kannel.restart()
            yield kannel
        finally:
            for box in reversed(kannel.running):
                await programs.end(box)


@dataclass
class Kannel(HttpPeer):
    """Both boxes."""

    unpacked: Unpacked
    folder: Path
    admin: int
    boxes: int
    binds: int
    port: int
    http: aiohttp.ClientSession
    callbacks: Program
    connections: int
    recipients: int
    running: list[Process] = field(default_factory=list)

    def pids(self) -> list[int]:
        return [box.pid for box in self.running]

    def request(self, numbers: Sequence[int], *, urgent: bool) -> str:
        to = "+".join(str(FIRST + number) for number in numbers)
        url = quote(f"http://127.0.0.1:{self.callbacks.line}/d?n=%p", safe="")  # %p: the recipient
        priority = "&priority=3" if urgent else ""
        return (
            f"/cgi-bin/sendsms?username=bench&password=bench&from=CLARION&to={to}&text={quote(TEXT, safe='')}"
            f"&dlr-mask=3&dlr-url={url}{priority}"
        )

    async def kill(self, *, everything: bool) -> None:
        await programs.kill(self.running)

    async def restart(self) -> None:
        self.running.clear()
        await self._start("bearerbox", self.boxes)
        await self._start("smsbox", self.port)
        async with asyncio.timeout(PATIENCE_S):
            while await self._online() < self.binds:
                await asyncio.sleep(programs.POLL_S)

    async def _start(self, name: str, port: int) -> None:
        log = self.folder / f"{name}.log"
        command = (self.unpacked.program(name), "-v", LOG_LEVEL, self.folder / "kannel.conf")
        box = await programs.launch(*command, log=log, environment=self.unpacked.environment, cwd=self.folder)
        self.running.append(box)
        await programs.listening(port, box, log)

    async def _online(self) -> int:
        async with self.http.get(f"http://127.0.0.1:{self.admin}/status.txt?password=bench") as answer:
            return (await answer.text()).count("(online ")
