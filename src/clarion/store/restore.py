"""A copy of a database put in the place of the one that is there, which is kept beside it."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from clarion.core.states import COUNTED, UNSETTLED
from clarion.store.backup import copy_database, flush
from clarion.store.errors import BackupRefused, RestoreRefused
from clarion.store.migrate import check_known

_SETTLED = " + ".join(f"c.{state}_count" for state in COUNTED if state not in UNSETTLED)

_UNFINISHED = (
    f"SELECT count(DISTINCT b.id), coalesce(sum(c.last_id - c.id + 1 - ({_SETTLED})), 0) FROM broadcasts b"
    " JOIN chunks c ON c.broadcast_id = b.id WHERE b.state IN ('accepted', 'paused')"
)


class Copy(NamedTuple):
    """A copy that can be restored, with what is still to be sent by it: so many messages of so many broadcasts."""

    file: Path
    revision: str
    broadcasts: int
    messages: int


def look_at(file: Path) -> Copy:
    """What a copy is. Raises `RestoreRefused`, or `NewerDatabase` for one that a later program wrote."""
    if not file.is_file():
        raise RestoreRefused(f"There is no file {file}.")
    try:
        with closing(_at_rest(file)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchall():
                raise RestoreRefused(f"{file} is a SQLite database, but none of Clarion's.")
            ((revision,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            check_known(revision)
            broadcasts, messages = connection.execute(_UNFINISHED).fetchone()
    except (sqlite3.Error, ValueError) as error:
        raise RestoreRefused(f"{file} is no database, or a damaged one ({error}): `clarion backup` makes such copies.") from None
    return Copy(file, revision, broadcasts, messages)


def restore(copy: Copy, database: Path) -> Path | None:
    """Put a copy in the place of `database`, whose folder the caller has locked.

    The copy is read and checked whole before anything is touched. Returns where the database that was there is now, None if there was
    none. Raises `RestoreRefused`; then what was there still is.
    """
    fresh = _free_name(database, "restoring")
    try:
        copy_database(copy.file, fresh, at_rest=not _wal(copy.file).exists())
        replaced = _put_aside(database) if database.exists() else None
        fresh.replace(database)
        flush(database.parent)
    except BackupRefused as error:
        raise RestoreRefused(f"{copy.file} was not restored, and nothing was changed: {error}") from error
    except OSError as error:
        raise RestoreRefused(f"{copy.file} was not restored: {error.strerror} ({error.filename}).") from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return replaced


def _at_rest(file: Path) -> sqlite3.Connection:
    """Nothing is made beside a copy that is alone; one with a WAL is read with it."""
    alone = "" if _wal(file).exists() else "&immutable=1"
    return sqlite3.connect(f"file:{quote(os.fspath(file.absolute()))}?mode=ro{alone}", uri=True)


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _put_aside(database: Path) -> Path:
    """Give the database a second name, and take its WAL away from the first: another file's pages must not be read into the copy."""
    # A damaged one keeps its WAL, which goes with it.
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    name = _free_name(database, "replaced")
    # A link, so that at every instant there is a database under its own name.
    os.link(database, name)
    for suffix in ("-wal", "-shm"):
        beside = database.with_name(database.name + suffix)
        if beside.exists():
            beside.rename(name.with_name(name.name + suffix))
    flush(database.parent)
    return name


def _free_name(database: Path, word: str) -> Path:
    name, number = database.with_name(f"{database.name}.{word}"), 1
    while name.exists():
        number += 1
        name = database.with_name(f"{database.name}.{word}-{number}")
    return name
