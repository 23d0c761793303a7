"""The next command to type, as a command shows it: ready for a shell, beside the same database, and without a password."""

import os
import shlex
from pathlib import Path

from clarion.cli.options import DATA_DIR, ENVIRONMENT

VARIABLE = f"{ENVIRONMENT}DATABASE_URL"


def next_step(data_dir: Path, database_url: str | None, *words: str) -> str:
    """`clarion WORDS…`, quoted, and what tells it where the data is."""
    return f"clarion {shlex.join(words)}{place(data_dir, database_url)}"


def place(data_dir: Path, database_url: str | None) -> str:
    """What to type behind a command for the same database: nothing where that is found anyway, never a URL with a password."""
    if not database_url:
        return "" if data_dir == DATA_DIR else f" --data-dir {shlex.quote(str(data_dir))}"
    if database_url == os.environ.get(VARIABLE):
        return ""
    return f" --database-url {'URL' if may_hold_password(database_url) else shlex.quote(database_url)}"


def place_note(database_url: str | None) -> str | None:
    """What `place` leaves unsaid of a database's URL; None where there is nothing to add."""
    if not database_url:
        return None
    if database_url == os.environ.get(VARIABLE):
        return f"{VARIABLE} tells these commands where the database is: set it there too."
    return f"URL is this database's; in {VARIABLE} it need not be typed." if may_hold_password(database_url) else None


def may_hold_password(url: str) -> bool:
    """Whether a URL has what could be a password, also where it is not written as it should be."""
    login, at, _ = url.partition("://")[2].rpartition("@")
    return bool(at and ":" in login) or "password" in url.partition("?")[2]
