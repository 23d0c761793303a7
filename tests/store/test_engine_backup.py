"""Copies of a database that is in use."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from clarion.store import rows
from clarion.store.backup import backup
from clarion.store.engine import open_store
from clarion.store.errors import BackupRefused
from clarion.wiring.machine import SystemTimer


def both(connection: Connection) -> None:
    """Two rows that are equal in every snapshot."""
    rows.all(connection, "UPDATE sequences SET value = value + 1 WHERE name = 'message'")
    rows.all(connection, "UPDATE sequences SET value = value + 1 WHERE name = 'fence'")


async def test_a_copy_of_a_database_in_use_is_one_snapshot(sqlite_url: str, tmp_path: Path) -> None:
    store = await open_store(sqlite_url, SystemTimer())
    ends = asyncio.Event()

    async def keep_writing() -> None:
        while not ends.is_set():
            await store.write(both)

    writing = asyncio.ensure_future(keep_writing())
    folder = tmp_path / "copies"
    folder.mkdir()
    for number in range(5):
        await asyncio.to_thread(backup, sqlite_url, folder / f"{number}.db")
    ends.set()
    await writing
    await store.close()
    values = []
    for number in range(5):
        with closing(sqlite3.connect(folder / f"{number}.db")) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            (one,), (other,) = copy.execute("SELECT value FROM sequences").fetchall()
            assert one == other
            values.append(one)
    assert values == sorted(values)
    assert {path.name for path in folder.iterdir() if "-" not in path.name} == {f"{number}.db" for number in range(5)}


def test_a_copy_is_whole_and_its_owners_alone(sqlite_url: str, tmp_path: Path) -> None:
    target = backup(sqlite_url, tmp_path / "copy.db")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clarion.db", "copy.db"]


def test_an_existing_file_is_never_overwritten(sqlite_url: str, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    with pytest.raises(BackupRefused, match=r"precious exists already"):
        backup(sqlite_url, target)
    assert target.read_text() == "kept"


def test_what_cannot_be_copied_is_named(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match=r"no database at .*absent\.db"):
        backup(f"sqlite:///{tmp_path}/absent.db", tmp_path / "copy.db")
    with pytest.raises(BackupRefused, match="No such file or directory"):
        backup(sqlite_url, tmp_path / "no" / "folder" / "copy.db")
    (tmp_path / "garbage.db").write_bytes(b"no database" * 1000)
    with pytest.raises(BackupRefused, match=r"damaged .file is not a database.*restore a backup"):
        backup(f"sqlite:///{tmp_path}/garbage.db", tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clarion.db", "garbage.db"]


PAGE = 4096


@pytest.mark.parametrize("damage", [b"\0" * PAGE, b"\xff" * PAGE])
def test_a_damaged_database_is_refused_and_nothing_is_left(sqlite_url: str, tmp_path: Path, damage: bytes) -> None:
    """Any page of a table: the copy has it as it is, and would be believed for years."""
    file = tmp_path / "clarion.db"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (PAGE,)
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
    with file.open("r+b") as database:
        database.seek((root - 1) * PAGE)
        database.write(damage)
    with pytest.raises(BackupRefused, match=r"clarion\.db is damaged \(.+: stop the server and restore a backup"):
        backup(sqlite_url, tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir()] == ["clarion.db"]


def test_postgres_is_copied_by_its_own_tool(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match=r"`pg_dump --format=custom --file=.*copy\.dump postgresql://me@host/db`\.$") as refused:
        backup("postgresql://me:secret@host/db?password=secret", tmp_path / "copy.dump")
    assert "secret" not in str(refused.value)
