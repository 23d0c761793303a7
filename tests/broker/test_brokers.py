"""What every broker does, on each of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from clarion.broker import Broker
from clarion.broker.local import LocalBroker
from clarion.broker.postgres import open_postgres_broker
from clarion.store import dedicated
from clarion.store.errors import Unavailable
from clarion.wiring.machine import SystemTimer

LONG_S = 30.0
SHORT_S = 0.05

Pair = tuple[Broker, Broker]


@pytest.fixture(params=["local", "postgres"])
async def brokers(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], Awaitable[Pair]]]:
    """A broker to ring and one to listen at: the same one in one process, two of a cluster on PostgreSQL."""
    opened: list[Broker] = []
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""

    async def make() -> Pair:
        if not url:
            opened.append(LocalBroker())
            return opened[0], opened[0]
        opened.extend([await open_postgres_broker(url, SystemTimer()), await open_postgres_broker(url, SystemTimer())])
        return opened[0], opened[1]

    yield make
    for broker in opened:
        await broker.close()


async def test_a_ring_wakes_whoever_listens(brokers: Callable[[], Awaitable[Pair]]) -> None:
    here, there = await brokers()
    listener = there.listen(["plan"])
    waiting = asyncio.ensure_future(listener.wait(LONG_S))
    await asyncio.sleep(0)
    here.ring("plan")
    assert await waiting


async def test_a_ring_that_nobody_waits_for_is_kept(brokers: Callable[[], Awaitable[Pair]]) -> None:
    here, there = await brokers()
    listener = there.listen(["plan"])
    here.ring("plan")
    assert await listener.wait(LONG_S)


async def test_rings_merge(brokers: Callable[[], Awaitable[Pair]]) -> None:
    here, there = await brokers()
    listener, after = there.listen(["plan"]), there.listen(["after"])
    for _ in range(100):
        here.ring("plan")
    here.ring("after")
    assert await after.wait(LONG_S)
    assert await listener.wait(LONG_S)
    assert not await listener.wait(SHORT_S)


async def test_a_listener_hears_its_own_topics_only(brokers: Callable[[], Awaitable[Pair]]) -> None:
    here, there = await brokers()
    one, both = there.listen(["carrier:1"]), there.listen(["carrier:1", "carrier:2"])
    here.ring("carrier:2")
    assert await both.wait(LONG_S)
    assert not await one.wait(SHORT_S)


async def test_all_listeners_of_a_topic_hear_it(brokers: Callable[[], Awaitable[Pair]]) -> None:
    here, there = await brokers()
    listeners = [there.listen(["plan"]), there.listen(["plan"]), here.listen(["plan"])]
    here.ring("plan")
    assert await asyncio.gather(*(listener.wait(LONG_S) for listener in listeners)) == [True, True, True]


async def test_a_closed_listener_hears_nothing(brokers: Callable[[], Awaitable[Pair]]) -> None:
    here, there = await brokers()
    closed, open_ = there.listen(["plan"]), there.listen(["plan"])
    closed.close()
    closed.close()
    here.ring("plan")
    assert await open_.wait(LONG_S)
    assert not await closed.wait(SHORT_S)


async def test_a_lost_connection_comes_back_and_rings_everybody(postgres_url: str) -> None:
    here = await open_postgres_broker(postgres_url, SystemTimer())
    there = await open_postgres_broker(postgres_url, SystemTimer())
    listener = there.listen(["plan"])
    administrator = await asyncpg.connect(postgres_url)
    try:
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        # What was missed meanwhile is made good by one ring for everybody.
        assert await listener.wait(LONG_S)
        async with asyncio.timeout(LONG_S):
            while True:
                here.ring("plan")
                if await listener.wait(SHORT_S):
                    break
    finally:
        await administrator.close()
        await here.close()
        await there.close()


async def test_looking_whether_the_connection_lives_disturbs_no_ring(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedicated, "CHECK_S", 0.0001)
    here = await open_postgres_broker(postgres_url, SystemTimer())
    administrator = await asyncpg.connect(postgres_url)
    own = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"
    try:
        before = await administrator.fetch(own)
        for number in range(300):
            here.ring(f"carrier:{number}")
            await asyncio.sleep(0.0003)
        assert await administrator.fetch(own) == before
        assert len(before) == 1
    finally:
        await administrator.close()
        await here.close()


async def test_a_server_that_is_not_there_is_named_at_once() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await open_postgres_broker("postgresql://nobody@127.0.0.1:1/nothing", SystemTimer())
