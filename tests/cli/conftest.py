"""Runs the real command in a process of its own, on a database of the test's own."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.commands import LIMIT_S, Done, environment, worker

from clarion.store.engine import is_sqlite, sqlite_path

COMMAND = [sys.executable, "-m", "clarion.cli"]


class Clarion:
    """The command, in a folder of its own, with an environment that has none of Clarion's settings but `settings`."""

    def __init__(self, folder: Path, *place: str) -> None:
        self.folder = folder
        self.place = place
        self.settings: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.settings)

    def __call__(self, *arguments: str) -> Done:
        """Run it beside the test's database."""
        return self.bare(*arguments, *self.place)

    def bare(self, *arguments: str) -> Done:
        """Run it as it is typed."""
        return worker().run(self.folder, self.settings, arguments)

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
def clarion(database_url: str, tmp_path: Path) -> Clarion:
    """The command beside a migrated database, on each engine in turn."""
    if is_sqlite(database_url):
        return Clarion(tmp_path, "--data-dir", str(sqlite_path(database_url).parent))
    return Clarion(tmp_path, "--database-url", database_url)


@pytest.fixture
def beside_sqlite(sqlite_template: Path, tmp_path: Path) -> Clarion:
    """The command in a folder with a migrated database where it looks by itself."""
    (tmp_path / "clarion-data").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "clarion-data" / "clarion.db")
    return Clarion(tmp_path)


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
