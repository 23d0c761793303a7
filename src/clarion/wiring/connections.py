"""Keeps the binds of all carriers at work: takes leases, starts connections, follows the settings, renews, takes over."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog

from clarion.carriers.smpp.settings import CarrierUrlError, SmppSettings, parse_url
from clarion.core.rates import TokenBucket
from clarion.flow.receive import Receiver
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import binds
from clarion.store.catalog import Carrier
from clarion.store.errors import Unavailable
from clarion.wiring.connection import Connection

PERIOD_S = 0.5
"""How often the settings are followed and free binds are looked for."""

RENEW_S = 3.0
"""A fifth of a lease."""

BURST_S = 0.05
"""A limited carrier gets at most this much of a second's messages at once: its own limiter may look at short spans."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Working:
    connection: Connection
    task: asyncio.Task[None]


class Connections:
    """All binds that this process holds."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._working: dict[tuple[int, int], _Working] = {}
        self._buckets: dict[int, TokenBucket] = {}
        self._receivers: dict[int, Receiver] = {}
        self._unusable: set[int] = set()
        self._carriers: int | None = None

    @property
    def held(self) -> list[Connection]:
        """The connections at work, for metrics."""
        return [working.connection for working in self._working.values()]

    def not_ready(self) -> list[str]:
        """Why no message could be sent: a carrier is configured and none is bound, or none was looked for yet."""
        if self._carriers is None:
            return ["the carriers have not been read from the database yet"]
        if not self._carriers or any(connection.bind.state == "bound" for connection in self.held):
            return []
        return [f"none of {self._carriers} carriers is bound; `clarion carriers list` says why"]

    async def run(self) -> None:
        """Follow the settings until cancelled; then `close`."""
        renewed = 0.0
        while True:
            try:
                await self.follow()
                if self._runtime.timer.monotonic() - renewed > RENEW_S:
                    await self._runtime.store.write(binds.renew, self._runtime.store.owner)
                    renewed = self._runtime.timer.monotonic()
            except Unavailable as error:
                log.warning("store.unavailable", doing="binds", error=str(error))
            await self._runtime.timer.sleep(PERIOD_S)

    async def follow(self) -> None:
        """Start what the settings name and nobody holds; end what they name no longer, or otherwise than it runs."""
        catalog = await self._settings.catalog()
        self._carriers = len(catalog.carriers)
        wanted: dict[tuple[int, int], tuple[Carrier, SmppSettings]] = {}
        for carrier in catalog.carriers.values():
            settings = self._read(carrier)
            if settings is not None:
                wanted |= {(carrier.id, slot): (carrier, settings) for slot in range(settings.binds)}
        for key, working in list(self._working.items()):
            if working.task.done():
                del self._working[key]
                self._report(working)
            elif key not in wanted or not _same(wanted[key][0], working.connection.carrier):
                del self._working[key]
                await self._end(working)
        for key, (carrier, settings) in wanted.items():
            if key not in self._working:
                await self._start(key, carrier, settings)

    async def close(self) -> None:
        """End all connections at once, each as `Connection.close`."""
        ending, self._working = list(self._working.values()), {}
        await asyncio.gather(*(self._end(working) for working in ending), return_exceptions=True)

    async def _start(self, key: tuple[int, int], carrier: Carrier, settings: SmppSettings) -> None:
        carrier_id, slot = key
        lease = await self._runtime.store.write(binds.acquire, carrier_id, slot, self._runtime.store.owner, self._runtime.clock.now())
        if lease is None:
            return
        if lease.in_doubt:
            log.warning("bind.doubt", carrier=carrier.name, bind=lease.bind_id, messages=lease.in_doubt)
        rate = settings.rate_per_second
        burst = max(1.0, rate * BURST_S)
        bucket = self._buckets.setdefault(carrier_id, TokenBucket(rate, burst))
        if bucket.rate_per_second != rate:
            bucket.set_rate(rate, self._runtime.timer.monotonic(), burst)
        receiver = self._receivers.setdefault(carrier_id, Receiver(self._runtime, carrier_id, carrier.reference_form, settings.sender))
        connection = Connection(self._runtime, lease, carrier, settings, bucket, receiver)
        self._working[key] = _Working(connection, asyncio.create_task(connection.run(), name=f"bind {carrier.name}/{slot}"))

    async def _end(self, working: _Working) -> None:
        closing = asyncio.create_task(working.connection.close())
        await asyncio.wait({closing})
        working.task.cancel()
        with suppress(asyncio.CancelledError):
            await working.task
        if closing.exception() is not None:
            log.error("bind.close_failed", carrier=working.connection.carrier.name, exc_info=closing.exception())

    def _report(self, working: _Working) -> None:
        """A connection that ended by itself is taken up again under another fence; why it ended must be seen."""
        error = None if working.task.cancelled() else working.task.exception()
        log.error("bind.ended", carrier=working.connection.carrier.name, exc_info=error)

    def _read(self, carrier: Carrier) -> SmppSettings | None:
        try:
            settings = parse_url(carrier.url, carrier.password)
        except CarrierUrlError as error:
            if carrier.id not in self._unusable:
                self._unusable.add(carrier.id)
                log.warning("carrier.unusable", carrier=carrier.name, error=str(error))
            return None
        self._unusable.discard(carrier.id)
        return settings


def _same(wanted: Carrier, running: Carrier) -> bool:
    return (wanted.url, wanted.password) == (running.url, running.password)
