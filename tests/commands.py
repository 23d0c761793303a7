"""The command line in a process of its own, one command after the other: an interpreter for each would take most of the time."""

import functools
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LIMIT_S = 120

SOURCES = str(Path(__file__).parents[1] / "src")

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
    """The process. It ends with its standard input, and so with whoever started it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER], env=environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._turn = threading.Lock()

    def run(self, folder: Path, settings: dict[str, str], arguments: Sequence[str]) -> Done:
        """Run a command line in that folder, with no settings of Clarion's but these; those who ask at once wait for each other."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            print(json.dumps([str(folder), settings, arguments]), file=self._process.stdin, flush=True)
            ready, _, _ = select.select([self._process.stdout], [], [], LIMIT_S)
            assert ready, f"{arguments} did not end"
            return Done(*json.loads(self._process.stdout.readline()))


@functools.cache
def worker() -> Worker:
    """One for all tests."""
    return Worker()


def environment(settings: dict[str, str]) -> dict[str, str]:
    """That of the tests, with no settings of Clarion's but these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLARION_")}
    return own | {"PYTHONPATH": SOURCES, "COLUMNS": "200"} | settings
