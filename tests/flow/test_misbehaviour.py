"""Carriers that misbehave, on the whole road: whatever the simulator's faults do, every message is accounted for, once, to the cent.

What was taken and receipted ends by its receipt; what stays unknown never reached the carrier or has no receipt; nothing is sent twice.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.hand import counters_are_exact, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, numbers, road

from clarion.carriers.smpp import connect, status
from clarion.flow import sweep
from clarion.flow.order import Accepted
from clarion.simulator import SmscSettings, garbage
from clarion.store import Store
from clarion.store import tables as t
from clarion.store.carriers import BindView, list_carriers
from clarion.store.doctor import examine
from clarion.store.views import BroadcastView

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is proved is above the store."""

BREAKING = ("noise", "short_length", "long_length", "lying_length", "swallowing_length")
"""The kinds of garbage after which a connection cannot go on."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts that fit nothing are tried on the unknowns after half a second instead of five."""
    monkeypatch.setattr(sweep, "ORPHAN_MICROS", 500_000)


def taken(log: Path) -> Counter[str]:
    """How often the SMSC took a message for each recipient."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(line["destination"] for line in map(json.loads, lines) if line["status"] == 0)


async def ended(here: Road, accepted: Accepted, log: Path) -> BroadcastView:
    """As soon as everything is done that can be: what has a receipt is at its end, and nothing waits."""

    def over(view: BroadcastView) -> bool:
        receipted = sum(taken(log).values()) - here.smsc.counters.faults["receipt_never"]
        return view.state == "completed" and view.counts["delivered"] + view.counts["undelivered"] == receipted

    return await here.until(accepted, over)


async def is_sound(here: Road, log: Path) -> None:
    """Nothing was taken twice, what is unknown was not taken or has no receipt, and the doctor finds rows and money right."""
    assert set(taken(log).values()) <= {1}
    unknown = sa.select(t.messages.c.recipient).join(t.deliveries, t.messages.c.id == t.deliveries.c.message_id)
    reached = {str(recipient) for (recipient,) in await here.all(unknown.where(t.deliveries.c.state == "unknown"))} & taken(log).keys()
    assert len(reached) <= here.smsc.counters.faults["receipt_never"]
    await here.runtime.store.read(ledger_is_exact)
    await here.runtime.store.read(counters_are_exact)
    findings = await here.runtime.store.read(examine, here.runtime.clock.now())
    assert [finding for finding in findings if finding.severity == "error"] == []


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():
            await asyncio.sleep(0.02)


@on_sqlite
@pytest.mark.parametrize("kind", garbage.KINDS)
async def test_garbage(store: Store, tmp_path: Path, kind: str) -> None:
    """What cannot be read ends the connection and another one follows; what makes no sense changes nothing."""
    log = tmp_path / "smsc.log"
    faults = SmscSettings(garbage_every=100, garbage_kinds=(kind,), log_file=log)
    async with road(store, faults, options="window=20&enquire=0.3&answer_timeout=10") as here:
        accepted = await here.accept(numbers(350))
        view = await ended(here, accepted, log)
        counters = here.smsc.counters
        assert counters.garbage >= 3
        if kind in BREAKING:
            assert counters.binds > 1
            assert view.counts["unknown"] <= 20 * (counters.binds - 1)
        else:
            assert counters.binds == 1
            assert view.counts["delivered"] == 350
        strange = await here.all(sa.select(t.orphans.c.carrier_reference))
        # The lying length makes a PDU that can be read, when the octets behind it have come.
        assert {reference for (reference,) in strange} <= {garbage.STRAY_ID.decode()}
        assert len(strange) == counters.garbage or kind != "stray_receipt"
        assert counters.nacks >= 3 or kind != "unknown_command"
        await is_sound(here, log)


async def test_receipts_for_other_peoples_messages_are_kept_and_move_nothing(store: Store, tmp_path: Path) -> None:
    """They say delivered, half of them under the ids of our own messages, which were not."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(foreign_share=1.0, undelivered_share=1.0, log_file=log)) as here:
        accepted = await here.accept(numbers(200))
        await ended(here, accepted, log)
        await until(lambda: here.smsc.counters.receipts_acknowledged == 400)
        view = await here.view(accepted)
        assert view.counts["undelivered"] == 200
        orphans = await here.all(sa.select(t.orphans.c.recipient, t.orphans.c.state))
        assert len(orphans) == 200
        assert not {recipient for recipient, _ in orphans} & set(numbers(200))
        await is_sound(here, log)


async def test_answers_behind_the_timer_resolve_what_they_left_unknown(store: Store, tmp_path: Path) -> None:
    """No receipt helps here: the late answer alone makes them sent, and they are charged once."""
    log = tmp_path / "smsc.log"
    faults = SmscSettings(answer_late_share=0.3, answer_late_ms=1_500, receipts=False, log_file=log)
    async with road(store, faults, options="window=200&answer_timeout=0.3") as here:
        accepted = await here.accept(numbers(150))
        await here.until(accepted, lambda v: v.counts["unknown"] > 0)
        await here.until(accepted, lambda v: v.counts["sent"] == 150)
        assert here.smsc.counters.faults["answer_late"] > 20
        assert here.smsc.counters.submits == 150
        await is_sound(here, log)


async def test_a_late_answer_behind_its_receipt_changes_nothing(store: Store, tmp_path: Path) -> None:
    """The receipt finds the unknown by recipient and sender, and charges it; the answer that comes later does not again."""
    log = tmp_path / "smsc.log"
    faults = SmscSettings(answer_late_share=1.0, answer_late_ms=3_000, log_file=log)
    async with road(store, faults, options="window=100&answer_timeout=0.3") as here:
        accepted = await here.accept(numbers(60))
        await ended(here, accepted, log)
        await until(lambda: here.smsc.counters.answers[status.OK] == 60)
        await until(lambda: all(not connection._answers for connection in here.connections.held))
        await is_sound(here, log)
        assert (await here.view(accepted)).counts["delivered"] == 60


async def test_a_carrier_that_takes_and_never_answers_leaves_unknown_and_gets_nothing_twice(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    faults = SmscSettings(unanswered_share=1.0, receipts=False, log_file=log)
    async with road(store, faults, options="window=50&answer_timeout=0.3") as here:
        accepted = await here.accept(numbers(120))
        view = await here.until(accepted, lambda v: v.counts["unknown"] == 120)
        assert view.state == "completed"
        assert here.smsc.counters.submits == 120
        assert set(taken(log).values()) == {1}
        await here.runtime.store.read(ledger_is_exact)
        charged = sa.select(sa.func.sum(t.holds.c.charged_milli), sa.func.sum(t.holds.c.released_milli))
        assert await here.all(charged) == [(0, 0)]


@on_sqlite
async def test_half_open_links_are_noticed_and_bound_anew(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(half_open_every=90, log_file=log), options="window=20&enquire=0.3&answer_timeout=10") as here:
        accepted = await here.accept(numbers(300))
        view = await ended(here, accepted, log)
        counters = here.smsc.counters
        assert counters.faults["half_open"] >= 2
        assert counters.binds == counters.faults["half_open"] + 1
        assert view.counts["unknown"] <= 20 * counters.faults["half_open"]
        await is_sound(here, log)


@on_sqlite
@pytest.mark.parametrize("refusal", [status.BIND_FAILED, status.INVALID_PASSWORD, status.INVALID_SYSTEM_ID, status.ALREADY_BOUND])
async def test_refused_binds_say_why_and_work_begins_when_they_are_let_in(store: Store, tmp_path: Path, refusal: int) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(bind_status=refusal, bind_refused_first=1, log_file=log)) as here:
        accepted = await here.accept(numbers(20))
        async with asyncio.timeout(PATIENCE_S):
            while [(bind.state, bind.reason) for bind in await listed(here)] != [("refused", status.describe(refusal))]:
                await asyncio.sleep(0.01)
        view = await ended(here, accepted, log)
        assert view.counts["delivered"] == 20
        await is_sound(here, log)


async def listed(here: Road) -> Sequence[BindView]:
    """What `carriers list` shows of the one carrier's binds."""
    (carrier,) = await here.runtime.store.read(list_carriers)
    return carrier.binds


@on_sqlite
async def test_binds_that_are_never_answered_are_tried_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "BIND_ANSWER_S", 0.3)
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(bind_unanswered_first=2, log_file=log)) as here:
        accepted = await here.accept(numbers(20))
        view = await ended(here, accepted, log)
        assert view.counts["delivered"] == 20
        assert here.smsc.counters.binds_refused == 2
        await is_sound(here, log)


EVERYTHING: dict[str, Any] = {
    "answer_delay_ms": 5,
    "answer_spread_ms": 20,
    "answer_late_share": 0.01,
    "answer_late_ms": 1_500,
    "unanswered_share": 0.01,
    "failures": {0x0B: 0.03, 0x08: 0.02, 0x14: 0.02, 0x400: 0.01},
    "throttle_per_second": 600,
    "disconnect_every": 370,
    "half_open_every": 530,
    "garbage_every": 60,
    "message_id_form": "hex",
    "receipt_id_form": "decimal",
    "receipt_id_form_share": 0.5,
    "receipt_delay_ms": 20,
    "receipt_spread_ms": 100,
    "early_share": 0.02,
    "late_share": 0.1,
    "receipt_late_ms": 1_000,
    "never_share": 0.02,
    "twice_share": 0.1,
    "undelivered_share": 0.05,
    "expired_share": 0.02,
    "rejected_share": 0.02,
    "foreign_share": 0.1,
    "reply_share": 0.05,
    "stop_share": 0.02,
}


async def test_everything_at_once(store: Store, tmp_path: Path) -> None:
    """Two binds, every fault and every kind of garbage: what was taken is known, replies are rows, and who opted out is heard."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(**EVERYTHING, log_file=log), options="window=20&binds=2&enquire=0.5&answer_timeout=1") as here:
        accepted = await here.accept(numbers(1_500))
        view = await ended(here, accepted, log)
        counters = here.smsc.counters
        assert {*garbage.KINDS} <= {name.removeprefix("garbage_") for name in counters.faults} | {"second_answer", "stray_answer"}
        refused = sum(json.loads(line)["status"] in {0x0B, 0x400} for line in log.read_text().splitlines())
        # A refusal on a link that broke before it came leaves its message unknown.
        assert 0 < view.counts["refused"] <= refused <= view.counts["refused"] + view.counts["unknown"]
        texts = sa.select(sa.func.count()).select_from(t.inbound)
        async with asyncio.timeout(PATIENCE_S):
            while (await here.all(texts))[0][0] < counters.texts_sent:
                await asyncio.sleep(0.05)
        assert counters.stops > 10
        assert (await here.all(sa.select(sa.func.count()).select_from(t.suppressions))) == [(counters.stops,)]
        await is_sound(here, log)
