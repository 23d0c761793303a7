"""Sweep: what nobody else comes back to. Every task takes slices, so that a large backlog never holds the writer."""

import structlog

from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import binds, broadcasts, control, housekeeping, orphans, request_counts, submits
from clarion.store.errors import Unavailable
from clarion.store.interface import P, Transaction

PERIOD_S = 1.0

SLICES_MAX = 20
"""Slices of one task in one pass; the next pass goes on."""

ABANDONED_MICROS = 600 * 1_000_000
"""An accept whose last slice is older than this, in real time, was cut off."""

ORPHAN_MICROS = 5 * 1_000_000
"""A receipt that waited this long may belong to a message whose answer was lost: before, its answer may still be on the way."""

TRAIL_MICROS = 30 * 86_400 * 1_000_000
"""How long it can be told on which connection, and when, a message went out: longer than carriers answer questions."""

log = structlog.get_logger(__name__)


class Sweeper:
    """Looks after what was left behind, once a second."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._after_orphan = 0

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
        for broadcast_id in await write(broadcasts.drop_abandoned, now - int(ABANDONED_MICROS * max(1.0, self._runtime.clock.rate)), now):
            log.warning("broadcast.abandoned", broadcast=broadcast_id)
        await self._slices("messages.cancelled", control.cancel_slice, now)
        in_doubt = await write(binds.bury, self._runtime.store.owner, now)
        if in_doubt:
            log.warning("bind.doubt", messages=in_doubt)
        await self._slices("unknown.closed", housekeeping.close_unknowns, now)
        await self._slices("messages.expired", housekeeping.expire, now)
        await self._slices("messages.rerouted", housekeeping.reroute, await self._settings.catalog(), now)
        await self._slices(None, request_counts.forget)
        await self._slices(None, submits.forget, now - TRAIL_MICROS)
        page = await write(orphans.retry_page, self._after_orphan, now - ORPHAN_MICROS, now)
        self._after_orphan = page.last_id or 0

    async def _slices(self, event: str | None, task: Transaction[P, int], *args: P.args, **kwargs: P.kwargs) -> None:
        """`event` is what the log calls it; None is not worth a line."""
        done = 0
        for _ in range(SLICES_MAX):
            count = await self._runtime.store.write(task, *args, **kwargs)
            done += count
            if not count:
                break
        if done and event:
            log.info(event, count=done)
