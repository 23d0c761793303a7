"""Starts Kannel's SMSC for tests, `drive_smpp` of Debian's kannel-extras, unpacked once into the cache of `make bench-peers`.

It binds transmitters and receivers, answers submits without an id, sends no receipts, and ends when one connection ends.
"""

import fcntl
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.peers.install import Absent, Unpacked, debian
from bench.peers.programs import free_port

CACHE = Path(__file__).parent.parent / ".cache" / "peers"
BEARERBOX_PORT = 13_001
"""It calls its gateway there, and dies if nobody answers; there is no option for it."""

START_S = 30.0


@dataclass
class KannelSmsc:
    """A running one. `log` is what it writes of every PDU."""

    port: int
    log: Path
    process: "subprocess.Popen[bytes]"

    def submits(self) -> list[bytes]:
        """The short messages that it was given, in order, each up to its first zero."""
        return re.findall(rb"submit_sm: short_message = <(.*?)>\n", self.log.read_bytes(), re.DOTALL)

    def handled(self, kind: str) -> int:
        """How many PDUs of this kind it has read."""
        return self.log.read_bytes().count(f"Handling SMPP PDU of type {kind}\n".encode())

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def kannel_smsc(log: Path, *, texts: int = 0, port: int = 0) -> Iterator[KannelSmsc]:
    """Run one that brings so many texts, from 456 to 123, to who can receive. Skips the test where it cannot be unpacked."""
    unpacked = install()
    port = port or free_port()
    command = [str(unpacked.folder("usr/lib/kannel/test") / "drive_smpp"), "-v", "0", "-p", str(port), "-m", str(texts)]
    # Another run of these tests may hold the port too: whoever takes the call says nothing.
    with socket.create_server(("127.0.0.1", BEARERBOX_PORT), reuse_port=True), log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **unpacked.environment})
        try:
            _wait(port, process)
            yield KannelSmsc(port, log, process)
        finally:
            process.kill()
            process.wait()


def install() -> Unpacked:
    """Its package. Skips the test where there is none."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return debian(CACHE, ["kannel-extras"])
        except Absent as absent:
            pytest.skip(f"Kannel's drive_smpp cannot be unpacked here: {absent}")


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until it listens, without calling it: it would end with that call."""
    listens = re.compile(rf":{port:04X} 00000000:0000 0A ")
    end = time.monotonic() + START_S
    while not listens.search(Path("/proc/net/tcp").read_text()):
        assert process.poll() is None, f"drive_smpp did not start: exit {process.returncode}"
        assert time.monotonic() < end, f"drive_smpp does not listen after {START_S:g} s"
        time.sleep(0.02)
