"""Who goes first on one bind, over a real road: organizations share it, and single sends and replies pass by what is sent in bulk."""

import json
from pathlib import Path

import pytest
from tests.flow.rig import Road, add_organization, numbers, road

from clarion.flow.accept import accept
from clarion.flow.order import Accepted, Order
from clarion.simulator.settings import SmscSettings
from clarion.store import Store
from clarion.store.catalog import Organization, load_organization

MANY, FEW = 20_000, 100
"""Half of the many in front of the few would already be a queue, not a share."""

WINDOW = 50
SMALL_START = 254_711_000_000


def in_order(log: Path) -> list[int]:
    """The recipients in the order in which the carrier saw them."""
    return [int(json.loads(line)["destination"]) for line in log.read_text().splitlines()]


async def order(here: Road, organization: Organization, lane: int, recipients: list[str]) -> Accepted:
    catalog = await here.settings.catalog()
    return await accept(here.runtime, catalog, Order(organization, "cli", lane, "Hello", "CLARION", recipients, partial=True))


async def another(here: Road) -> Organization:
    await here.runtime.store.write(add_organization, "small", 10_000_000_000, here.runtime.clock.now())
    found = await here.runtime.store.read(load_organization, "small")
    assert found is not None
    return found


def slow(log: Path) -> SmscSettings:
    return SmscSettings(answer_delay_ms=20, log_file=log)


async def test_a_small_organization_does_not_wait_for_a_large_one(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, slow(log), options=f"window={WINDOW}") as here:
        small = await another(here)
        blast = await here.accept(numbers(MANY))
        await here.until(blast, lambda v: v.counts["sent"] + v.counts["delivered"] > 10 * WINDOW)
        before = here.smsc.counters.submits
        few = await order(here, small, 2, numbers(FEW, SMALL_START))
        await here.until(blast, lambda v: v.counts["delivered"] == MANY)
        assert len(few.numbers) == FEW
    seen = in_order(log)
    assert len(seen) == MANY + FEW
    last = max(place for place, recipient in enumerate(seen) if recipient >= SMALL_START)
    between = last - before - FEW
    assert between < MANY // 2, f"{between:,} of the large one's went before the small one's last"


@pytest.mark.parametrize("lane", [0, 1])
@pytest.mark.parametrize("own", [True, False])
async def test_what_somebody_waits_for_passes_by_a_blast(store: Store, tmp_path: Path, lane: int, own: bool) -> None:
    """Of the same organization and of another: no more goes before it than what was marked already and may not be called back."""
    log = tmp_path / "smsc.log"
    async with road(store, slow(log), options=f"window={WINDOW}") as here:
        owner = here.organization if own else await another(here)
        blast = await here.accept(numbers(MANY // 4))
        await here.until(blast, lambda v: v.counts["sent"] + v.counts["delivered"] > 10 * WINDOW)
        await order(here, owner, lane, numbers(1, SMALL_START))
        before = here.smsc.counters.submits
        await here.until(blast, lambda v: v.counts["delivered"] == MANY // 4)
    seen = in_order(log)
    place = seen.index(SMALL_START)
    assert place < len(seen) - 1, "it did not come behind the blast"
    assert place - before <= 4 * WINDOW, f"{place - before:,} went out between its accept and itself"
