"""Two hundred connections at once, each with single sends, while broadcasts are accepted and sent: no error, and all accounted for."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, server, smsc_process, until

from clarion.store import money, tenants
from clarion.store import tables as t
from clarion.wiring.machine import SystemClock, SystemIds

CONNECTIONS = 200
SENDS = 5
ORGANIZATIONS = 5
"""Of each, 200 single sends: the vendor allows 300 a minute."""

BROADCASTS = 3
RECIPIENTS = 10_000
MILLI = 100_000


def add_organizations(connection: Connection, keys: list[str]) -> None:
    ids, now = SystemIds(), SystemClock().now()
    for number, key in enumerate(keys):
        made = tenants.create_organization(connection, tenants.NewOrganization(f"tenant {number}"), ids.broadcast(now), now)
        tenants.create_key(connection, tenants.NewKey(made, "test"), key, now)
        money.top_up(connection, made, CONNECTIONS * MILLI, now)


def wallets(connection: Connection) -> list[int]:
    return list(connection.execute(sa.select(t.wallets.c.available_milli).order_by(t.wallets.c.organization_id)).scalars())


async def test_nothing_is_lost_among_two_hundred_connections(tmp_path: Path, note: Callable[[str], None]) -> None:
    keys = [tenants.KEY_PREFIX + SystemIds().token(tenants.KEY_CHARACTERS) for _ in range(ORGANIZATIONS)]
    with smsc_process(tmp_path / "submits.jsonl") as smsc:
        async with server(tmp_path / "data") as here:
            await here.start()
            async with here.database() as store:
                await store.write(add_organizations, keys)
            await asyncio.gather(here.top_up(), here.add_carrier(f"smpp://clarion:secret@127.0.0.1:{smsc.port}"))
            await here.bound()
            blasts = asyncio.gather(*(here.send_bulk(recipients_of(number), f"Blast {number}") for number in range(BROADCASTS)))
            answers = await singles(here, keys)
            campaigns = await blasts
            assert Counter(status for status, _ in answers) == {201: CONNECTIONS * SENDS}
            expected = BROADCASTS * RECIPIENTS + CONNECTIONS * SENDS
            await until(lambda: smsc.count >= expected, "submits")
            sent = Counter(submit["destination"] for submit in smsc.submits())
            assert set(sent.values()) == {1}
            assert len(sent) == expected
            assert {mobile for _, mobile in answers} <= sent.keys()
            await delivered(here, expected)
            assert all([await here.completed(campaign) for campaign in campaigns])
            assert await here.look(wallets) == [1_000_000 * MILLI - BROADCASTS * RECIPIENTS * MILLI] + [0] * ORGANIZATIONS
            await here.look(assert_exact)
            assert (await here.command("doctor"))["findings"] == []
            note(f"{CONNECTIONS} connections: {len(answers)} single sends beside {BROADCASTS} of {RECIPIENTS}, {expected} on the wire once")


def recipients_of(broadcast: int) -> list[str]:
    return [f"2541{broadcast}{1_000_000 + k}" for k in range(RECIPIENTS)]


async def singles(here: Server, keys: list[str]) -> list[tuple[int, str]]:
    """The status of each single send, and its recipient."""

    async def one(client: aiohttp.ClientSession, number: int) -> list[tuple[int, str]]:
        found = []
        for turn in range(SENDS):
            mobile = f"25470{number:03}{turn:04}"
            body = {"mobile": mobile, "message": f"Code {number}-{turn}"}
            async with client.post("/v1/sms/send/", json=body, headers=headers[turn]) as response:
                await response.read()
                found.append((response.status, mobile))
        return found

    headers = [{"Authorization": f"Bearer {key}"} for key in keys]
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(here.url, connector=connector, timeout=aiohttp.ClientTimeout(PATIENCE_S)) as client:
        return [answer for found in await asyncio.gather(*(one(client, number) for number in range(CONNECTIONS))) for answer in found]


async def delivered(here: Server, count: int) -> None:
    def states(connection: Connection) -> dict[str, int]:
        found = connection.execute(sa.select(t.deliveries.c.state, sa.func.count()).group_by("state"))
        return {str(row[0]): int(row[1]) for row in found}

    async with asyncio.timeout(PATIENCE_S):
        while await here.look(states) != {"delivered": count}:
            await asyncio.sleep(0.3)
