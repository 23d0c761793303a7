"""Eight client processes spend one wallet at once, over every way that takes money: what was queued is never more than what was there."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.acceptance.accounts import assert_exact
from tests.acceptance.furnished import MILLI, add_organization
from tests.acceptance.harness import PATIENCE_S, Server, environment, server, smsc_process

from clarion.store import tables as t
from clarion.store import tenants

SPENDER = Path(__file__).parent / "spender.py"

CLIENTS = ("bulk", "single", "teekrr", "bulk", "single", "teekrr", "bulk", "bulk")
SEGMENTS = {"bulk": 1, "single": 1, "teekrr": 2}
REQUESTS = 20
RECIPIENTS = 17

WALLET_MILLI = 1_000 * MILLI + MILLI // 2
"""Less than half of what they ask for, and not a whole number of messages."""


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_eight_clients_never_oversell_a_wallet(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, note: Callable[[str], None]
) -> None:
    url = request.getfixturevalue("empty_postgres_url") if engine == "postgres" else None
    with smsc_process(tmp_path / "submits.jsonl") as smsc:
        async with server(tmp_path / "data", url) as here:
            await here.start()
            await here.add_carrier(f"smpp://clarion@127.0.0.1:{smsc.port}?window=50&rate=300")
            await here.bound()
            key = await add_organization(here, "spender", WALLET_MILLI)
            async with here.database() as store:
                await store.write(tenants.change_organization, "spender", {"rate_limited": False})
            with spenders(here, key) as clients:
                told = await asyncio.gather(*[asyncio.to_thread(client.communicate, "go\n") for client in clients])
            for client, (_, errors) in zip(clients, told, strict=True):
                assert client.returncode == 0, errors
            answers = [json.loads(output) for output, _ in told]
            promised = sum(SEGMENTS[kind] * MILLI * each["queued"] for kind, each in zip(CLIENTS, answers, strict=True))
            held, spent, available = await here.look(balances)
            note(f"{engine}: {sum(each['queued'] for each in answers)} queued, {sum(each['refused'] for each in answers)} requests short")
            assert sum(each["refused"] for each in answers) > 0
            assert promised == held + spent
            # Not one message of the cheapest kind could have been paid any more, and nothing is missing.
            assert 0 <= available < MILLI
            assert available == WALLET_MILLI - promised
            await here.look(assert_exact)
            await finished(here)
            assert await here.look(balances) == (0, promised, available)
            await here.look(assert_exact)
            assert len(smsc.submits()) * MILLI == promised


@contextmanager
def spenders(here: Server, key: str) -> Iterator[list["subprocess.Popen[str]"]]:
    clients = []
    try:
        for number, kind in enumerate(CLIENTS):
            options = {"url": here.url, "key": key, "kind": kind, "number": number, "requests": REQUESTS, "recipients": RECIPIENTS}
            clients.append(spender(options))
        for client in clients:
            assert client.stdout
            assert client.stdout.readline() == "ready\n"
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def spender(options: dict[str, Any]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(SPENDER), json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def balances(connection: Connection) -> tuple[int, int, int]:
    """Held, spent and available, in thousandths, of all organizations."""
    lines = t.ledger_lines.c
    sums = dict(connection.execute(sa.select(lines.account, sa.func.sum(lines.amount_milli)).group_by(lines.account)).all())
    return int(sums.get("held", 0)), int(sums.get("spent", 0)), int(sums.get("available", 0))


async def finished(here: Server) -> None:
    """Nothing is held any more: all is with the carrier."""
    async with asyncio.timeout(PATIENCE_S):
        while (await here.look(balances))[0]:
            await asyncio.sleep(0.2)
