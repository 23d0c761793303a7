"""Brings a database to this program's schema, or refuses it; Alembic's revisions are in `clarion.store.migrations`."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from clarion.store import sqlite
from clarion.store.backup import copy_database
from clarion.store.engine import is_sqlite, sqlite_path
from clarion.store.errors import NewerDatabase, OlderDatabase

SCRIPTS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration did. `found` is None for an empty database; `backup` is the copy that was made before, on SQLite."""

    found: str | None
    reached: str
    backup: Path | None = None


async def migrate(url: str) -> MigrationReport:
    """Bring the database to this program's revision, in one transaction; a second process that starts meanwhile waits.

    Raises `NewerDatabase` if a later program wrote it, `Unavailable` if it does not answer. An absent SQLite file is made, readable
    by its owner alone, for it holds keys and passwords.
    """
    if is_sqlite(url):
        return _migrate_sqlite(sqlite_path(url))
    from clarion.store import postgres  # noqa: PLC0415  (an extra: the driver may be absent)

    found, reached = await postgres.run_alone(url, _upgrade)
    return MigrationReport(found, reached)


async def current_revision(url: str) -> str | None:
    """The database's revision, None if it is empty or absent."""
    if is_sqlite(url):
        return _sqlite_revision(sqlite_path(url))
    from clarion.store import postgres  # noqa: PLC0415  (as above)

    return await postgres.run_alone(url, _revision)


async def check(url: str) -> None:
    """For commands that do not migrate: raises `NewerDatabase` or `OlderDatabase` unless the revision is this program's."""
    found = await current_revision(url)
    head = _known(_config(), found)
    if found != head:
        raise OlderDatabase(found, head)


def check_known(revision: str) -> None:
    """Raises `NewerDatabase` for a revision that this program does not know."""
    _known(_config(), revision)


def _migrate_sqlite(path: Path) -> MigrationReport:
    path.touch(mode=0o600)
    # Off while tables are rebuilt, which is how SQLite changes them; the check at the end says the same.
    engine = sqlite.engine(path, begin="BEGIN IMMEDIATE", pragmas={"foreign_keys": "OFF", "journal_mode": "WAL"})
    copy: Path | None = None
    try:
        with sqlite.translated(), engine.begin() as connection:
            found = _revision(connection)
            if found is not None and found != _known(_config(), found):
                copy = _free_name(path, found)
                copy_database(path, copy)
            found, reached = _upgrade(connection)
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise sqlite3.IntegrityError(f"The migration would leave {len(broken)} rows that refer to nothing; it was undone.")
    finally:
        engine.dispose()
    return MigrationReport(found, reached, copy)


def _sqlite_revision(path: Path) -> str | None:
    if not path.exists():
        return None
    engine = sqlite.engine(path, begin="BEGIN", pragmas={"query_only": "ON"})
    try:
        with sqlite.translated(), engine.begin() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def _free_name(path: Path, found: str) -> Path:
    name = path.with_name(f"{path.name}.before-{found}")
    number = 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.before-{found}-{number}")
    return name


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    config = _config()
    found = _revision(connection)
    head = _known(config, found)
    if found != head:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return found, head


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _known(config: Config, found: str | None) -> str:
    """This program's revision, if it knows the one that was found."""
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head() or ""
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise NewerDatabase(found, head)
    return head


def _config() -> Config:
    config = Config()
    # Alembic reads its options with interpolation, so a percent sign in a path must be doubled.
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config
