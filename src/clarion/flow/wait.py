"""Wait: for callers who want to hear how their messages ended before they are answered. It only reads: the road does not know of it."""

from collections.abc import Callable
from uuid import UUID

import structlog

from clarion.carriers.smpp.settings import CarrierUrlError, parse_url
from clarion.runtime import Runtime
from clarion.store import outlook
from clarion.store.catalog import Catalog
from clarion.store.errors import Unavailable
from clarion.store.outlook import Ending, Outlook, Share

FIRST_POLL_S = 0.005
"""A single text over a near carrier has its answer in about 10 ms."""

LAST_POLL_S = 0.25
GROWTH = 1.5
"""Each look comes later than the last: a thousand callers who wait long cost the database 4,000 small reads a second."""

SLICE = 1_000
"""Messages that are read between two turns of the event loop."""

log = structlog.get_logger(__name__)


async def for_outcomes(
    runtime: Runtime, catalog: Catalog, broadcast: UUID, limit_s: float, stopping: Callable[[], bool]
) -> dict[int, Ending]:
    """What became of an accepted broadcast's messages within `limit_s`, by offset; one that is absent has no outcome yet.

    Does not wait where it cannot end in time, and no longer once `stopping` says that the process ends. A database that does not answer
    ends the wait too: whoever asked must hear that the broadcast was accepted, or would send it again.
    """
    begun = runtime.timer.monotonic()
    found: dict[int, Ending] = {}
    try:
        seen = await runtime.store.read(outlook.outlook, broadcast)
        if _may_end(catalog, seen, limit_s):
            await _until_ended(runtime, broadcast, begun + limit_s, stopping)
        for after in range(0, seen.last_id - seen.first_id + 1, SLICE):
            found |= {each.offset: each for each in await runtime.store.read(outlook.endings, seen, after, SLICE)}
    except Unavailable as error:
        log.warning("store.unavailable", doing="wait", error=str(error))
    return found


async def _until_ended(runtime: Runtime, broadcast: UUID, deadline: float, stopping: Callable[[], bool]) -> None:
    poll_s = FIRST_POLL_S
    while not stopping() and await runtime.store.read(outlook.is_under_way, broadcast):
        left_s = deadline - runtime.timer.monotonic()
        if left_s <= 0:
            return
        await runtime.timer.sleep(min(poll_s, left_s))
        poll_s = min(poll_s * GROWTH, LAST_POLL_S)


def _may_end(catalog: Catalog, seen: Outlook, limit_s: float) -> bool:
    return all(_seconds(catalog, share) <= limit_s for share in seen.shares)


def _seconds(catalog: Catalog, share: Share) -> float:
    """How long a carrier needs at the least, by its rate; for ever where nobody is connected to it or about to be."""
    carrier = catalog.carriers.get(share.carrier_id)
    if carrier is None or not share.processes:
        return float("inf")
    try:
        rate = parse_url(carrier.url, carrier.password).rate_per_second
    except CarrierUrlError:
        return float("inf")
    # Each process counts its own rate.
    return share.segments / (rate * share.processes) if rate else 0.0
