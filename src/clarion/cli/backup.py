"""`clarion backup FILE`: one consistent copy, beside a running server."""

from pathlib import Path
from typing import Annotated

import typer

from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json
from clarion.cli.output import print_json, say

EPILOG = "clarion backup clarion-2026-03-28.backup"

Target = Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; an existing file is never written over.")]


def backup(file: Target, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Copy the whole database, keys and carriers' passwords included, into one file.

    `clarion restore` puts it back; read in the README what a backup does not know before you start the server then.
    """
    from clarion.store.backup import backup as copy
    from clarion.wiring.opening import require_database

    made = copy(require_database(data_dir, database_url), file).absolute()
    if as_json:
        print_json({"id": str(made), "file": str(made), "bytes": made.stat().st_size})
    else:
        say(f"Copied to {made} ({made.stat().st_size:,} bytes). It holds keys and passwords: keep it safe.")
