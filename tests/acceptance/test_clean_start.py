"""What somebody meets who starts Clarion for the first time, a second time, twice at once, or with the wrong program."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, clarion, server, smsc_process
from tests.ports import free_port


def test_the_demo_ends_with_every_message_in_a_final_state(tmp_path: Path) -> None:
    data, port = tmp_path / "demo", free_port()
    done = clarion("demo", "--recipients", "1000", "--exit", "--port", str(port), "--data-dir", str(data))
    assert done.returncode == 0, done.stderr
    (broadcast,) = clarion_json(data, "broadcasts", "list")["broadcasts"]
    assert broadcast["state"] == "completed"
    ends = {state: count for state, count in broadcast["states"].items() if count}
    assert ends.keys() == {"delivered", "undelivered", "refused"}
    assert sum(ends.values()) == 1_000
    for count in ends.values():
        assert f"{count:,}" in done.stdout
    assert clarion_json(data, "doctor") == {"healthy": True, "findings": []}
    asyncio.run(Server(data).look(assert_exact))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)


def clarion_json(data_dir: Path, *arguments: str) -> Any:
    return json.loads(clarion(*arguments, "--data-dir", str(data_dir), "--json").stdout)


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async with server(tmp_path / "data") as here:
        await here.start()
        for command in ("serve", "demo"):
            other = tmp_path / command
            done = await asyncio.to_thread(clarion, command, "--port", str(here.port), "--data-dir", str(other))
            assert done.returncode == 1
            assert str(here.port) in done.stderr
            assert "--port" in done.stderr
            assert done.stdout == ""
            assert not other.exists()


async def test_the_key_is_shown_once_and_kept_nowhere(tmp_path: Path) -> None:
    async with server(tmp_path / "data") as here:
        await here.start()
        assert (await here.post("/v1/sms/send-bulk/", {})).status_code == 400
        assert (await here.client.get(f"{here.url}/v1/balance/", headers={"Authorization": f"Bearer {here.key}"})).status_code == 200
        code, _ = await here.terminate()
        assert code == 0
        written = [path for path in (*here.data_dir.iterdir(), here.log) if here.key.encode() in path.read_bytes()]
        assert written == []
        await here.start()
        assert "tk_live_" not in here.said.read_text()


async def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with server(tmp_path / "data") as here:
        await here.start()
        done = await asyncio.to_thread(clarion, "serve", "--port", str(free_port()), "--data-dir", str(here.data_dir))
        assert done.returncode == 1
        assert str(here.data_dir) in done.stderr
        here.kill()
        await here.start()


async def test_a_newer_database_is_refused_with_both_versions(tmp_path: Path) -> None:
    async with server(tmp_path / "data") as here:
        await here.start()
        await here.terminate()
        with contextlib.closing(sqlite3.connect(here.data_dir / "clarion.db")) as database, database:
            ((version,),) = database.execute("SELECT version_num FROM alembic_version").fetchall()
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        for command in (("serve", "--port", str(here.port)), ("broadcasts", "list")):
            done = await asyncio.to_thread(clarion, *command, "--data-dir", str(here.data_dir))
            assert done.returncode == 1
            assert "9999" in done.stderr
            assert version in done.stderr
        with contextlib.closing(sqlite3.connect(here.data_dir / "clarion.db")) as database, database:
            database.execute("UPDATE alembic_version SET version_num = ?", (version,))
        await here.start()


async def test_commands_take_effect_beside_a_running_server(tmp_path: Path, note: Callable[[str], None]) -> None:
    send = {"mobile": "254712345678", "message": "Hello"}
    with smsc_process(tmp_path / "submits.jsonl") as smsc:
        async with server(tmp_path / "data") as here:
            await here.start()
            await here.command("organizations", "create", "acme")
            made = await here.command("keys", "create", "--organization", "acme", "--name", "backend")

            async def answer() -> tuple[int, str]:
                response = await here.post("/v1/sms/send/", send, made["key"])
                return response.status_code, response.text

            steps: list[tuple[str, tuple[str, ...], Callable[[int, str], bool]]] = [
                ("a key", (), lambda status, text: status == 400 and "no route" in text.lower()),
                (
                    "a carrier",
                    ("carriers", "add", "one", f"smpp://clarion:secret@127.0.0.1:{smsc.port}", "--price", "1.00", "--prefix", "+254"),
                    lambda status, text: status == 402,
                ),
                ("money", ("wallet", "top-up", "--organization", "acme", "5.00"), lambda status, text: status == 201),
                ("the end of the carrier", ("carriers", "remove", "one"), lambda status, text: status == 400),
                ("the end of the key", ("keys", "revoke", str(made["id"])), lambda status, text: status == 401),
            ]
            for what, command, seen in steps:
                if what == "the end of the carrier":
                    await here.bound()
                if command:
                    await here.command(*command)
                seconds = await effect(answer, seen)
                note(f"{what} took effect {seconds:.2f} s after the command")


async def effect(answer: Callable[[], Awaitable[tuple[int, str]]], seen: Callable[[int, str], bool]) -> float:
    begun = time.monotonic()
    while not seen(*(last := await answer())):
        assert time.monotonic() - begun < PATIENCE_S, last
        await asyncio.sleep(0.1)
    return time.monotonic() - begun
