"""A broadcast over several carriers of which one dies, fails, falls silent or is removed in its middle: everything goes out once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.flow.hand import counters_are_exact, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, add_carrier, numbers, road

from clarion.carriers.verdict import Bounds
from clarion.core.health import Patience
from clarion.flow import health
from clarion.flow.health import Watch
from clarion.flow.order import Accepted
from clarion.simulator.settings import SmscSettings
from clarion.simulator.smsc import Smsc
from clarion.store import Store, doctor
from clarion.store import tables as t
from clarion.store.carriers import CarrierChange, change_carrier, remove_carrier

PRICE = 100_000
WINDOW = 20
SOON = Patience(unbound_s=1, rest_s=(1, 2), probing_s=600)
QUICK = Bounds(answers=5, span_s=0.2, spans=2, silent_s=2)


class Carriers:
    """`one`, which the road has, and others, each with an SMSC of its own and a witness of what reached it."""

    def __init__(self, here: Road, folder: Path) -> None:
        self.here, self._folder = here, folder
        self.smscs: dict[str, tuple[Smsc, int]] = {}
        self.ids = {"one": here.carrier_id}
        self.dead: set[str] = set()

    async def add(self, name: str, settings: dict[str, Any], options: str = f"window={WINDOW}", *, weight: int = 1) -> None:
        port = await self.start(name, settings)
        runtime = self.here.runtime
        url = f"smpp://clarion@127.0.0.1:{port}?{options}"
        self.ids[name] = await runtime.store.write(add_carrier, name, url, runtime.clock.now(), price="7.00")
        await self.weigh(name, weight)

    async def weigh(self, name: str, weight: int) -> None:
        await self.here.runtime.store.write(change_carrier, name, CarrierChange(weight=weight))
        await self.here.settings.refresh()

    async def start(self, name: str, settings: dict[str, Any], port: int = 0) -> int:
        runtime = self.here.runtime
        smsc = Smsc(SmscSettings(log_file=self._folder / f"{name}.log", **settings), runtime.clock, runtime.timer)
        port = await smsc.start(port=port)
        self.smscs[name] = smsc, port
        self.dead.discard(name)
        return port

    async def kill(self, name: str) -> None:
        """No unbind, no answers, and nobody listens."""
        smsc, _ = self.smscs[name]
        self.dead.add(name)
        assert smsc._server is not None
        smsc._server.close()
        smsc.disconnect()
        await smsc.stop()

    def taken(self, name: str) -> int:
        return self.smscs[name][0].counters.taken

    def seen(self) -> Counter[str]:
        """How often each recipient was taken, by whichever SMSC."""
        lines = [json.loads(line) for log in self._folder.glob("*.log") for line in log.read_text().splitlines()]
        return Counter(line["destination"] for line in lines if line["status"] == 0)

    async def health(self, name: str) -> str:
        ((found,),) = await self.here.all(sa.select(t.carriers.c.health).where(t.carriers.c.name == name))
        return str(found)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                await asyncio.sleep(0.02)

    async def until_health(self, name: str, health: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.health(name) != health:
                await asyncio.sleep(0.05)
        await self.here.settings.refresh()

    async def exact(self, *accepted: Accepted, may_end: Sequence[str] = ("delivered",)) -> Counter[str]:
        """Everything has ended in one of these states, nobody got it twice, the money is exact, and at the price of accept."""
        here, store = self.here, self.here.runtime.store
        for each in accepted:
            await here.until(each, lambda view: view.state == "completed" and ("sent" in may_end or not view.counts["sent"]))
        await here.end()
        views = [await here.view(each) for each in accepted]
        states = Counter({state: sum(view.counts[state] for view in views) for state in views[0].counts})
        states = +states
        assert set(states) <= set(may_end), states
        seen = self.seen()
        assert set(seen.values()) == {1}
        assert states.total() - states["unknown"] <= len(seen) <= states.total() == sum(len(each.numbers) for each in accepted)
        await store.read(ledger_is_exact)
        await store.read(counters_are_exact)
        assert await store.read(doctor.examine, here.runtime.clock.now()) == []
        charged = await here.all(sa.select(t.deliveries.c.charged_milli, sa.func.count()).group_by(t.deliveries.c.charged_milli))
        assert dict(map(tuple, charged)) == +Counter({PRICE: states["delivered"] + states["sent"], 0: states["unknown"]})
        return states


@asynccontextmanager
async def several(store: Store, folder: Path, monkeypatch: Any, **settings: Any) -> AsyncIterator[Carriers]:
    """A road whose carriers are watched with little patience."""
    monkeypatch.setattr(health, "PERIOD_S", 0.1)
    async with road(store, SmscSettings(log_file=folder / "one.log", **settings), options=f"window={WINDOW}", begin=False) as here:
        carriers = Carriers(here, folder)
        watch = asyncio.create_task(Watch(here.runtime, lambda: here.connections.held, SOON, QUICK).run())
        try:
            yield carriers
        finally:
            watch.cancel()
            for name in carriers.smscs.keys() - carriers.dead:
                await carriers.kill(name)


SLOW = {"answer_delay_ms": 50}


async def test_one_of_three_dies_in_mid_broadcast_and_comes_back(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    async with several(store, tmp_path, monkeypatch, **SLOW) as carriers:
        here = carriers.here
        await carriers.add("two", SLOW, weight=2)
        await carriers.add("three", SLOW)
        here.begin()
        accepted = await here.accept(numbers(2_000))
        shares = await here.all(
            sa.select(t.chunks.c.carrier_id, sa.func.sum(t.chunks.c.last_id - t.chunks.c.id + 1)).group_by(t.chunks.c.carrier_id)
        )
        assert {carrier_id: int(n) for carrier_id, n in shares} == {
            carriers.ids["one"]: 500,
            carriers.ids["two"]: 1_000,
            carriers.ids["three"]: 500,
        }
        await carriers.until(lambda: carriers.taken("two") > 100)
        await carriers.kill("two")
        await carriers.until_health("two", "out")
        during = await here.accept(numbers(200, 254_711_000_000))
        assert not await here.all(sa.select(t.chunks.c.id).where(t.chunks.c.carrier_id == carriers.ids["two"], t.chunks.c.id > 2_000))
        await here.until(accepted, lambda view: view.state == "completed")
        await here.until(during, lambda view: view.counts["delivered"] == 200)
        await carriers.start("two", SLOW, carriers.smscs["two"][1])
        await carriers.until_health("two", "well")
        again = await here.accept(numbers(200, 254_722_000_000))
        await here.until(again, lambda view: view.counts["delivered"] == 200)
        assert carriers.taken("two") == 100
        # What it had taken, its receipts died with it.
        states = await carriers.exact(accepted, during, again, may_end=("delivered", "sent", "unknown"))
        assert states["unknown"] <= 2 * WINDOW


async def test_one_that_answers_with_system_errors_loses_what_it_has_to_the_others(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    async with several(store, tmp_path, monkeypatch) as carriers:
        await carriers.add("ill", {"failures": {0x08: 1.0}}, weight=5)
        carriers.here.begin()
        accepted = await carriers.here.accept(numbers(600))
        await carriers.until_health("ill", "out")
        states = await carriers.exact(accepted)
        assert states == {"delivered": 600}
        assert carriers.taken("ill") == 0


async def test_one_that_is_silent_keeps_two_windows_in_doubt_and_no_more(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    async with several(store, tmp_path, monkeypatch) as carriers:
        await carriers.add("silent", {"unanswered_share": 1.0, "receipts": False}, f"window={WINDOW}&answer_timeout=3")
        carriers.here.begin()
        accepted = await carriers.here.accept(numbers(600))
        await carriers.until_health("silent", "out")
        states = await carriers.exact(accepted, may_end=("delivered", "unknown"))
        assert WINDOW <= states["unknown"] <= 6 * WINDOW


async def test_one_that_refuses_messages_is_not_out_and_the_other_takes_them(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    async with several(store, tmp_path, monkeypatch) as carriers:
        await carriers.add("strict", {"failures": {0x0B: 1.0}})
        carriers.here.begin()
        accepted = await carriers.here.accept(numbers(600))
        states = await carriers.exact(accepted)
        assert states == {"delivered": 600}
        assert carriers.smscs["strict"][0].counters.submits == 300
        assert await carriers.health("strict") == "well"


async def test_one_is_removed_in_mid_broadcast(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    async with several(store, tmp_path, monkeypatch, **SLOW) as carriers:
        here = carriers.here
        await carriers.add("two", SLOW, weight=3)
        here.begin()
        accepted = await here.accept(numbers(1_500))
        await carriers.until(lambda: carriers.taken("two") > 100)
        await here.runtime.store.write(remove_carrier, "two")
        states = await carriers.exact(accepted)
        assert states == {"delivered": 1_500}
        assert 100 < carriers.taken("two") < 1_000
