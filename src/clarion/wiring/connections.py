"""Keeps the binds of all carriers at work: takes leases, starts connections, follows the settings, renews, takes over."""

import asyncio
import math
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog

from clarion.carriers.meter import Meter
from clarion.carriers.smpp.settings import CarrierUrlError, SmppSettings, parse_url
from clarion.core.carrier_url import only_receives
from clarion.core.rates import TokenBucket
from clarion.core.routes import Health
from clarion.flow.receive import Receiver
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import binds
from clarion.store.binds import Elsewhere
from clarion.store.catalog import Carrier
from clarion.store.errors import Unavailable
from clarion.wiring.connection import GRACE_S, Connection

PERIOD_S = 0.5
"""How often the settings are followed and free binds are looked for."""

RENEW_S = 3.0
"""A fifth of a lease."""

REMOVED_S = 0.3
"""How long a removed carrier still gets the rest of what was begun: with the polls before, two seconds from the command."""

FAILED_S = (1.0, 30.0)
"""First and longest rest before a connection that failed is started again."""

HEALTHY_S = 60.0
"""One that worked so long is no part of a row of failures."""

BURST_S = 0.05
"""A limited carrier gets at most this much of a second's messages at once: its own limiter may look at short spans."""

log = structlog.get_logger(__name__)

Key = tuple[int, int]
"""A carrier and a slot of it."""


@dataclass(slots=True)
class _Working:
    connection: Connection
    task: asyncio.Task[None]
    started: float


@dataclass(frozen=True, slots=True)
class _Failure:
    pause_s: float
    until: float


class Connections:
    """All binds that this process holds."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._working: dict[Key, _Working] = {}
        self._ending: dict[Key, asyncio.Task[None]] = {}
        self._failures: dict[Key, _Failure] = {}
        self._buckets: dict[int, TokenBucket] = {}
        self._receivers: dict[int, Receiver] = {}
        self._meters: dict[Key, Meter] = {}
        self._unusable: set[int] = set()
        self._carriers: int | None = None
        self._elsewhere: list[Elsewhere] = []
        self.health: dict[str, Health] = {}
        """Of the carriers that messages can be sent to, by name, as the settings were when they were last followed."""

    @property
    def held(self) -> list[Connection]:
        """The connections at work, for metrics."""
        return [working.connection for working in self._working.values()]

    @property
    def meters(self) -> list[Meter]:
        """The counts of all binds that this process has held, of the carriers that there are."""
        return list(self._meters.values())

    def not_ready(self) -> list[str]:
        """Why no message could be sent: a carrier is configured and none is bound, here or elsewhere, or none was looked for yet."""
        if self._carriers is None:
            return ["the carriers have not been read from the database yet"]
        if not self._carriers or self._is_bound or any(held.state == "bound" for held in self._elsewhere):
            return []
        return [f"none of {self._carriers} carriers is bound; `clarion carriers list` says why", *map(_told, self._elsewhere)]

    @property
    def _is_bound(self) -> bool:
        return any(connection.bind.state == "bound" and connection.bind.can_submit for connection in self.held)

    async def run(self) -> None:
        """Follow the settings and renew the leases until cancelled; then `close`."""
        renewing = asyncio.create_task(self._renew(), name="leases")
        try:
            while True:
                try:
                    await self.follow()
                except Unavailable as error:
                    log.warning("store.unavailable", doing="binds", error=str(error))
                except Exception:
                    log.exception("binds.not_followed")
                await self._runtime.timer.sleep(PERIOD_S)
        finally:
            renewing.cancel()

    async def follow(self) -> None:
        """Start what the settings name and nobody holds; end what they name no longer, or otherwise than it runs."""
        catalog = await self._settings.catalog()
        self.health = {carrier.name: carrier.health for carrier in catalog.carriers.values() if not only_receives(carrier.url)}
        self._carriers = len(self.health)
        wanted: dict[Key, tuple[Carrier, SmppSettings]] = {}
        for carrier in catalog.carriers.values():
            settings = self._read(carrier)
            if settings is not None:
                wanted |= {(carrier.id, slot): (carrier, each) for slot, each in enumerate(settings.connections)}
        ended = [key for key, working in self._working.items() if working.task.done()]
        unwanted = [
            key
            for key, working in self._working.items()
            if key not in ended and (key not in wanted or not _fits(wanted[key][1], working.connection.bind.settings))
        ]
        # All of them before any: what one gives back must not be taken by another that is about to end.
        for key in unwanted:
            self._working[key].connection.stop()
        kept = {carrier_id for carrier_id, _ in wanted}
        for key in unwanted:
            self._leave(key, self._end(self._working.pop(key), GRACE_S if key[0] in kept else REMOVED_S))
        for key in ended:
            self._leave(key, self._report(key, self._working.pop(key)))
        for key, working in self._working.items():
            self._adjust(working.connection, *wanted[key])
            working.connection.dispatcher.bypassed = catalog.bypassed(key[0])
        self._forget(catalog.carriers)
        for key, (carrier, settings) in wanted.items():
            if key not in self._working and key not in self._ending and self._is_due(key):
                await self._try_start(key, carrier, settings)
        # What others do is asked only where it decides whether this process is of any use.
        asked = bool(wanted) and not self._is_bound
        self._elsewhere = await self._runtime.store.read(binds.elsewhere, self._runtime.store.owner) if asked else []

    async def close(self) -> None:
        """End all connections at once, each as `Connection.close`; those that are not done when the process must end are left."""
        renewing = asyncio.create_task(self._renew(), name="leases")
        ending, self._working = self._working, {}
        for working in ending.values():
            working.connection.stop()
        for key, working in ending.items():
            self._leave(key, self._end(working, GRACE_S))
        tasks = list(self._ending.values())
        try:
            if tasks:
                left_s = self._runtime.left_s
                _, late = await asyncio.wait(tasks, timeout=None if math.isinf(left_s) else left_s)
                if late:
                    log.error("binds.left", count=len(late))
        finally:
            for task in (renewing, *tasks):
                task.cancel()
            await asyncio.gather(renewing, *tasks, return_exceptions=True)

    async def _renew(self) -> None:
        """Beside everything else: a lease must not wait for a carrier that is slow to end."""
        while True:
            await self._runtime.timer.sleep(RENEW_S)
            try:
                await self._runtime.store.write(binds.renew, self._runtime.store.owner)
                if self._runtime.store.stats.blocked is not None:
                    # Whether writes are taken again: a renewal without binds changes nothing, and so proves nothing.
                    await self._runtime.store.write(binds.next_fence)
            except Unavailable as error:
                log.warning("store.unavailable", doing="leases", error=str(error))
            except Exception:
                log.exception("leases.not_renewed")

    def _forget(self, carriers: Collection[int]) -> None:
        """Nothing of a removed carrier stays once its connections have ended: its numbers leave the metrics with it."""
        at_work = {carrier_id for carrier_id, _ in (*self._working, *self._ending)}
        gone = {carrier_id for carrier_id, _ in self._meters if carrier_id not in carriers and carrier_id not in at_work}
        if gone:
            self._meters = {key: meter for key, meter in self._meters.items() if key[0] not in gone}
            self._failures = {key: failure for key, failure in self._failures.items() if key[0] not in gone}
        for carrier_id in gone:
            del self._buckets[carrier_id], self._receivers[carrier_id]

    def _leave(self, key: Key, ending: Coroutine[Any, Any, None]) -> None:
        """End in the background; the slot is not taken again before that is done."""
        task = asyncio.create_task(ending, name=f"ending {key}")
        self._ending[key] = task
        task.add_done_callback(lambda _: self._ending.pop(key, None))

    def _is_due(self, key: Key) -> bool:
        failure = self._failures.get(key)
        return failure is None or self._runtime.timer.monotonic() >= failure.until

    def _failed(self, key: Key, started: float) -> None:
        """Rest before the next start, twice as long at each failure in a row."""
        now = self._runtime.timer.monotonic()
        first_s, most_s = FAILED_S
        before = self._failures.get(key)
        pause_s = first_s if before is None or now - started >= HEALTHY_S else min(before.pause_s * 2, most_s)
        self._failures[key] = _Failure(pause_s, now + pause_s)

    async def _try_start(self, key: Key, carrier: Carrier, settings: SmppSettings) -> None:
        try:
            await self._start(key, carrier, settings)
        except Unavailable:
            raise
        except Exception:
            log.exception("bind.not_started", carrier=carrier.name, slot=key[1])
            self._failed(key, self._runtime.timer.monotonic())

    async def _start(self, key: Key, carrier: Carrier, settings: SmppSettings) -> None:
        carrier_id, slot = key
        lease = await self._runtime.store.write(binds.acquire, carrier_id, slot, self._runtime.store.owner, self._runtime.clock.now())
        if lease is None:
            return
        if lease.in_doubt:
            log.warning("bind.doubt", carrier=carrier.name, bind=lease.bind_id, slot=slot, messages=lease.in_doubt)
        bucket = self._bucket(carrier_id, settings)
        made = Receiver(self._runtime, carrier_id, carrier.reference_form, self._settings)
        receiver = self._receivers.setdefault(carrier_id, made)
        # The numbers go on when a connection is made anew; a removed carrier's name may come back as another carrier.
        meter = self._meters.setdefault(key, Meter(carrier.name, slot))
        connection = Connection(self._runtime, lease, carrier, settings, bucket, receiver, meter, self._settings)
        task = asyncio.create_task(connection.run(), name=f"bind {carrier.name}/{slot}")
        self._working[key] = _Working(connection, task, self._runtime.timer.monotonic())

    def _adjust(self, connection: Connection, carrier: Carrier, settings: SmppSettings) -> None:
        """Let a connection go on under another window or rate: nothing is lost or doubled where nothing ends."""
        if settings == connection.bind.settings:
            return
        self._bucket(carrier.id, settings)
        connection.adjust(carrier, settings)
        log.info("carrier.adjusted", carrier=carrier.name, window=settings.window, rate_per_second=settings.rate_per_second)

    def _bucket(self, carrier_id: int, settings: SmppSettings) -> TokenBucket:
        """The carrier's own, at the rate that it has now."""
        rate = settings.rate_per_second
        burst = max(1.0, rate * BURST_S)
        bucket = self._buckets.setdefault(carrier_id, TokenBucket(rate, burst))
        if bucket.rate_per_second != rate:
            bucket.set_rate(rate, self._runtime.timer.monotonic(), burst)
        return bucket

    async def _end(self, working: _Working, begun_s: float) -> None:
        connection, reason = working.connection, None
        try:
            await connection.close(begun_s)
        except Exception as error:
            log.exception("bind.close_failed", carrier=connection.carrier.name, bind=connection.bind_id)
            reason = _reason(error)
        finally:
            working.task.cancel()
            await asyncio.gather(working.task, return_exceptions=True)
        if reason is not None:
            await self._abandon(connection, reason)

    async def _report(self, key: Key, working: _Working) -> None:
        """A connection that ended by itself is taken up again under another fence; why it ended must be seen."""
        error = None if working.task.cancelled() else working.task.exception()
        log.error("bind.ended", carrier=working.connection.carrier.name, bind=working.connection.bind_id, exc_info=error)
        if error is not None:
            self._failed(key, working.started)
            await self._abandon(working.connection, _reason(error))

    async def _abandon(self, connection: Connection, reason: str) -> None:
        try:
            await connection.abandon(reason)
        except Exception:
            log.exception("bind.not_given_back", carrier=connection.carrier.name, bind=connection.bind_id)

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


def _fits(wanted: SmppSettings, running: SmppSettings) -> bool:
    """Whether a connection may go on: window, rate and the number of binds are ours alone, the carrier is told none of them."""
    return replace(wanted, window=running.window, rate_per_second=running.rate_per_second, binds=running.binds) == running


def _told(held: Elsewhere) -> str:
    """Who has a bind that this process could not take."""
    why = f" ({held.reason})" if held.reason else ""
    return f"process {held.owner}{f' at {held.host}' if held.host else ''} holds {held.carrier}, which is {held.state}{why}"


def _reason(error: BaseException) -> str:
    """Its kind alone: what an error says may quote a message."""
    return f"it failed inside Clarion ({type(error).__name__}); the log says where"
