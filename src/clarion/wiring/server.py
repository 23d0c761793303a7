"""`clarion serve`: one process with everything in it. Opens the database, starts the stages, answers HTTP, and ends cleanly."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import structlog
import uvloop

from clarion.api.app import make_app
from clarion.api.limits import MemoryLimits, RequestLimits, SharedLimits
from clarion.api.services import BODY_LIMIT_BYTES, OUTCOME_WAIT_S, POWERED_BY, Services
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import carriers, tenants
from clarion.store.engine import is_sqlite, sqlite_path
from clarion.store.migrate import MigrationReport, migrate
from clarion.store.sqlite import lock_folder
from clarion.wiring.connections import Connections
from clarion.wiring.http import answering, open_socket
from clarion.wiring.logs import set_up_logs
from clarion.wiring.metrics import make_registry
from clarion.wiring.opening import database_file, open_runtime
from clarion.wiring.readiness import not_ready
from clarion.wiring.simulated import Simulated
from clarion.wiring.stages import background

SWITCH_S = 0.001
"""How long the writer's thread may keep the interpreter while the event loop waits for it: the default of 5 ms, met four times on the
way of a single send, was most of its latency behind a blast."""

GC_THRESHOLD = 50_000
"""Objects between two looks of the collector: the default of 700 cost a tenth of the time on the road."""

STOP_S = 14.0
"""For HTTP, then the carriers with what is on their wires."""

FORCED_S = 15.0
"""An end that is not over then, mostly because the database does not answer, is forced: what was not recorded is `unknown` at the
next start (law 2). It stays well below the 20 s after which others would kill."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What `clarion serve` may be told. Without `database_url` the database is a file in `data_dir`."""

    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path = field(default_factory=lambda: Path("clarion-data"))
    database_url: str | None = None
    simulator: bool = False
    log_format: str = "auto"
    trusted_proxies: tuple[str, ...] = ()
    body_limit_bytes: int = BODY_LIMIT_BYTES
    powered_by: str = POWERED_BY
    outcome_wait_s: float = OUTCOME_WAIT_S
    retention_days: int = 0

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{database_file(self.data_dir)}"

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted proxies. Raises ValueError for what is no network."""
        return tuple(ip_network(proxy) for proxy in self.trusted_proxies)


def serve(options: ServeOptions, announce: Callable[["Announcement"], None]) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises what stands in the way of a start: `FolderInUse`, `NewerDatabase`, `Unavailable`, `UnsupportedUrl`, OSError for a port that is
    taken. `announce` is told, once the process answers, what a person should know.
    """
    set_up_logs(options.log_format)
    lock = None
    opened = open_socket(options.host, options.port)
    if is_sqlite(options.url):
        folder = sqlite_path(options.url).parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = lock_folder(folder)
    try:
        return uvloop.run(_Server(options, opened, announce).run())
    finally:
        opened.close()
        if lock is not None:
            lock.release()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a start has to say. `key` is only there when the first organization was made, and is shown this once."""

    url: str
    organization: str | None
    key: str | None
    simulator: bool
    migration: MigrationReport


class _Server:
    def __init__(self, options: ServeOptions, opened: socket.socket, announce: Callable[[Announcement], None]) -> None:
        self._options = options
        self._socket = opened
        self._announce = announce
        self._stop = asyncio.Event()
        self._forced = False

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)
        migration = await migrate(self._options.url)
        async with open_runtime(self._options.url, owner=True) as runtime:
            settings = Settings(runtime)
            key = await self._make_default(runtime)
            connections = Connections(runtime, settings)
            async with _simulated(runtime, wanted=self._options.simulator):
                services = Services(
                    runtime=runtime,
                    settings=settings,
                    limits=self._limits(runtime),
                    ready=lambda: not_ready(runtime, settings, connections),
                    registry=make_registry(runtime, connections),
                    body_limit_bytes=self._options.body_limit_bytes,
                    trusted_proxies=self._options.networks,
                    powered_by=self._options.powered_by,
                    outcome_wait_s=self._options.outcome_wait_s,
                    stopping=self._stop.is_set,
                )
                stages = background(runtime, settings, connections, self._stop, self._options.retention_days)
                async with stages as failed, answering(make_app(services), self._socket, runtime.timer):
                    url = f"http://{self._options.host}:{self._socket.getsockname()[1]}"
                    log.info("server.started", url=url, database="sqlite" if is_sqlite(self._options.url) else "postgresql")
                    name = "default" if key is not None else None
                    _quieten_collector()
                    self._announce(Announcement(url, name, key, self._options.simulator, migration))
                    await self._stop.wait()
                    runtime.stop_within(STOP_S)
                    self._force_in_time()
                    log.info("server.stopping")
            log.info("server.stopped")
            return 1 if failed else 0

    def _signalled(self) -> None:
        """The first signal ends in order, within limits; the second one at once."""
        if self._stop.is_set():
            _leave("a second signal")
        self._stop.set()
        self._force_in_time()

    def _force_in_time(self) -> None:
        if not self._forced:
            self._forced = True
            asyncio.get_running_loop().call_later(FORCED_S, _leave, "the end took too long")

    def _limits(self, runtime: Runtime) -> RequestLimits:
        """On PostgreSQL others may answer HTTP too."""
        return MemoryLimits(runtime.timer) if is_sqlite(self._options.url) else SharedLimits(runtime.store, runtime.timer)

    async def _make_default(self, runtime: Runtime) -> str | None:
        """The key of the organization `default`, if this start made it."""
        token = tenants.KEY_PREFIX + runtime.ids.token(tenants.KEY_CHARACTERS)
        made = await runtime.store.write(
            tenants.ensure_default,
            runtime.ids.broadcast(runtime.clock.now()),
            token,
            self._options.simulator,
            runtime.clock.now(),
        )
        return token if made else None


def _leave(reason: str) -> None:
    """End the process as it stands: threads that wait for the database are not waited for."""
    log.error("server.forced", reason=reason)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(1)


def _quieten_collector() -> None:
    """What is there after a start stays; and messages under way are many, short-lived and in no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 50, 100)
    sys.setswitchinterval(SWITCH_S)


@asynccontextmanager
async def _simulated(runtime: Runtime, *, wanted: bool) -> AsyncIterator[None]:
    """The built-in SMSC as a carrier, or word to the database that it is none."""
    if not wanted:
        await runtime.store.write(carriers.retire_simulator)
        yield
        return
    async with Simulated(runtime) as url:
        await runtime.store.write(carriers.put_simulator, url, runtime.clock.now())
        yield
