"""The whole road over several carriers that each fail in their own way: every message accounted for, each paid once at most."""

import json
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.flow.hand import PRICE, counters_are_exact, ledger_is_exact
from tests.flow.rig import Road, add_carrier, numbers, road

from clarion.simulator.settings import SmscSettings
from clarion.simulator.smsc import Smsc
from clarion.store import Store, doctor, ends
from clarion.store import tables as t

INVALID_DESTINATION = 0x0B
d, a = t.deliveries.c, t.attempts.c
LONG = "All of this, and in this order. " * 12


async def another(here: Road, stack: AsyncExitStack, name: str, settings: SmscSettings) -> int:
    """One more carrier for everywhere."""
    smsc = Smsc(settings, here.runtime.clock, here.runtime.timer)
    port = await smsc.start()
    stack.push_async_callback(smsc.stop)
    made = await here.runtime.store.write(add_carrier, name, f"smpp://clarion@127.0.0.1:{port}?window=50", here.runtime.clock.now())
    await here.settings.refresh()
    return made


def taken(log: Path) -> Counter[str]:
    """How many submits of each recipient a simulated carrier took."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return Counter(line["destination"] for line in lines if line.get("status", 0) == 0)


async def healthy(here: Road) -> None:
    await here.runtime.store.read(ledger_is_exact)
    await here.runtime.store.read(counters_are_exact)
    found = await here.runtime.store.read(doctor.examine, here.runtime.clock.now())
    assert [finding for finding in found if finding.severity == "error"] == []


async def test_one_refuses_a_tenth_and_one_delivers_nine_tenths(store: Store, tmp_path: Path) -> None:
    """The third is sound: with failover on receipts everything arrives, for one price, and it is told who refused what."""
    logs = [tmp_path / f"{name}.log" for name in ("one", "two", "three")]
    settings: list[dict[str, Any]] = [{"failures": {INVALID_DESTINATION: 0.1}}, {"undelivered_share": 0.1}, {}]
    made = [SmscSettings(log_file=log, **some) for log, some in zip(logs, settings, strict=True)]
    async with road(store, made[0], options="window=50", begin=False) as here, AsyncExitStack() as stack:
        for name, smsc in zip(("two", "three"), made[1:], strict=True):
            await another(here, stack, name, smsc)
        here.organization = replace(here.organization, failover_undelivered=True)
        here.begin()
        single, long = await here.accept(numbers(600)), await here.accept(numbers(60, 254_711_000_000), LONG)
        view = await here.until(single, lambda v: v.counts["delivered"] == 600)
        assert view.state == "completed"
        # Of a long message some parts may have arrived: what fails in parts stays failed.
        longs = await here.until(long, lambda v: v.counts["delivered"] + v.counts["undelivered"] + v.counts["refused"] == 60)
        assert longs.counts["delivered"] >= 20
        arrived = [taken(log) for log in logs]
        tries = {recipient: [each[recipient] for each in arrived] for recipient in numbers(600)}
        assert all(max(each) == 1 for each in tries.values()), "no carrier has had a message twice"
        failed = Counter(await here.all(sa.select(a.outcome).join(t.messages, t.messages.c.id == a.message_id)))
        assert failed[("refused",)] >= 10
        assert failed[("undelivered",)] >= 10
        told = await here.runtime.store.read(ends.ends, view)
        assert {(each.carrier, each.outcome) for each in told.attempts} == {("one", "refused"), ("two", "undelivered")}
        assert sum(used.messages for used in told.carriers) == 600
        assert sum(used.delivered for used in told.carriers) == 600
        assert await here.all(sa.select(sa.func.sum(d.charged_milli)).where(d.message_id <= view.last_id)) == [(600 * PRICE,)]
        await healthy(here)


async def test_refused_by_all_costs_nothing(store: Store) -> None:
    refusing = SmscSettings(failures={INVALID_DESTINATION: 1.0})
    async with road(store, refusing, begin=False) as here, AsyncExitStack() as stack:
        for name in ("two", "three"):
            await another(here, stack, name, refusing)
        here.begin()
        accepted = await here.accept(numbers(40))
        view = await here.until(accepted, lambda v: v.counts["refused"] == 40)
        assert view.state == "completed"
        assert Counter(await here.all(sa.select(a.outcome))) == {("refused",): 80}
        assert await here.all(sa.select(d.charged_milli).distinct()) == [(0,)]
        tried: dict[int, set[int]] = defaultdict(set)
        for message_id, carrier_id in await here.all(
            sa.select(a.message_id, a.carrier_id).union_all(sa.select(d.message_id, d.carrier_id))
        ):
            assert carrier_id not in tried[message_id]
            tried[message_id].add(carrier_id)
        assert all(len(carriers) == 3 for carriers in tried.values())
        await healthy(here)


async def test_long_texts_over_a_link_that_breaks(store: Store, tmp_path: Path) -> None:
    """What was in the window is unknown, what was not goes on where it stopped: whatever was delivered came whole, under one reference."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(disconnect_every=40, log_file=log), options="window=6") as here:
        accepted = await here.accept(numbers(80), LONG)
        view = await here.until(accepted, lambda v: v.counts["delivered"] + v.counts["unknown"] == 80)
        assert view.counts["delivered"] >= 20
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for recipient, state in await here.all(
            sa.select(t.messages.c.recipient, d.state).join_from(t.messages, t.deliveries, t.messages.c.id == d.message_id)
        ):
            parts = [line for line in lines if line["destination"] == str(recipient)]
            assert len(parts) == len({line["part"] for line in parts}), "no part twice"
            if state == "delivered":
                assert "".join(line["text"] for line in sorted(parts, key=lambda line: line["part"])) == LONG
                assert len({line["ref"] for line in parts}) == 1
        await healthy(here)
