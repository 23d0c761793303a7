"""Teli's sends over the whole road: the app, the stages, and a simulated SMSC on real SMPP, on both databases."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection
from tests.api.conftest import Unlimited
from tests.flow.rig import Road, road

from clarion.api.app import make_app
from clarion.api.services import Services
from clarion.simulator.settings import SmscSettings
from clarion.store import Store, tables

KEY = "tk_live_" + "g" * 32
BULK = "/v1/sms/bulk-send"
PHONES = [f"+2547000000{number:02}" for number in range(20)]
REFUSE_ALL = SmscSettings(failures={0x0B: 1.0})


@contextlib.asynccontextmanager
async def answering(here: Road, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The app in front of a road, with a campaign `camp` of `PHONES`."""
    await here.runtime.store.write(_add_key, here.organization.id)
    await here.settings.refresh()
    values: dict[str, Any] = {"ready": list, "registry": CollectorRegistry()} | changes
    app = make_app(Services(runtime=here.runtime, settings=here.settings, limits=Unlimited(), **values))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
            while not server.started:
                await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": KEY}, timeout=60) as client:
            campaign = {
                "campaign_id": "camp",
                "campaign_name": "Camp",
                "organization_id": str(here.organization.public_id),
                "user_id": "u",
                "sms_agent_id": "a",
                "teli_sms_number": "CLARION",
                "contacts": [{"phone_number": phone} for phone in PHONES],
            }
            assert (await client.post("/v1/campaigns", json=campaign)).status_code == 200
            yield client
    finally:
        server.should_exit = True
        await task


def _add_key(connection: Connection, organization_id: int) -> None:
    values = {
        "organization_id": organization_id,
        "name": "k",
        "hint": "k",
        "digest": hashlib.sha256(KEY.encode()).digest(),
        "created_at": 0,
    }
    connection.execute(tables.keys.insert().values(values))


async def bound(here: Road) -> None:
    async with asyncio.timeout(30):
        while here.connections.not_ready():
            await asyncio.sleep(0.01)


def body(phones: list[str] = PHONES) -> dict[str, object]:
    return {"campaign_id": "camp", "phone_numbers": phones, "message": "Hi"}


async def test_sent_means_that_a_carrier_took_it(store: Store) -> None:
    """Issue 8, "Teli face": no `queued`, and the carrier has exactly these."""
    async with road(store) as here, answering(here) as client:
        await bound(here)
        answered = (await client.post(BULK, json=body())).json()
        assert answered["results"] == [{"phone_number": phone, "status": "sent"} for phone in PHONES]
        assert (answered["total"], answered["sent"], answered["failed"]) == (20, 20, 0)
        assert here.smsc.counters.submits == 20


async def test_the_carriers_reason_in_words(store: Store) -> None:
    """Choices, "Teli": `success` is true even if all failed; a carrier's reason in words; a failed number may be sent again."""
    async with road(store, REFUSE_ALL) as here, answering(here) as client:
        await bound(here)
        for _ in range(2):
            response = await client.post(BULK, json=body(PHONES[:2]))
            assert response.status_code == 200
            answered = response.json()
            error = "The carrier refused the message: invalid destination number (0x0000000b)"
            assert answered["results"] == [{"phone_number": phone, "status": "failed", "error": error} for phone in PHONES[:2]]
            assert (answered["success"], answered["message"]) == (True, "Bulk SMS complete: 0 sent, 2 failed")
        response = await client.post("/v1/sms/send", json={"campaign_id": "camp", "phone_number": PHONES[0], "message": "Hi"})
        assert (response.status_code, response.json()["error"]) == (400, error)
        assert here.smsc.counters.submits == 5


async def test_what_has_no_outcome_in_time_is_queued_and_goes_out(store: Store) -> None:
    """Issue 8: when the wait is over it is `sent` with `queued`, durably, and goes out once all the same."""
    slow = SmscSettings(answer_delay_ms=1_500)
    async with road(store, slow) as here, answering(here, outcome_wait_s=0.2) as client:
        await bound(here)
        answered = (await client.post(BULK, json=body())).json()
        assert answered["results"] == [{"phone_number": phone, "status": "sent", "queued": True} for phone in PHONES]
        assert (answered["sent"], answered["failed"]) == (20, 0)
        await _until_submitted(here, 20)


async def test_where_the_rate_says_that_it_cannot_end_it_does_not_wait(store: Store) -> None:
    """Issue 8: 20 segments at 0.01 a second need 2,000 s. Waiting would take longer than this client waits."""
    async with road(store, options="window=10&rate=0.01") as here, answering(here, outcome_wait_s=600) as client:
        await bound(here)
        answered = (await client.post(BULK, json=body())).json()
        assert answered["sent"] == 20
        assert answered["results"][-1] == {"phone_number": PHONES[-1], "status": "sent", "queued": True}


async def test_where_nobody_is_connected_it_does_not_wait(store: Store) -> None:
    async with road(store, begin=False) as here, answering(here, outcome_wait_s=600) as client:
        answered = (await client.post(BULK, json=body())).json()
        assert [result["queued"] for result in answered["results"]] == [True] * 20
        here.begin()
        await _until_submitted(here, 20)


async def test_a_server_that_stops_answers_at_once(store: Store) -> None:
    slow = SmscSettings(answer_delay_ms=4_000)
    stopping = False
    async with road(store, slow) as here, answering(here, stopping=lambda: stopping) as client:
        await bound(here)
        asked = asyncio.create_task(client.post(BULK, json=body()))
        await _until_submitted(here, 20)
        stopping = True
        assert [result["queued"] for result in (await asked).json()["results"]] == [True] * 20


async def test_a_client_that_goes_away_harms_nothing(store: Store) -> None:
    slow = SmscSettings(answer_delay_ms=1_000)
    async with road(store, slow) as here, answering(here) as client:
        await bound(here)
        with contextlib.suppress(httpx.ReadTimeout):
            await client.post(BULK, json=body(), timeout=httpx.Timeout(10, read=0.3))
        await _until_submitted(here, 20)
        shown = (await client.get("/v1/campaigns/camp/messages")).json()
        assert (shown["count"], here.smsc.counters.submits) == (20, 20)


async def _until_submitted(here: Road, count: int) -> None:
    async with asyncio.timeout(60):
        while here.smsc.counters.submits < count:
            await asyncio.sleep(0.02)
    assert here.smsc.counters.submits == count
