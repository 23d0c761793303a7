"""A copy of the whole database while it is in use."""

import os
import shlex
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import make_url

from clarion.store.engine import is_sqlite, sqlite_path
from clarion.store.errors import BackupRefused


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


def copy_database(source: Path, target: Path) -> None:
    """Copy one snapshot of a SQLite file, on disk before it has its name. Raises `BackupRefused` if `target` exists or fails."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        if target.exists():
            raise BackupRefused(f"{target} exists already; name another file.")
        partial.unlink(missing_ok=True)
        # Keys and passwords are in it: nobody else reads it, from the first byte on.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(partial)) as copy:
            # All pages in one step: in several, every commit of another process would start it over.
            origin.backup(copy, pages=-1)
        _flush(partial)
        partial.rename(target)
        _flush(target.parent)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise BackupRefused(f"The backup to {target} failed: {error}.") from error


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_password(url: str) -> str:
    parsed = make_url(url)
    query = {name: value for name, value in parsed.query.items() if "password" not in name}
    return parsed._replace(password=None).set(query=query).render_as_string()
