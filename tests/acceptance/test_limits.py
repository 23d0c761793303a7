"""Rates across API processes: two servers on one PostgreSQL admit no more than one, whoever is asked, and a restart forgets nothing."""

import asyncio
from pathlib import Path

import httpx
from tests.acceptance.harness import Server, server

LIMIT = 10
"""Teekrr's, in 15 minutes: no run of this test takes so long that a slot could come free in it."""

REQUESTS = 40


async def test_two_processes_admit_no_more_than_one(empty_postgres_url: str, tmp_path: Path) -> None:
    async with server(tmp_path / "first", empty_postgres_url) as first, server(tmp_path / "second", empty_postgres_url) as second:
        await first.start()
        second.key = first.key
        await second.start()
        answers = await asyncio.gather(*[ask(each) for _ in range(REQUESTS // 2) for each in (first, second)])
        admitted = [each for each in answers if each.status_code != 429]
        assert len(admitted) == LIMIT
        # What was wrong with the request came after the counting.
        assert {each.status_code for each in admitted} == {400}
        assert sorted(int(each.headers["RateLimit-Remaining"]) for each in admitted) == list(range(LIMIT))
        refused = [each for each in answers if each.status_code == 429]
        assert all(0 < int(each.headers["Retry-After"]) <= 915 for each in refused)
        second.kill()
        await second.start()
        assert [(await ask(each)).status_code for each in (first, second)] == [429, 429]
        # Another counter of the same organization, and nobody's key.
        assert (await second.client.get(f"{second.url}/v1/balance/", headers={"X-API-Key": second.key})).status_code == 200
        assert (await second.post("/sms", {}, key="tk_live_" + "x" * 32)).status_code == 401


async def ask(server: Server) -> httpx.Response:
    return await server.post("/sms", {})
