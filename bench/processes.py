"""Programs under measurement: started, asked by /proc what they took, and ended."""

import asyncio
import os
import signal
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

STOP_S = 25.0
"""A server answers SIGTERM within 20 s."""

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a process took so far: CPU seconds of user and system together, and the most memory that it ever held."""

    cpu_s: float
    peak_rss_mb: float


@dataclass(frozen=True, slots=True)
class Program:
    """A module of the benchmark in a process of its own. `line` is the first that it printed: it is ready."""

    process: asyncio.subprocess.Process
    line: str

    @property
    def usage(self) -> Usage:
        """As it is now."""
        return usage(self.process.pid)

    async def stop(self) -> None:
        """SIGTERM, as a supervisor would. Raises RuntimeError if it did not end well."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise RuntimeError(f"process {self.process.pid} did not end in {STOP_S:g} s") from None
        if code:
            raise RuntimeError(f"process {self.process.pid} ended with {code}")


async def start(module: str, *arguments: object, errors: Path) -> Program:
    """Start `python -m module` and wait for its first line. Standard error goes to a file. Raises RuntimeError if it ends before."""
    with errors.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *map(str, arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=file
        )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    if not line:
        raise RuntimeError(f"{module} did not start:\n{errors.read_text()[-2000:]}")
    return Program(process, line)


def usage(pid: int) -> Usage:
    """Of one process."""
    return Usage(_cpu_s(Path(f"/proc/{pid}/stat")), peak_rss_mb(pid))


def peak_rss_mb(pid: int) -> float:
    """The most that a process ever held; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def thread_cpu_s(pid: int, thread_id: int) -> float:
    """Of one thread of a process."""
    return _cpu_s(Path(f"/proc/{pid}/task/{thread_id}/stat"))


def family(*pids: int) -> list[int]:
    """Processes and all that came from them and are still there."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            children[int(_fields(stat)[1])].append(int(stat.parent.name))
        except OSError:
            continue  # ended between the list and the look
    found = list(pids)
    for parent in found:
        found += children[parent]
    return found


def family_cpu_s(*pids: int) -> float:
    """Of processes and all that came from them, those that have ended included."""
    total = 0.0
    for member in family(*pids):
        try:
            total += _cpu_s(Path(f"/proc/{member}/stat"), ended_children=True)
        except OSError:
            continue  # as above
    return total


def family_memory_mb(*pids: int) -> float:
    """What processes and all that came from them hold, what they share counted once (PSS, proc(5))."""
    kilobytes = 0
    for member in family(*pids):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # as above
        kilobytes += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return kilobytes / 1024


def machine_cpu_s() -> float:
    """Of everything on this machine, since it was started: user, nice and system."""
    first, *_ = Path("/proc/stat").read_text().splitlines()
    return sum(int(ticks) for ticks in first.split()[1:4]) / _TICKS_PER_SECOND


def _cpu_s(stat: Path, *, ended_children: bool = False) -> float:
    return sum(int(ticks) for ticks in _fields(stat)[11 : 15 if ended_children else 13]) / _TICKS_PER_SECOND


def _fields(stat: Path) -> list[str]:
    """From the third on: the second is a name that may hold blanks (proc(5))."""
    return stat.read_text().rpartition(")")[2].split()
