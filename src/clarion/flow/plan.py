"""Plan: opens what is due, so many chunks at a time for each organization, carrier and lane."""

import structlog

from clarion.broker.interface import PLAN, carrier_topic
from clarion.core.clock import MICROS_PER_SECOND
from clarion.runtime import Runtime
from clarion.store import schedules

POLL_S = 1.0
"""Rings may be lost (law 1)."""

LATE_S = 3600
"""A scheduled broadcast that begins later than this waits for a person."""

log = structlog.get_logger(__name__)


async def plan(runtime: Runtime) -> float:
    """Open what is due now, and ring its carriers; returns how many seconds later to look again."""
    clock = runtime.clock
    # On a calendar that runs fast an hour may pass between two polls.
    late_s = max(LATE_S, 2 * POLL_S * clock.rate)
    now = clock.now()
    opened = await runtime.store.write(schedules.open_due, now - int(late_s * MICROS_PER_SECOND), now)
    for public_id in opened.late:
        log.warning("broadcast.late", broadcast=str(public_id), next=f"clarion broadcasts resume {public_id}, or cancel")
    for carrier_id in opened.carriers:
        runtime.broker.ring(carrier_topic(carrier_id))
    return POLL_S if opened.again_s is None else min(POLL_S, opened.again_s)


async def run(runtime: Runtime) -> None:
    """Plan at every ring and every poll, until cancelled."""
    listener = runtime.broker.listen([PLAN])
    try:
        while True:
            await listener.wait(await plan(runtime))
    finally:
        listener.close()
