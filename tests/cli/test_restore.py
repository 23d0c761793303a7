"""`clarion restore`: a backup in the place of what is there, which is kept; and what is refused with nothing changed."""

import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def two(beside_sqlite: Any) -> Any:
    """A backup with one organization, beside a database with two."""
    beside_sqlite.json("organizations", "create", "Acme")
    beside_sqlite.json("backup", "copy.backup")
    beside_sqlite.json("organizations", "create", "Later")
    return beside_sqlite


def names(clarion: Any, *place: str) -> list[str]:
    return [each["name"] for each in clarion.json("organizations", "list", *place)["organizations"]]


def database(clarion: Any) -> Path:
    path: Path = clarion.folder / "clarion-data" / "clarion.db"
    return path


def test_what_was_there_is_kept_beside_it(two: Any) -> None:
    done = two.json("restore", "copy.backup", "--yes")
    replaced = database(two).with_name("clarion.db.replaced")
    assert done == {
        "id": str(database(two)),
        "file": str(database(two)),
        "replaced": str(replaced),
        "revision": done["revision"],
        "unfinished_broadcasts": 0,
        "unsent_messages": 0,
    }
    assert names(two) == ["Acme"]
    assert two.json("doctor")["findings"] == []
    assert database(two).stat().st_mode & 0o777 == 0o600
    said = two("restore", str(replaced), "--yes").stdout
    assert "clarion.db.replaced-2" in said
    assert names(two) == ["Acme", "Later"]
    assert sorted(path.name for path in database(two).parent.iterdir() if "-wal" not in path.name and "-shm" not in path.name) == [
        "clarion.db",
        "clarion.db.replaced",
        "clarion.db.replaced-2",
        "serve.lock",
    ]


def test_the_copy_is_only_read(two: Any) -> None:
    before = (two.folder / "copy.backup").read_bytes()
    two.json("restore", "copy.backup", "--yes")
    assert (two.folder / "copy.backup").read_bytes() == before
    assert [path.name for path in two.folder.iterdir() if path.name.startswith("copy")] == ["copy.backup"]


def test_into_a_folder_that_is_not_there(two: Any) -> None:
    assert two.json("restore", "copy.backup", "--yes", "--data-dir", "elsewhere/data")["replaced"] is None
    assert names(two, "--data-dir", "elsewhere/data") == ["Acme"]


def test_it_asks(two: Any) -> None:
    done = two.alone("restore", "copy.backup")
    assert done.returncode == 1
    assert "Put copy.backup in the place of clarion-data/clarion.db?" in done.stdout + done.stderr
    assert names(two) == ["Acme", "Later"]


def test_what_the_database_had_not_checkpointed_goes_with_it(two: Any) -> None:
    """A writer that is still there keeps the WAL: its rows belong to the replaced database, and to no other."""
    with closing(sqlite3.connect(database(two))) as writer:
        writer.execute("UPDATE organizations SET name = 'Newest' WHERE name = 'Later'")
        writer.commit()
        two.json("restore", "copy.backup", "--yes")
        assert names(two) == ["Acme"]
    assert names(two) == ["Acme"]
    with closing(sqlite3.connect(database(two).with_name("clarion.db.replaced"))) as replaced:
        assert replaced.execute("SELECT name FROM organizations ORDER BY id").fetchall() == [("Acme",), ("Newest",)]


def test_a_damaged_database_is_replaced_too(two: Any) -> None:
    with database(two).open("r+b") as file:
        file.write(b"\xff" * 8192)
    two.json("restore", "copy.backup", "--yes")
    assert names(two) == ["Acme"]


def test_refused_while_a_server_runs(two: Any, start: Any) -> None:
    server = start(two, "serve", "--port", "0")
    server.printed("Clarion answers on")
    assert "is in use by another server (process " in two.refused("restore", "copy.backup", "--yes")
    assert names(two)[:2] == ["Acme", "Later"]
    assert server.stop(signal.SIGTERM)[0] == 0
    two.json("restore", "copy.backup", "--yes")
    assert names(two) == ["Acme"]
    start(two, "serve", "--port", "0").printed("Clarion answers on")


def test_an_unfinished_broadcast_is_told(two: Any) -> None:
    two.json("carriers", "add", "north", "smpp://acme@127.0.0.1:1")
    for number in ("0712000001", "0712000002"):
        two.json("send", number, "Hi", "--wait-s", "0", "--organization", "Acme")
    two.json("backup", "busy.backup")
    change(two.folder / "busy.backup", "UPDATE broadcasts SET state = 'paused' WHERE id = 1")
    done = two("restore", "busy.backup", "--yes")
    assert "2 unfinished broadcasts with 2 messages to be sent" in done.stdout
    # It is cancelled to its end at the next start.
    change(two.folder / "busy.backup", "UPDATE broadcasts SET state = 'cancelling' WHERE id = 1")
    done = two("restore", "busy.backup", "--yes")
    assert "1 unfinished broadcast with 1 message to be sent" in done.stdout


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA journal_mode = DELETE")


def test_copies_that_are_refused(two: Any) -> None:
    folder = two.folder
    for name in ("newer", "torn", "other"):
        shutil.copyfile(folder / "copy.backup", folder / name)
    change(folder / "newer", "UPDATE alembic_version SET version_num = '0042'")
    change(folder / "other", "DROP TABLE alembic_version")
    with (folder / "torn").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 8192)
    (folder / "text").write_text("no database" * 1_000)
    (folder / "empty").touch()
    for name, words in [
        ("nowhere", "There is no file nowhere"),
        ("text", "no database, or a damaged one"),
        ("empty", "none of Clarion's"),
        ("other", "none of Clarion's"),
        ("torn", "damaged"),
        ("newer", "newer than this program"),
        ("clarion-data", "There is no file clarion-data"),
    ]:
        assert words in two.refused("restore", name, "--yes"), name
    assert names(two) == ["Acme", "Later"]
    assert {path.name for path in (folder / "clarion-data").iterdir()} <= {"clarion.db", "clarion.db-wal", "clarion.db-shm", "serve.lock"}


def test_postgres_is_restored_by_its_own_tool(two: Any, postgres_url: str) -> None:
    assert "`pg_restore " in two.refused("restore", "copy.backup", "--yes", "--database-url", postgres_url)
