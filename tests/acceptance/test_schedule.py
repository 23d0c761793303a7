"""A scheduled broadcast through a real process that is killed meanwhile, on a calendar of its own, over the night that clocks change."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from tests.acceptance.harness import PATIENCE_S, POLL_S, Server, clarion, server, smsc_process, until

from clarion.core.moments import parse_moment
from clarion.store import control, doctor
from clarion.store import tables as t

RECIPIENTS = [str(254_700_000_000 + number) for number in range(50)]

WRITTEN = "2026-03-29T02:30:00"
"""No such time in Berlin: clocks go from 02:00 to 03:00, and it becomes 03:30, which is 01:30 UTC."""

DUE = "2026-03-29T01:30:00.000Z"

EVENING = "2026-03-28T20:00Z"


def calendar(server: Server, start: str, rate: int) -> None:
    server.clock = f"start={start},rate={rate}"


async def schedule(server: Server) -> str:
    response = await server.post(
        "/sms",
        {
            "campaignName": "The night of the change",
            "type": "schedule broadcast",
            "scheduledAt": WRITTEN,
            "templateContent": "Good morning",
            "recipients": RECIPIENTS,
        },
    )
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    assert (data["status"], data["queued"], data["scheduledAt"]) == ("pending", len(RECIPIENTS), DUE)
    return str(data["broadcastUuid"])


async def prepared(server: Server, url: str) -> None:
    """A first start makes the database, the organization and its key; the second knows its zone."""
    await server.start()
    await server.add_carrier(url)
    await server.top_up()
    async with server.database() as store:
        await store.write(in_berlin)
    server.kill()
    await server.start()
    await server.bound()


def in_berlin(connection: sa.Connection) -> None:
    connection.execute(sa.update(t.organizations).values(zone="Europe/Berlin"))


async def broadcast(server: Server) -> tuple[str, str | None, int | None]:
    """State, reason, first mark."""
    b = t.broadcasts.c
    query = sa.select(b.state, b.reason, b.started_at)
    state, reason, started_at = await server.look(lambda connection: connection.execute(query).one())
    return state, reason, started_at


async def completed(server: Server) -> int:
    """When the first mark of the one broadcast was, as soon as nothing of it is left to do."""
    async with asyncio.timeout(PATIENCE_S):
        while (await broadcast(server))[0] != "completed":
            await asyncio.sleep(POLL_S)
    started_at = (await broadcast(server))[2]
    assert started_at is not None
    return started_at


async def test_it_fires_after_a_restart_across_a_change_of_the_clocks(tmp_path: Path, database_url: str) -> None:
    with smsc_process(tmp_path / "smsc.log") as smsc:
        async with server(tmp_path / "data", database_url if database_url.startswith("postgres") else None) as here:
            calendar(here, EVENING, 60)
            await prepared(here, f"smpp://clarion@127.0.0.1:{smsc.port}")
            await schedule(here)
            here.kill()
            assert smsc.submits() == []
            calendar(here, "2026-03-29T01:25Z", 60)
            await here.start()
            await until(lambda: len(smsc.submits()) == len(RECIPIENTS), "all of it at the SMSC")
            due = parse_moment(DUE, "UTC")
            assert due is not None
            assert due <= await completed(here) < due + 3_600 * 1_000_000
            await until_healthy(here)


async def test_what_came_too_late_waits_for_a_person_and_says_so(tmp_path: Path) -> None:
    with smsc_process(tmp_path / "smsc.log") as smsc:
        async with server(tmp_path / "data") as here:
            calendar(here, EVENING, 1)
            await prepared(here, f"smpp://clarion@127.0.0.1:{smsc.port}")
            public_id = await schedule(here)
            here.kill()
            calendar(here, "2026-03-29T02:31Z", 1)
            await here.start()
            await here.bound()
            assert await broadcast(here) == ("paused", control.LATE_SCHEDULE, None)
            shown = await command(here, "broadcasts", "show", public_id)
            assert "paused (late_schedule)" in shown
            assert f"clarion broadcasts resume {public_id}" in shown
            assert "The night of the change" in shown
            assert smsc.submits() == []
            await command(here, "broadcasts", "resume", public_id)
            await completed(here)
            assert len(smsc.submits()) == len(RECIPIENTS)
            await until_healthy(here)


async def command(server: Server, *arguments: str) -> str:
    """A command beside the server; what it printed."""
    done = await asyncio.to_thread(clarion, *arguments, *server.place)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def until_healthy(server: Server) -> None:
    """The doctor finds nothing; on a fast calendar its warnings are of another time."""
    now = parse_moment(DUE, "UTC")
    assert now is not None
    findings = await server.look(lambda connection: doctor.examine(connection, now))
    assert [finding for finding in findings if finding.severity == "error"] == []
