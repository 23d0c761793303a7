"""`make bench-peers`: Kannel, Jasmin and Clarion in one run, with docs/benchmark.md and a table of it in the end."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import machine, processes, report  # noqa: E402  (a program's own folder is no package to Python)
from bench.imports import Rows  # noqa: E402
from bench.peers import clarion, document, jasmin, kannel, own, trials  # noqa: E402
from bench.peers.aims import POSTGRES, SQLITE  # noqa: E402
from bench.peers.gateway import Candidate  # noqa: E402
from bench.peers.install import Absent  # noqa: E402
from bench.peers.measured import Report  # noqa: E402
from bench.run import QUICK, WIDTH, postgres_server  # noqa: E402
from bench.scenarios import Figures, Sizes  # noqa: E402

GROUPS = ("clarion", "kannel", "jasmin")
ROUNDS = 3
SINGLES = 200
RECEIPTS = 20
"""Messages after whose receipts a release of Jasmin is asked before it is measured."""

QUICK_SHARE = 0.1
QUICK_KILLED_SHARE = 0.3
"""With fewer nothing would wait any more when the kill comes."""

QUICK_SINGLES = 40
QUICK_ROWS = Rows(1_000, 20_000)
QUICK_WITHOUT = {"kannel-single", "kannel-spool", "jasmin-one"}


def main() -> int:
    """Measure; 1 if a trial of Clarion's failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of a tenth, not of everything: to see that it works, not to quote")
    parser.add_argument("--rounds", type=int, default=0, help=f"how often rates are measured ({ROUNDS})")
    parser.add_argument("--only", choices=GROUPS, nargs="+", default=GROUPS, metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--document", type=Path, help="where benchmark.md goes (docs; with --quick .cache/peers/quick)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    return uvloop.run(_Run(options).run())


class _Run:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        self._progress = Console(stderr=True, highlight=False)
        self._cache = ROOT / ".cache/peers"
        arguments = " --quick" if options.quick else ""
        command = f'make bench-peers PEERS_ARGS="{arguments.strip()}"' if arguments else "make bench-peers"
        rounds = options.rounds or (1 if options.quick else ROUNDS)
        self._cache.mkdir(parents=True, exist_ok=True)
        self._report = Report(machine.describe(self._cache), options.quick, rounds, command)
        self._failed = False

    async def run(self) -> int:
        report.show_machine(self._console, self._report.machine.facts)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._cache))
        begin = time.monotonic()
        try:
            with postgres_server(folder / "postgres", wanted="clarion" in self._options.only) as postgres, self._company(postgres):
                await self._gather(folder, postgres)
                await self._try_all(folder)
                await self._try_own(folder, postgres)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._report.took_s = time.monotonic() - begin
        self._console.print()
        document.show(self._console, self._report)
        default = self._cache / "quick" if self._options.quick else ROOT / "docs"
        self._console.print(f"written: {document.write(self._report, self._options.document or default)}")
        if self._options.json:
            self._options.json.write_text(document.as_json(self._report) + "\n", encoding="utf-8")
        return int(self._failed)

    async def _gather(self, folder: Path, postgres: Any) -> None:  # noqa: ANN401  (a class of an optional package)
        """Who takes part."""
        found: list[Candidate] = []
        if "clarion" in self._options.only:
            found += clarion.candidates(postgres)
        if "kannel" in self._options.only:
            found += self._installed("Kannel", lambda: kannel.candidates(self._cache))
        if "jasmin" in self._options.only:
            found += await self._jasmin(folder)
        if self._options.quick:
            found = [replace(one, sizes=one.sizes.of(QUICK_SHARE, QUICK_KILLED_SHARE)) for one in found if one.key not in QUICK_WITHOUT]
        self._report.candidates = found

    def _installed(self, name: str, candidates: Callable[[], Sequence[Candidate]]) -> Sequence[Candidate]:
        self._progress.print(f"installing: {name}")
        try:
            return candidates()
        except Absent as reason:
            self._report.absent[name] = str(reason)
            return []

    async def _jasmin(self, folder: Path) -> Sequence[Candidate]:
        """The newest release that tells of receipts."""
        # In a hurry the one that is known to tell.
        for release in jasmin.RELEASES[-1:] if self._options.quick else jasmin.RELEASES:
            name = f"Jasmin {release}"
            found = self._installed(name, lambda release=release: jasmin.candidates(self._cache, release))  # type: ignore[misc]
            if not found:
                continue
            self._progress.print(f"trying: {name}")
            try:
                told = await trials.receipts(found[-1], folder, RECEIPTS)
            except (Absent, OSError, RuntimeError, TimeoutError) as reason:
                self._report.absent[name] = _said(reason)
                continue
            if told:
                return found
            self._report.absent[name] = f"it told of none of {RECEIPTS} receipts, so that nothing can be measured to its end"
        return []

    async def _try_all(self, folder: Path) -> None:
        candidates = self._report.candidates
        for number in range(1, self._report.rounds + 1):
            for candidate in candidates:
                if number > candidate.rounds_max:
                    continue
                await self._try(f"round {number}", candidate, trials.rate(candidate, folder))
                if not candidate.is_variant:
                    await self._try(f"round {number}, 50 ms", candidate, trials.delayed(candidate, folder))
        sends = QUICK_SINGLES if self._options.quick else SINGLES
        for candidate in candidates:
            await self._try("single sends", candidate, trials.singles(candidate, folder, sends))
            if candidate.is_variant:
                continue
            if not (self._options.quick and candidate.stores_apart):
                await self._try("kill -9", candidate, _prefixed("own", trials.killed(candidate, folder, everything=False)))
            if candidate.stores_apart:
                await self._try("kill -9 of everything", candidate, _prefixed("all", trials.killed(candidate, folder, everything=True)))

    async def _try_own(self, folder: Path, postgres: Any) -> None:  # noqa: ANN401  (as above)
        """What only Clarion is asked."""
        quick = self._options.quick
        sizes, rows = (QUICK, QUICK_ROWS) if quick else (Sizes(), Rows())
        for candidate in self._report.candidates:
            if candidate.key in {SQLITE, POSTGRES}:
                on = postgres if candidate.key == POSTGRES else None
                await self._try("import", candidate, own.files(on, folder, rows))
            if candidate.key == SQLITE:
                for number in range(1, self._report.rounds + 1):
                    await self._try(f"round {number}, accepting", candidate, own.accepts(folder, sizes))
                await self._try("the client alone", candidate, own.client(folder, sizes.delayed))
                await self._try("profile", candidate, self._profile(folder, sizes))

    async def _profile(self, folder: Path, sizes: Sizes) -> Figures:
        figures, self._report.shares = await own.road(folder, sizes)
        return figures

    async def _try(self, name: str, candidate: Candidate, trial: Awaitable[Figures]) -> None:
        """A trial that fails is named, and the others go on."""
        self._progress.print(f"{name}: {candidate.name}")
        try:
            self._report.add(candidate, await trial)
        except (Absent, OSError, RuntimeError, TimeoutError) as reason:
            self._report.notes.append(f"Not measured: {candidate.name}, {name}: {_said(reason)}")
            self._failed |= candidate.key.startswith("clarion")

    @contextmanager
    def _company(self, postgres: Any) -> Any:  # noqa: ANN401  (as above)
        """What other programs took of the machine meanwhile."""
        begin, others = time.monotonic(), self._others_cpu_s(postgres)
        yield
        self._report.others_cores = max(0.0, (self._others_cpu_s(postgres) - others) / (time.monotonic() - begin))

    @staticmethod
    def _others_cpu_s(postgres: Any) -> float:  # noqa: ANN401  (as above)
        own = [os.getpid()] if postgres is None else [os.getpid(), postgres.get_pid()]
        return processes.machine_cpu_s() - processes.family_cpu_s(*own)


async def _prefixed(prefix: str, trial: Awaitable[Figures]) -> Figures:
    return {f"{prefix}_{key}": value for key, value in (await trial).items()}


def _said(reason: BaseException) -> str:
    return (str(reason).splitlines() or [type(reason).__name__])[0][:200]


if __name__ == "__main__":
    sys.exit(main())
