"""Three carriers of which one is killed in mid-broadcast: a real server goes on over the others, says so, and takes it back later."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, SmscProcess, server, smsc_process, until

from clarion.store import carriers, doctor
from clarion.wiring.machine import SystemClock

RECIPIENTS = 3_000
AGAIN = 60
WINDOW = 50
WEIGHTS = {"north": 1, "south": 3, "west": 2}
RATE = 250
"""Segments a second over each: the death comes in the middle."""


async def until_health(here: Server, name: str, well: float) -> None:
    """As the server's own metrics have it."""
    line = f'clarion_carrier_well{{carrier="{name}"}} {well}'
    async with asyncio.timeout(PATIENCE_S):
        while line not in (await here.client.get(f"{here.url}/metrics")).text:
            await asyncio.sleep(0.2)


def add_carriers(connection: Connection, ports: Mapping[str, int]) -> None:
    for name, port in ports.items():
        url = f"smpp://clarion@127.0.0.1:{port}?window={WINDOW}&rate={RATE}"
        carriers.add_carrier(connection, carriers.NewCarrier(name, url, "", "", "1.00", weight=WEIGHTS[name]), SystemClock().now())


async def all_bound(here: Server) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await here.client.get(f"{here.url}/metrics")).text.count("clarion_bind_bound{") < len(WEIGHTS):
            await asyncio.sleep(0.2)
    await here.bound()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_one_of_three_carriers_dies_in_mid_broadcast(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("empty_postgres_url") if engine == "postgres" else None
    with ExitStack() as stack:
        smscs = {name: stack.enter_context(smsc_process(tmp_path / f"{name}.jsonl")) for name in WEIGHTS}
        async with server(tmp_path / "data", url) as here:
            await here.start()
            await here.top_up()
            async with here.database() as store:
                await store.write(add_carriers, {name: smsc.port for name, smsc in smscs.items()})
            await all_bound(here)
            campaign = await here.send_bulk([str(254_700_000_000 + k) for k in range(RECIPIENTS)], "Hello")
            await until(lambda: smscs["south"].count > 100, "the third carrier's submits")
            smscs["south"].kill()
            await until_health(here, "south", 0.0)
            listed = {carrier["name"]: carrier for carrier in (await here.command("carriers", "list"))["carriers"]}
            assert {name: carrier["health"] for name, carrier in listed.items()} == {"north": "well", "south": "out", "west": "well"}
            assert listed["south"]["health_reason"].startswith("not bound")
            assert (await here.client.get(f"{here.url}/readyz")).status_code == 200
            async with asyncio.timeout(PATIENCE_S):
                while not await here.completed(campaign):
                    await asyncio.sleep(0.3)
            back = stack.enter_context(smsc_process(tmp_path / "back.jsonl", "--port", str(smscs["south"].port)))
            await until_health(here, "south", 1.0)
            await here.send_bulk([str(254_711_000_000 + k) for k in range(AGAIN)], "Hello again")
            await until(lambda: back.count == AGAIN // 2, "the share of the carrier that is back")
            await accounted_for(here, [*smscs.values(), back])
            assert await here.look(lambda connection: doctor.examine(connection, SystemClock().now())) == []


async def accounted_for(here: Server, smscs: list[SmscProcess]) -> None:
    """Every recipient is in one of the logs, and once, but for those that were on the wire of the one that was killed."""
    total = RECIPIENTS + AGAIN
    await until(lambda: sum(smsc.count for smsc in smscs) >= total - 2 * WINDOW, "the last submits")
    async with asyncio.timeout(PATIENCE_S):
        while (states := await here.look(message_states)).keys() - {"delivered", "unknown", "sent"}:
            await asyncio.sleep(0.3)
    seen = Counter(submit["destination"] for smsc in smscs for submit in smsc.submits())
    assert set(seen.values()) == {1}
    assert states.total() == total
    assert states["unknown"] <= 2 * WINDOW
    assert total - states["unknown"] <= len(seen)
    await here.look(assert_exact)


def message_states(connection: Connection) -> Counter[str]:
    found = connection.exec_driver_sql(
        "SELECT coalesce(d.state, 'waiting'), count(*) FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id GROUP BY 1"
    )
    return Counter({state: int(count) for state, count in found})
