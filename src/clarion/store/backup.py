"""A copy of the whole database while it is in use."""

import os
import shlex
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url

from clarion.store.engine import is_sqlite, sqlite_path
from clarion.store.errors import BackupRefused
from clarion.store.sqlite import RESTORE


def backup(url: str, file: str | os.PathLike[str]) -> Path:
    """Copy the database to `file`, which must not exist and appears whole or not at all. Returns its path.

    The copy is one snapshot, writers go on meanwhile. Raises `BackupRefused` with what to do instead; for PostgreSQL always, whose own
    tool makes consistent copies.
    """
    target = Path(file)
    if not is_sqlite(url):
        command = shlex.join(["pg_dump", "--format=custom", f"--file={target}", _without_password(url)])
        raise BackupRefused(f"Clarion copies SQLite databases only; PostgreSQL's own tool makes the same kind of copy: `{command}`.")
    source = sqlite_path(url)
    if not source.exists():
        raise BackupRefused(f"There is no database at {source}.")
    copy_database(source, target)
    return target


def copy_database(source: Path, target: Path, *, at_rest: bool = False) -> None:
    """Copy one snapshot of a SQLite file, checked and on disk before it has its name.

    One that is `at_rest`, with no WAL beside it and nobody who writes, is only read: its folder may be closed to us.
    Raises `BackupRefused` if `target` exists, the copy fails, or the database is damaged; nothing of the copy is left then.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        if target.exists():
            raise BackupRefused(f"{target} exists already; name another file.")
        partial.unlink(missing_ok=True)
        # Keys and passwords are in it: nobody else reads it, from the first byte on.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(_origin(source, at_rest=at_rest)) as origin, closing(sqlite3.connect(partial)) as copy:
            # All pages in one step: in several, every commit of another process would start it over.
            origin.backup(copy, pages=-1)
        fault = _fault(partial)
        if fault is None:
            flush(partial)
            partial.rename(target)
            flush(target.parent)
    except (OSError, sqlite3.Error) as error:
        _discard(partial)
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
            raise BackupRefused(f"The backup to {target} failed: {error}.") from error
        fault = str(error)
    if fault is not None:
        _discard(partial)
        raise BackupRefused(f"{source} is damaged ({fault}), so it was not copied to {target}: {RESTORE}")


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _fault(file: Path) -> str | None:
    """What SQLite finds wrong with the pages of a file that nobody else has open; None for a sound one.

    The copy has the pages as they are, torn ones too. That each index fits its table is not looked at: it would take many times as long.
    """
    with closing(sqlite3.connect(f"file:{quote(os.fspath(file.absolute()))}?mode=ro&immutable=1", uri=True)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else " ".join(str(found).split())


def _origin(source: Path, *, at_rest: bool) -> sqlite3.Connection:
    if not at_rest:
        return sqlite3.connect(source)
    return sqlite3.connect(f"file:{quote(os.fspath(source.absolute()))}?mode=ro&immutable=1", uri=True)


def _discard(partial: Path) -> None:
    with suppress(OSError):
        partial.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """See to it that a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_password(url: str) -> str:
    parsed = make_url(url)
    query = {name: value for name, value in parsed.query.items() if "password" not in name}
    return parsed._replace(password=None).set(query=query).render_as_string()
