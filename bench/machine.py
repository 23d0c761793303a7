"""Where this was measured: what is installed, and what the disk and the cores do by themselves at this hour."""

import os
import platform
import sqlite3
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from clarion import __version__

PACKAGES = ("uvloop", "uvicorn", "fastapi", "msgspec", "SQLAlchemy", "asyncpg", "phonenumbers")

DISK_S = 10.0
"""Long enough to meet the stalls that come every few seconds."""

DISK_OCTETS = 16_384
DISK_PAUSE_S = 0.004
"""About as often as the server commits."""

SPIN = 2_000_000


class Machine(NamedTuple):
    """`facts` by name, for people; `loop_ms` is the CPU that one of `SPIN` steps takes alone: how fast the interpreter is here."""

    facts: dict[str, str]
    loop_ms: float


def describe(folder: Path) -> Machine:
    """Takes a quarter of a minute."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    own = [f"Clarion {__version__}", f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    cores = len(os.sched_getaffinity(0))
    load = " ".join(f"{load:.2f}" for load in os.getloadavg())
    alone_ms, together_ms = _cores(cores)
    facts = {
        "processor": f"{cores} cores of {model}",
        "cores": f"a loop of {SPIN:,} steps: {alone_ms:.0f} ms of CPU on one, {together_ms:.0f} ms while all {cores} are at it",
        "disk": _disk(folder),
        "system": f"{platform.system()} {platform.release()}",
        "load average": load,
        "versions": ", ".join([*own, *(f"{package} {version(package)}" for package in PACKAGES)]),
    }
    return Machine(facts, alone_ms)


def _disk(folder: Path) -> str:
    """A commit waits for the disk: what that takes with nothing else going on."""
    took_ms: list[float] = []
    octets = os.urandom(DISK_OCTETS)
    with tempfile.TemporaryFile(dir=folder) as file:
        until = time.monotonic() + DISK_S
        while time.monotonic() < until:
            os.pwrite(file.fileno(), octets, len(took_ms) % 512 * DISK_OCTETS)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            took_ms.append((time.perf_counter() - started) * 1000)
            time.sleep(DISK_PAUSE_S)
    took_ms.sort()
    p50, p99, longest = took_ms[len(took_ms) // 2], took_ms[int(0.99 * len(took_ms))], took_ms[-1]
    return f"fdatasync of {DISK_OCTETS // 1024} KiB, idle: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.1f} ms of {len(took_ms):,}"


def _cores(count: int) -> tuple[float, float]:
    """Cores that are threads of one core, or a neighbour's too, do less when all work: CPU seconds grow then, for the same work."""
    with ProcessPoolExecutor(count) as pool:
        alone = min(pool.submit(_spin).result() for _ in range(3))
        together = max(min(times) for times in zip(*([*pool.map(_spin, [0] * count)] for _ in range(3)), strict=True))
    return alone * 1000, together * 1000


def _spin(_: int = 0) -> float:
    started = time.process_time()
    total = 0
    for number in range(SPIN):
        total += number
    return time.process_time() - started
