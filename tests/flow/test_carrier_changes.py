"""A carrier that is changed in the middle of a broadcast: everything is sent once, under what it was changed to."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.flow.hand import counters_are_exact, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, numbers, road

from clarion.simulator.settings import SmscSettings
from clarion.store import Store
from clarion.store import tables as t
from clarion.store.carriers import CarrierChange, change_carrier

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is proved is above the store."""


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():
            await asyncio.sleep(0.02)


async def change(here: Road, options: str) -> None:
    ((url,),) = await here.all(sa.select(t.carriers.c.url))
    await here.runtime.store.write(change_carrier, "one", CarrierChange(url=f"{url.partition('?')[0]}?{options}"))


async def all_once(here: Road, log: Path, count: int) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    taken = Counter(line["destination"] for line in lines if line["status"] == 0)
    assert len(taken) == count
    assert set(taken.values()) == {1}
    await here.runtime.store.read(ledger_is_exact)
    await here.runtime.store.read(counters_are_exact)


async def test_another_rate_holds_on_the_connections_that_there_are(store: Store, tmp_path: Path) -> None:
    """At the old one it would take ten minutes."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(log_file=log), options="window=50&rate=1") as here:
        accepted = await here.accept(numbers(600))
        await until(lambda: here.smsc.counters.submits >= 1)
        await change(here, "window=50&rate=0")
        await here.until(accepted, lambda view: view.counts["delivered"] == 600)
        assert here.smsc.counters.binds == 1, "it was bound anew"
        await all_once(here, log, 600)


async def test_another_window_holds_in_the_middle_of_a_connection(store: Store, tmp_path: Path) -> None:
    """Wider, then narrower than what is on the wire: marks stop until there is room, and go on."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(answer_delay_ms=300, log_file=log), options="window=5") as here:
        accepted = await here.accept(numbers(3_000))
        await until(lambda: here.smsc.counters.submits >= 5)
        (connection,) = here.connections.held
        await change(here, "window=100")
        await until(lambda: connection.dispatcher.doubt > 50)
        await change(here, "window=20")
        await until(lambda: connection.bind.window == 20)
        await until(lambda: connection.dispatcher.doubt <= 40)
        assert here.smsc.counters.submits < 3_000, "it was over before it was narrowed"
        await change(here, "window=2000")
        await here.until(accepted, lambda view: view.counts["delivered"] == 3_000)
        assert here.smsc.counters.binds == 1
        await all_once(here, log, 3_000)


async def test_more_connections_and_then_fewer(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(answer_delay_ms=100, log_file=log), options="window=5") as here:
        accepted = await here.accept(numbers(300))
        await until(lambda: here.smsc.counters.submits >= 5)
        (first,) = here.connections.held
        await change(here, "window=5&binds=3")
        await until(lambda: [each.bind.state for each in here.connections.held] == ["bound"] * 3)
        await change(here, "window=60&binds=1")
        await until(lambda: here.connections.held == [first])
        await here.until(accepted, lambda view: view.counts["delivered"] == 300)
        assert here.smsc.counters.binds == 3
        await all_once(here, log, 300)


async def test_what_the_carrier_is_told_needs_another_bind(store: Store, tmp_path: Path) -> None:
    """What is on the wire is answered first: nothing is unknown."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(answer_delay_ms=200, log_file=log), options="window=20") as here:
        accepted = await here.accept(numbers(200))
        await until(lambda: here.smsc.counters.submits >= 40)
        await change(here, "window=100&system_type=VMA")
        await here.until(accepted, lambda view: view.counts["delivered"] == 200)
        assert here.smsc.counters.binds == 2
        await all_once(here, log, 200)
