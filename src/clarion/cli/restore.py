"""`clarion restore FILE`: the counterpart of `clarion backup`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, Yes
from clarion.cli.output import count_of, print_json, say

if TYPE_CHECKING:
    from clarion.store.restore import Copy

EPILOG = "clarion restore clarion-2026-03-28.backup"

Source = Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `clarion backup` made.")]


def restore(file: Source, yes: Yes = False, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Put a copy in the place of the database, which is kept beside it. Refused while a server runs on the folder.

    A copy does not know what was sent after it was made: what was not finished then would be sent again. The README says what to do.
    """
    from clarion.store.engine import is_sqlite, sqlite_path
    from clarion.store.restore import look_at
    from clarion.store.restore import restore as put_back
    from clarion.store.sqlite import lock_folder
    from clarion.wiring.opening import database_url as url_of

    url = url_of(data_dir, database_url)
    if not is_sqlite(url):
        command = shlex.join(["pg_restore", "--clean", "--if-exists", "--single-transaction", "--dbname=URL", str(file)])
        raise Failure(f"Clarion restores SQLite databases only; PostgreSQL's own tool does it there: `{command}`.")
    database = sqlite_path(url)
    copy = look_at(file)
    try:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = lock_folder(database.parent)
    except OSError as error:
        raise Failure(f"The folder {database.parent} cannot be used: {error.strerror}.") from None
    try:
        if not yes:
            typer.confirm(f"{_warning(copy)}Put {file} in the place of {database}?", abort=True)
        replaced = put_back(copy, database)
    finally:
        lock.release()
    if as_json:
        print_json(
            {
                "id": str(database.absolute()),
                "file": str(database.absolute()),
                "replaced": None if replaced is None else str(replaced.absolute()),
                "revision": copy.revision,
                "unfinished_broadcasts": copy.broadcasts,
                "unsent_messages": copy.messages,
            }
        )
        return
    say(f"Restored {file} to {database}.{f' What was there is {replaced}.' if replaced else ''}")
    if yes and copy.broadcasts:
        say(_warning(copy).rstrip())
    check, look = next_step(data_dir, database_url, "doctor"), next_step(data_dir, database_url, "broadcasts", "list")
    say(f"Before you start the server: {check}, {look}")


def _warning(copy: "Copy") -> str:
    if not copy.broadcasts:
        return ""
    return (
        f"The copy has {count_of(copy.broadcasts, 'unfinished broadcast')} with {count_of(copy.messages, 'message')} to be sent: "
        "what was sent of them since it was made will be sent again.\n"
    )
