"""The schema's history: what it builds, what it refuses, and that no two run it at once."""

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from clarion.store import Store, migrate, rows, tables
from clarion.store.errors import NewerDatabase, OlderDatabase, Unavailable

Outside = Callable[[str], list[tuple[Any, ...]]]

HEAD = "0008"
"""The newest revision of the program."""

SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("inbound", sa.Column("extra", sa.Text))
    {last}
"""


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the program one revision newer; `last` is that revision's last statement."""

    def make(last: str = "") -> None:
        folder = tmp_path / "later"
        shutil.copytree(migrate.SCRIPTS, folder)
        (folder / "versions" / "9999_later.py").write_text(SECOND.format(last=last, head=HEAD))
        monkeypatch.setattr(migrate, "SCRIPTS", folder)

    return make


async def test_the_migrations_build_the_tables_of_the_program(store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        # On SQLite Alembic loses empty defaults; the definitions below show them.
        options = {"compare_type": True, "compare_server_default": connection.dialect.name == "postgresql"}
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, tables.metadata)

    assert await store.write(differences) == []


async def test_the_migrations_build_the_definitions_of_the_program(store: Store) -> None:
    """Alembic does not compare the conditions of partial indexes."""

    def definitions(connection: Connection) -> set[str]:
        if connection.dialect.name == "sqlite":
            indexes = rows.all(connection, "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            columns = rows.all(connection, "SELECT t.name, t.wr, c.* FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c")
        else:
            indexes = rows.all(connection, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'")
            columns = rows.all(
                connection,
                "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default"
                " FROM information_schema.columns WHERE table_schema = 'public'",
            )
        return {text for row in [*indexes, *columns] if "alembic_version" not in (text := repr(tuple(row)))}

    def both(connection: Connection) -> tuple[set[str], set[str]]:
        migrated = definitions(connection)
        tables.metadata.drop_all(connection)
        tables.metadata.create_all(connection)
        return migrated, definitions(connection)

    migrated, created = await store.write(both)
    assert migrated == created
    assert any("WHERE" in text for text in migrated)


async def test_a_migrated_database_has_its_first_rows(store: Store) -> None:
    def read(connection: Connection) -> tuple[Any, dict[str, int]]:
        sequences = rows.all(connection, "SELECT name, value FROM sequences WHERE name <> 'fence'")
        return tuple(rows.one(connection, "SELECT id, version FROM settings")), dict(sequences)

    assert await store.read(read) == ((1, 0), {"message": 0})


async def test_a_second_migration_changes_nothing(database_url: str) -> None:
    report = await migrate.migrate(database_url)
    assert report == migrate.MigrationReport(HEAD, HEAD, None)
    assert await migrate.current_revision(database_url) == HEAD
    await migrate.check(database_url)


async def test_an_absent_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/100%/clarion.db"
    (tmp_path / "100%").mkdir()
    assert await migrate.current_revision(url) is None
    assert await migrate.migrate(url) == migrate.MigrationReport(None, HEAD, None)
    assert stat.S_IMODE((tmp_path / "100%" / "clarion.db").stat().st_mode) == 0o600


async def test_a_newer_database_is_refused_with_both_versions(database_url: str, outside: Outside) -> None:
    outside("UPDATE alembic_version SET version_num = '0042'")
    for refuses in (migrate.migrate, migrate.check):
        with pytest.raises(NewerDatabase, match=rf"0042.*{HEAD}"):
            await refuses(database_url)


async def test_an_older_database_is_migrated_by_a_server_only(database_url: str, later: Callable[[str], None], outside: Outside) -> None:
    outside("INSERT INTO sequences (name, value) VALUES ('kept', 7)")
    later("")
    with pytest.raises(OlderDatabase, match=f"{HEAD}.*9999"):
        await migrate.check(database_url)
    report = await migrate.migrate(database_url)
    assert (report.found, report.reached) == (HEAD, "9999")
    assert outside("SELECT value FROM sequences WHERE name = 'kept'") == [(7,)]
    if database_url.startswith("sqlite"):
        assert report.backup is not None
        with closing(sqlite3.connect(report.backup)) as copy:
            assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
            assert copy.execute("SELECT value FROM sequences WHERE name = 'kept'").fetchall() == [(7,)]
    else:
        assert report.backup is None


async def test_a_migration_that_fails_leaves_everything_as_it_was(
    database_url: str, later: Callable[[str], None], outside: Outside
) -> None:
    later('op.execute("INSERT INTO nothing VALUES (1)")')
    with pytest.raises(sa.exc.DBAPIError, match="nothing"):
        await migrate.migrate(database_url)
    assert outside("SELECT version_num FROM alembic_version") == [(HEAD,)]
    with pytest.raises(Exception, match="extra"):
        outside("SELECT extra FROM inbound")


async def test_rows_that_would_refer_to_nothing_undo_a_migration(sqlite_url: str, later: Callable[[str], None]) -> None:
    later("op.execute(\"INSERT INTO routes (prefix, carrier_id) VALUES ('1', 4711)\")")
    with pytest.raises(sqlite3.IntegrityError, match="1 rows that refer to nothing"):
        await migrate.migrate(sqlite_url)
    assert await migrate.current_revision(sqlite_url) == HEAD


async def test_processes_that_start_together_migrate_once(empty_postgres_url: str) -> None:
    program = f"import asyncio\nfrom clarion.store.migrate import migrate\nprint(asyncio.run(migrate({empty_postgres_url!r})).found)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        for _ in range(3)
    ]
    results = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert sorted(out.decode().strip() for out, _ in results) == [HEAD, HEAD, "None"]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await migrate.migrate("postgresql://nobody@127.0.0.1:1/nothing")


async def test_a_damaged_file_is_refused_with_what_to_do(sqlite_url: str) -> None:
    """The migration itself, and the look at the revision that commands begin with. The file stays as it is."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    whole = path.read_bytes()
    for damaged in (b"\xaa" * len(whole), whole[:100] + b"\xaa" * (len(whole) - 100)):
        path.write_bytes(damaged)
        for look in (migrate.migrate, migrate.current_revision, migrate.check):
            with pytest.raises(Unavailable, match="restore a backup"):
                await look(sqlite_url)
        assert path.read_bytes() == damaged
