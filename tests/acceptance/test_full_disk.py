"""A disk that is full under a running server: requests are refused whole, what is on the wire is not lost, and work resumes by itself."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, server, smsc_process, until
from tests.acceptance.test_readiness import until_ready
from tests.acceptance.troubles import Meanwhile, refused_everywhere
from tests.ports import free_port

from clarion.store import tables as t

DISK_MB = 24
"""The WAL may take a third of it."""

RECIPIENTS = [str(254_700_000_000 + number) for number in range(3_000)]
WINDOW = 50
CARRIER = f"window={WINDOW}&rate=300"
SLOW = ("--answer-delay-ms", "150", "--receipt-delay-ms", "300")

FULL = "the last write was not taken: The disk of the database is full."


class Disk:
    """A small disk of its own, and a file that takes what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._balloon = folder / "balloon"

    def fill(self, left_bytes: int = 0) -> None:
        """Take everything but so much."""
        with self._balloon.open("ab", buffering=0) as file:
            block = b"\0" * 4096
            with suppress(OSError):
                while True:
                    file.write(block)
            if left_bytes:
                file.truncate(max(0, os.fstat(file.fileno()).st_size - left_bytes))

    def empty(self) -> None:
        self._balloon.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "clarion-test", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_refuses_requests_whole_keeps_what_is_on_the_wire_and_work_resumes(disk: Disk, tmp_path: Path) -> None:
    """In the middle of a broadcast, with answers and receipts under way. The log is on that disk, too."""
    http = free_port()
    with smsc_process(tmp_path / "submits.jsonl", *SLOW, "--http-port", str(http)) as smsc:
        async with server(disk.folder / "data") as here:
            await here.start()
            await here.add_carrier(f"smpp://clarion@127.0.0.1:{smsc.port}?{CARRIER}")
            await here.top_up()
            await here.bound()
            campaign = await here.send_bulk(RECIPIENTS, "Under way")
            await until(lambda: smsc.count > 600, "the middle of the broadcast")
            meanwhile = Meanwhile(here, smsc, http)
            disk.fill()
            assert FULL in await until_ready(here, ready=False)
            await meanwhile.stands_still(before=smsc.count, more_max=2 * WINDOW)
            await refused_everywhere(here)
            # What is read is still told, and has no more in it than before.
            assert (await here.client.get(f"{here.url}/v1/balance/", headers={"X-API-Key": here.key})).status_code == 200
            disk.empty()
            assert await until_ready(here, ready=True) == []
            statuses = await here.ended(campaign)
            assert Counter(statuses.values()) == {"delivered": len(RECIPIENTS)}
            await meanwhile.nothing_twice(len(RECIPIENTS))
            assert await here.look(broadcasts) == 1
            await here.look(assert_exact)
            assert (await here.command("doctor"))["findings"] == []
            assert (await here.terminate())[0] == 0


def broadcasts(connection: sa.Connection) -> int:
    found: int = connection.execute(sa.select(sa.func.count()).select_from(t.broadcasts)).scalar_one()
    return found


async def test_an_accept_that_fills_the_disk_is_taken_back_as_soon_as_there_is_room(disk: Disk) -> None:
    """Room for the hold and the first slices, and not for the rest: the money returns, and nothing of it goes out."""
    async with server(disk.folder / "data", None, "--simulator") as here:
        await here.start()
        await here.bound()
        before = await balance(here)
        disk.fill(left_bytes=500_000)
        body = {"recipients": [str(254_700_000_000 + number) for number in range(10_000)], "message": "Too many", "sender_id": "CLARION"}
        assert (await here.post("/v1/sms/send-bulk/", body)).status_code == 503
        disk.empty()
        assert await until_ready(here, ready=True) == []
        async with asyncio.timeout(PATIENCE_S):
            # The money first, then the messages slice by slice.
            while await balance(here) != before or await messages(here):
                await asyncio.sleep(0.5)
        await here.look(assert_exact)
        assert (await here.command("doctor"))["findings"] == []
        # The same again is no duplicate.
        assert (await here.post("/v1/sms/send-bulk/", body | {"recipients": body["recipients"][:100]})).status_code == 201


async def messages(here: Server) -> int:
    count: int = await here.look(lambda connection: connection.execute(sa.select(sa.func.count()).select_from(t.messages)).scalar_one())
    return count


async def balance(here: Server) -> Any:
    return (await here.command("wallet", "show", "--organization", "default"))["available"]
