"""Runs the real command in a process of its own, on a database of the test's own."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clarion.store.engine import is_sqlite, sqlite_path

LIMIT_S = 60

COMMAND = [sys.executable, "-m", "clarion.cli"]
SOURCES = str(Path(__file__).parents[2] / "src")


WORKER = """
import contextlib, io, json, os, sys, traceback
from clarion.cli.program import run
answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    folder, settings, arguments = json.loads(line)
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith("CLARION_")]:
        del os.environ[name]
    os.environ.update(settings)
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            code = run(arguments)
        except BaseException:
            code = 70
            traceback.print_exc()
    print(json.dumps([code, output.getvalue(), errors.getvalue()]), file=answers, flush=True)
"""


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Worker:
    """Runs one command line after another in a process of their own: an interpreter for each would take most of the time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER], env=environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder: Path, settings: dict[str, str], arguments: Sequence[str]) -> Done:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(folder), settings, arguments]), file=self._process.stdin, flush=True)
        ready, _, _ = select.select([self._process.stdout], [], [], LIMIT_S)
        assert ready, f"{arguments} did not end"
        return Done(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """One for all tests."""
    worker = Worker()
    yield worker
    worker.close()


def environment(settings: dict[str, str]) -> dict[str, str]:
    """That of the tests, with no settings of Clarion's but these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLARION_")}
    return own | {"PYTHONPATH": SOURCES, "COLUMNS": "200"} | settings


class Clarion:
    """The command, in a folder of its own, with an environment that has none of Clarion's settings but `settings`."""

    def __init__(self, worker: Worker, folder: Path, *place: str) -> None:
        self.folder = folder
        self.place = place
        self.settings: dict[str, str] = {}
        self._worker = worker

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.settings)

    def __call__(self, *arguments: str) -> Done:
        """Run it beside the test's database."""
        return self.bare(*arguments, *self.place)

    def bare(self, *arguments: str) -> Done:
        """Run it as it is typed."""
        return self._worker.run(self.folder, self.settings, arguments)

    def alone(self, *arguments: str) -> Done:
        """Run it as it is typed, in a process of its own."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str) -> Any:
        """What it prints with --json, which is one object alone."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)

    def refused(self, *arguments: str, code: int = 1) -> str:
        """The sentence with which it refuses."""
        return sentence_of(self(*arguments), code)


def sentence_of(done: Done, code: int) -> str:
    """What a refusal says: alone on standard error, with nothing on standard output and no traceback."""
    assert done[:2] == (code, ""), done
    assert done.stderr.startswith("Error: "), done
    assert done.stderr.count("\n") == 1, done
    return done.stderr.strip()


@pytest.fixture
def clarion(worker: Worker, database_url: str, tmp_path: Path) -> Clarion:
    """The command beside a migrated database, on each engine in turn."""
    if is_sqlite(database_url):
        return Clarion(worker, tmp_path, "--data-dir", str(sqlite_path(database_url).parent))
    return Clarion(worker, tmp_path, "--database-url", database_url)


@pytest.fixture
def beside_sqlite(worker: Worker, sqlite_template: Path, tmp_path: Path) -> Clarion:
    """The command in a folder with a migrated database where it looks by itself."""
    (tmp_path / "clarion-data").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "clarion-data" / "clarion.db")
    return Clarion(worker, tmp_path)


class Running:
    """A command that stays: what it prints is read as it comes."""

    def __init__(self, clarion: Clarion, *arguments: str) -> None:
        self._log = clarion.folder / f"{arguments[0]}.stderr"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=clarion.folder,
                env=clarion.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._seen = b""

    @property
    def log(self) -> str:
        return self._log.read_text()

    def printed(self, pattern: str) -> re.Match[str]:
        """What fits the pattern on its standard output, as soon as it is there."""
        stream = self._process.stdout
        assert stream is not None
        while True:
            if found := re.search(pattern, self._seen.decode(errors="replace")):
                return found
            ready, _, _ = select.select([stream], [], [], LIMIT_S)
            more = os.read(stream.fileno(), 65536) if ready else b""
            assert more, f"{pattern!r} did not come: {self._seen.decode(errors='replace')}{self.log}"
            self._seen += more

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and everything that it printed."""
        self._process.send_signal(number)
        rest, _ = self._process.communicate(timeout=LIMIT_S)
        return self._process.returncode, (self._seen + rest).decode()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands that stay, and ends them with the test."""
    started: list[Running] = []

    def begin(clarion: Clarion, *arguments: str) -> Running:
        started.append(Running(clarion, *arguments))
        return started[-1]

    yield begin
    for running in started:
        running.kill()
