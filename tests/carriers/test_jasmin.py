"""The whole road to Jasmin's SMPP server, and through it to the simulator: binds, long texts both ways, receipts in its own form.

One Jasmin for all of this file, since it takes half a minute to start.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa
from tests.carriers.recording import until
from tests.flow.hand import counters_are_exact, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, add_carrier, numbers, road
from tests.jasmin_smsc import JasminSmsc, jasmin_smsc
from tests.simulator.running import running_smsc

from clarion.carriers.smpp import parse_url, probe
from clarion.simulator.smsc import Smsc
from clarion.store import tables as t
from clarion.store.engine import open_store
from clarion.wiring.machine import SystemTimer

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST = 254_710_000_000
LONG_TEXT = "Dear customer, your parcel is on its way. " * 9


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[JasminSmsc, Smsc]]:
    """Jasmin, and the SMSC behind it."""
    folder: Path = tmp_path_factory.mktemp("jasmin")
    async with running_smsc(receipt_delay_ms=200, aimed_failures=True) as (behind, port), jasmin_smsc(folder, port) as jasmin:
        yield jasmin, behind


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Road]:
    """A road on this database that has not begun, in the loop of this file."""
    store = await open_store(url, SystemTimer(), owner=True)
    try:
        async with road(store, begin=False) as here:
            yield here
    finally:
        await store.close()


async def connect(here: Road, jasmin: JasminSmsc, options: str) -> int:
    url = f"smpp://clarion@127.0.0.1:{jasmin.port}?{options}"
    carrier_id = await here.runtime.store.write(add_carrier, "jasmin", url, here.runtime.clock.now(), prefix="25471")
    await here.runtime.store.write(give_password, carrier_id, "secret")
    here.begin()
    await until(lambda: {held.bind.state for held in here.connections.held} == {"bound"} and len(here.connections.held) > 1, "bound")
    return carrier_id


def give_password(connection: sa.Connection, /, carrier_id: int, password: str) -> None:
    connection.execute(sa.update(t.carriers).where(t.carriers.c.id == carrier_id).values(password=password))


@pytest.mark.parametrize("kind", ["transmitter", "receiver", "transceiver", "pair"])
async def test_its_binds_are_probed(chain: tuple[JasminSmsc, Smsc], kind: str) -> None:
    url = f"smpp://clarion:{{}}@127.0.0.1:{chain[0].port}?bind={kind}"
    assert (await probe(parse_url(url.format("secret")), SystemTimer())).succeeded
    wrong = await probe(parse_url(url.format("wrong")), SystemTimer())
    assert wrong.steps[-1].detail == "ESME_RINVPASWD (0x0000000e)"


@pytest.mark.parametrize("options", ["bind=transceiver&long=udh8", "bind=pair&long=sar", "bind=transceiver&binds=2&long=udh16"])
async def test_every_message_ends_by_its_receipt(sqlite_url: str, chain: tuple[JasminSmsc, Smsc], options: str) -> None:
    """Those of the recipients whose last four digits say so are not delivered."""
    jasmin, _ = chain
    recipients = numbers(90, FIRST + 10)
    failing = [str(FIRST + number) for number in (2, 7, 8)]
    async with opened(sqlite_url) as here:
        await connect(here, jasmin, f"{options}&window=20")
        short = await here.accept([*recipients, *failing])
        long = await here.accept(numbers(10, FIRST + 100), LONG_TEXT)
        await here.until(short, lambda v: (v.counts["delivered"], v.counts["undelivered"]) == (90, 3))
        await here.until(long, lambda v: v.counts["delivered"] == 10)
        await here.runtime.store.read(ledger_is_exact)
        await here.runtime.store.read(counters_are_exact)
        assert await here.all(sa.select(t.orphans.c.id)) == []
        reasons = sa.select(t.deliveries.c.reason).where(t.deliveries.c.state == "undelivered")
        assert {reason for (reason,) in await here.all(reasons)} == {"UNDELIV err:034", "EXPIRED err:027", "REJECTD err:069"}


async def test_texts_come_in_and_it_is_killed_and_comes_back(sqlite_url: str, chain: tuple[JasminSmsc, Smsc]) -> None:
    """It brings the parts of a text in an order of its own."""
    jasmin, behind = chain
    words = "Привет, как дела? " * 20
    async with opened(sqlite_url) as here:
        carrier_id = await connect(here, jasmin, "bind=pair&window=20")
        for text in ("Yes", words):
            behind.send_text("jasmin", "254711222333", "20880", text)
        whole = sa.select(t.inbound.c.text).where(t.inbound.c.carrier_id == carrier_id, t.inbound.c.part == 0)
        async with asyncio.timeout(PATIENCE_S):
            while await here.all(whole) != [(words,)]:
                await asyncio.sleep(0.05)
        alone = sa.select(t.inbound.c.text).where(t.inbound.c.carrier_id == carrier_id, t.inbound.c.parts == 1)
        assert await here.all(alone) == [("Yes",)]

        await jasmin.kill()
        await until(lambda: "connecting" in {held.bind.state for held in here.connections.held}, "the loss")
        await jasmin.start()
        accepted = await here.accept(numbers(20, FIRST + 200))
        await here.until(accepted, lambda v: v.counts["delivered"] == 20)
