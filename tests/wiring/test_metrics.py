"""What a server measures is what its table and docs/metrics.md say, and the numbers are those of the carrier."""

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import CollectorRegistry
from tests.flow.rig import PATIENCE_S, numbers, road

from clarion.api.metrics import HttpMetrics
from clarion.simulator.settings import SmscSettings
from clarion.store import Store
from clarion.store.carriers import NewCarrier, add_carrier, carrier_login, remove_carrier
from clarion.wiring.metrics import FAMILIES, make_registry

TOOL = Path(__file__).parents[2] / "tools" / "metrics.py"
MESSAGES = 400


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metrics_tool", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_is_current(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run: python tools/metrics.py"


def test_names_are_as_prometheus_has_them() -> None:
    for name, family in FAMILIES.items():
        assert name.startswith("clarion_")
        assert not name.endswith(("_total", "_count", "_sum", "_bucket")), "the client adds those itself"
        assert not family.help.endswith(".")
        assert family.kind == "histogram" or "round_trip" not in name


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


async def test_the_numbers_are_the_carriers(store: Store) -> None:
    settings = SmscSettings(failures={0x0B: 0.1}, undelivered_share=0.1)
    async with road(store, settings, options="window=50&rate=5000") as here:
        registry = make_registry(here.runtime, here.connections)
        HttpMetrics(registry).observe("GET", {"type": "http"}, 200, 0.01)
        accepted = await here.accept(numbers(MESSAGES))
        await here.until(accepted, lambda v: v.state == "completed" and not v.counts["sent"])
        of = {"carrier": "one", "bind": "0"}
        counters = here.smsc.counters
        assert value(registry, "clarion_bind_submits_total", **of) == counters.submits == MESSAGES
        assert value(registry, "clarion_bind_answers_total", **of, status="ESME_ROK") == counters.taken
        assert value(registry, "clarion_bind_answers_total", **of, status="ESME_RINVDSTADR") == counters.refused > 0
        delivered, undelivered = (
            value(registry, "clarion_bind_receipts_total", **of, state=state) for state in ("delivered", "undelivered")
        )
        assert delivered + undelivered == counters.taken
        assert undelivered > 0
        assert 0 < value(registry, "clarion_bind_round_trip_seconds_count", **of) <= MESSAGES
        assert value(registry, "clarion_bind_round_trip_seconds_bucket", **of, le="+Inf") > 0
        now = {name: value(registry, f"clarion_bind_{name}", **of) for name in ("bound", "window_submits", "window_free", "rate_limit")}
        assert now == {"bound": 1, "window_submits": 50, "window_free": 50, "rate_limit": 5000}
        assert value(registry, "clarion_bind_unanswered_submits", **of) == value(registry, "clarion_bind_doubt_messages", **of) == 0
        here.smsc.disconnect()
        async with asyncio.timeout(PATIENCE_S):
            while value(registry, "clarion_bind_connects_total", **of) < 2:
                await asyncio.sleep(0.02)
        assert value(registry, "clarion_bind_losses_total", **of) == 1
        assert value(registry, "clarion_bind_submits_total", **of) == MESSAGES, "the numbers go on"
        told = {}
        for family in registry.collect():
            told[family.name] = family
            kind, labels, words = FAMILIES[family.name]
            assert (family.type, family.documentation) == (kind, words)
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    assert set(sample.labels) - {"le"} == set(labels), sample
        assert told.keys() == FAMILIES.keys(), "all of them, and no other"


async def test_the_numbers_of_a_removed_carrier_go_with_it(store: Store) -> None:
    """And begin anew if it comes back."""
    of = {"carrier": "one", "bind": "0"}
    async with road(store) as here:
        registry = make_registry(here.runtime, here.connections)

        async def until(*, there: bool) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while any("one" in sample.labels.values() for family in registry.collect() for sample in family.samples) != there:
                    await asyncio.sleep(0.02)

        accepted = await here.accept(numbers(20))
        await here.until(accepted, lambda view: view.counts["delivered"] == 20)
        assert value(registry, "clarion_bind_submits_total", **of) == 20
        url, _ = await store.read(carrier_login, "one")
        await store.write(remove_carrier, "one")
        await until(there=False)
        await store.write(add_carrier, NewCarrier("one", url, ""), here.runtime.clock.now())
        await until(there=True)
        accepted = await here.accept(numbers(5))
        await here.until(accepted, lambda view: view.counts["delivered"] == 5)
        assert value(registry, "clarion_bind_submits_total", **of) == 5
