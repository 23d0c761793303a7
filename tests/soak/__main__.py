"""`make soak`: everything at once for as long as it takes, with faults by plan and SIGKILL at seeded instants, and one table in the end."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tests.own_postgres import own_postgres
from tests.soak.fire import Outcome, soak
from tests.soak.table import show

ENGINES = ("sqlite", "postgres")
WIDTH = 160
"""Of a table that no terminal shows."""


def main() -> int:
    """1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often the server is killed (200)")
    parser.add_argument("--seed", type=int, default=None, help="of all that is left to chance (another one each time)")
    parser.add_argument("--engine", choices=ENGINES, default="sqlite", help="where the rows are (sqlite)")
    parser.add_argument("--keep", action="store_true", help="leave the folder of the run, as is done where something is wrong")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="clarion-soak-"))
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    outcome = _run(folder, options.engine, seed, options.kills)
    show(console, outcome)
    if outcome.wrong or options.keep:
        console.print(f"Database, log and what the carriers were given: {folder}", markup=False, highlight=False, soft_wrap=True)
    else:
        shutil.rmtree(folder)
    return 1 if outcome.wrong else 0


def _run(folder: Path, engine: str, seed: int, kills: int) -> Outcome:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, _database(folder, engine) as url:
        task = progress.add_task(f"seed {seed}: starting", total=kills)

        def tell(done: int, what: str) -> None:
            progress.update(task, completed=done, description=f"seed {seed}: {what}")

        return asyncio.run(soak(folder, engine, url, seed, kills, tell))


@contextmanager
def _database(folder: Path, engine: str) -> Iterator[str | None]:
    if engine == "sqlite":
        yield None
        return
    with own_postgres(folder / "postgres") as postgres:
        yield postgres.url


if __name__ == "__main__":
    sys.exit(main())
