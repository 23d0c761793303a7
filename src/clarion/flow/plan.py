"""Plan: opens what is due, so many chunks at a time for each organization, carrier and lane."""

from clarion.broker.interface import PLAN, carrier_topic
from clarion.runtime import Runtime
from clarion.store import chunks

POLL_S = 1.0
"""Rings may be lost (law 1)."""


async def plan(runtime: Runtime) -> None:
    """Open what is due now, and ring its carriers."""
    for carrier_id in await runtime.store.write(chunks.open_due, runtime.clock.now()):
        runtime.broker.ring(carrier_topic(carrier_id))


async def run(runtime: Runtime) -> None:
    """Plan at every ring and every poll, until cancelled."""
    listener = runtime.broker.listen([PLAN])
    try:
        while True:
            await plan(runtime)
            await listener.wait(POLL_S)
    finally:
        listener.close()
