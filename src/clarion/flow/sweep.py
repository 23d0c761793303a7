"""Sweep: what nobody else comes back to. Every task takes slices, so that a large backlog never holds the writer."""

import structlog

from clarion.broker.interface import PLAN
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import binds, broadcasts, control, housekeeping, orphans, request_counts, reroutes, retention, submits
from clarion.store.errors import Unavailable
from clarion.store.interface import P, Transaction

PERIOD_S = 1.0

SLICES_MAX = 20
"""Slices of one task in one pass; the next pass goes on."""

ABANDONED_MICROS = 600 * 1_000_000
"""An accept whose last slice is older than this, in real time, was cut off."""

ORPHAN_MICROS = 5 * 1_000_000
"""A receipt that waited this long may belong to a message whose answer was lost: before, its answer may still be on the way."""

DAY_MICROS = 24 * 3600 * 1_000_000

RETENTION_S = 60.0
"""Between two looks for what is too old, once there was none."""

TRAIL_MICROS = 30 * DAY_MICROS
"""How long it can be told on which connection, and when, a message went out: longer than carriers answer questions."""

log = structlog.get_logger(__name__)


class Sweeper:
    """Looks after what was left behind, once a second."""

    def __init__(self, runtime: Runtime, settings: Settings, retention_days: int = 0) -> None:
        """`retention_days`: how long finished broadcasts keep their messages; 0 is for ever."""
        self._runtime = runtime
        self._settings = settings
        self._retention_days = retention_days
        self._retention_at = 0.0
        self._after_orphan = 0
        self._places: dict[int, reroutes.Place] = {}

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except Unavailable as error:
                log.warning("store.unavailable", doing="sweep", error=str(error))
            await self._runtime.timer.sleep(PERIOD_S)

    async def sweep(self) -> None:
        """One pass over everything."""
        now = self._runtime.clock.now()
        write = self._runtime.store.write
        await self._take_back(now)
        await self._drop_abandoned(now)
        await self._slices("messages.cancelled", control.cancel_slice, now)
        in_doubt = await write(binds.bury, self._runtime.store.owner, now)
        if in_doubt:
            log.warning("bind.doubt", messages=in_doubt)
        await self._slices("unknown.closed", housekeeping.close_unknowns, now)
        await self._resend_unknowns(now)
        await self._slices("messages.expired", housekeeping.expire, now)
        await self._reroute(now)
        await self._slices(None, request_counts.forget)
        await self._slices(None, submits.forget, now - TRAIL_MICROS)
        page = await write(orphans.retry_page, self._after_orphan, now - ORPHAN_MICROS, now, await self._settings.catalog())
        self._after_orphan = page.last_id or 0
        if self._retention_days and self._runtime.timer.monotonic() >= self._retention_at:
            await self._retire(now - self._retention_days * DAY_MICROS)

    async def _reroute(self, now: int) -> None:
        """What waits for carriers that cannot take it; where there is much, the next pass goes on from there."""
        catalog, moved = await self._settings.catalog(), 0
        before, self._places = self._places, {}
        for source in await self._runtime.store.read(reroutes.sources, catalog):
            place = before.get(source.carrier_id, reroutes.Place())
            for _ in range(SLICES_MAX):
                count, went_on = await self._runtime.store.write(reroutes.reroute, catalog, source, place, now)
                moved += count
                if went_on is None:
                    break
                self._places[source.carrier_id] = place = went_on
            else:
                continue
            self._places.pop(source.carrier_id, None)
        if moved:
            log.info("messages.rerouted", count=moved)
            self._runtime.broker.ring(PLAN)

    async def _retire(self, before: int) -> None:
        done = await self._slices("messages.retired", retention.retire, before)
        done += await self._slices("received.forgotten", retention.forget_received, before)
        if not done:
            self._retention_at = self._runtime.timer.monotonic() + RETENTION_S

    async def _resend_unknowns(self, now: int) -> None:
        resent = closed = 0
        for _ in range(SLICES_MAX):
            done = await self._runtime.store.write(housekeeping.resend_unknowns, await self._settings.catalog(), now)
            resent, closed = resent + done.resent, closed + done.closed
            if not any(done):
                break
        if resent:
            # Whoever set the policy so is to see what it does: some of these arrive twice.
            log.warning("unknown.resent", count=resent)
        if closed:
            log.info("unknown.closed", count=closed)

    async def _take_back(self, now: int) -> None:
        """Accepts of this process that the database cut off: their callers were told, so nothing is to be waited for."""
        for broadcast_id in sorted(self._runtime.cut_off.broadcast_ids):
            while await self._runtime.store.write(broadcasts.withdraw, broadcast_id, broadcasts.INTERRUPTED, now):
                pass
            self._runtime.cut_off.broadcast_ids.discard(broadcast_id)
            log.warning("broadcast.abandoned", broadcast=broadcast_id)

    async def _drop_abandoned(self, now: int) -> None:
        before = now - int(ABANDONED_MICROS * max(1.0, self._runtime.clock.rate))
        for _ in range(SLICES_MAX):
            dropped = await self._runtime.store.write(broadcasts.drop_abandoned, before, now)
            if dropped is None:
                break
            if dropped.is_over:
                log.warning("broadcast.abandoned", broadcast=dropped.broadcast_id)

    async def _slices(self, event: str | None, task: Transaction[P, int], *args: P.args, **kwargs: P.kwargs) -> int:
        """`event` is what the log calls it; None is not worth a line. Returns how much was done."""
        done = 0
        for _ in range(SLICES_MAX):
            count = await self._runtime.store.write(task, *args, **kwargs)
            done += count
            if not count:
                break
        if done and event:
            log.info(event, count=done)
        return done
