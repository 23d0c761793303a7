"""Programs of others: started with their output in a file, waited for at their port, ended by pid."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from bench import processes
from bench.peers.install import Absent

START_S = 60.0

STOP_S = 5.0
"""A peer that still has messages may want to keep them first; nobody needs those."""

POLL_S = 0.05

Process = asyncio.subprocess.Process


async def launch(*command: object, log: Path, environment: Mapping[str, str], cwd: Path) -> Process:
    """Start a program with this added to our environment, without our modules."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            *map(str, command), cwd=cwd, env={**plain, **environment}, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file
        )


async def listening(port: int, process: Process, log: Path) -> None:
    """Wait until somebody listens there. Raises Absent if the program ends before, or takes too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(POLL_S)
                    continue
                writer.close()
                return
    raise Absent(f"it did not start: {last_words(log)}")


def last_words(log: Path) -> str:
    """The end of a log, on one line."""
    lines = log.read_text(errors="replace").splitlines()
    return " / ".join(line.strip() for line in lines[-3:] if line.strip()) or "it said nothing"


async def end(process: Process) -> None:
    """SIGTERM, and SIGKILL where that is not enough."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        await kill([process])


async def kill(programs: Iterable[Process]) -> None:
    """SIGKILL for these and all that came from them, at once."""
    living = [program for program in programs if program.returncode is None]
    kill_families(program.pid for program in living)
    for program in living:
        await program.wait()


async def gone(pid: int) -> None:
    """Wait until a process that is no child of ours has ended: a signal is only the beginning of it."""
    async with asyncio.timeout(STOP_S):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(POLL_S)


def kill_families(pids: Iterable[int]) -> None:
    """SIGKILL for these and all that came from them; the list is made before the first one falls."""
    for member in processes.family(*pids):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def free_port() -> int:
    """One of loopback's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
