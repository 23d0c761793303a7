"""What is tried with every gateway, always against the same simulated SMSC, which is in a process of its own and outlives them."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

from bench import house, processes
from bench.house import Carrier
from bench.load import FIRST
from bench.peers.gateway import SINGLES, Candidate, Gateway
from bench.scenarios import DELAY_MS, DELAYED_WINDOW, SINGLES_PER_SECOND, WAVE_AHEAD, Figures, quantile

STALL_S = 15.0
"""Longer than any gateway here waits before it tries something again. What has not come then is missing."""

POLL_S = 0.02
SAMPLE_S = 0.2

BLAST_FIRST_S = 1.0
"""A blast has begun so long before the first single send."""

WIRE_S = 20.0
"""A single send that is not on the wire so long after the last one counts as this late at least."""

KILL_WINDOW = 100
KILL_AFTER_S = 2.0
"""The kill comes so long after the last message was accepted: all sizes leave most of them waiting then."""

QUIET_S = 12.0
"""Longer than any gateway here takes from its start to the first message: leases, delays before it connects again."""

RESEND_S = 3.0
"""Once all are there, what is sent twice would follow at once."""

SETTLE_S = 150.0

_folders = count(1)


class Stage(NamedTuple):
    """A gateway that is bound, and the SMSC's log."""

    gateway: Gateway
    log: Path


async def rate(candidate: Candidate, folder: Path) -> Figures:
    """Accepted, submitted, answered, receipted and called back, with a carrier that answers at once."""
    messages = candidate.sizes.messages
    async with _stage(candidate, folder, Carrier()) as (gateway, _):
        watch = _Watch(gateway.pids())
        async with watch.sampling():
            begin = time.perf_counter()
            await gateway.send(messages)
            accepted = time.perf_counter()
            ended, finished = (await _finished(gateway, messages))[-1]
    return {
        "rate": finished / (ended - begin),
        "accepted": messages / (accepted - begin),
        "cpu": watch.cpu_s(ended) / messages * 1000,
        "memory": watch.peak_mb,
        "missing": messages - finished,
    }


async def delayed(candidate: Candidate, folder: Path) -> Figures:
    """With a carrier that answers in 50 ms on one bind: between the first and the last tenth."""
    messages = candidate.sizes.delayed
    carrier = Carrier(window=DELAYED_WINDOW, binds=1, answer_delay_ms=DELAY_MS, log=True)
    async with _stage(candidate, folder, carrier) as (gateway, log):
        sending = asyncio.create_task(gateway.send(messages))
        points = await _finished(gateway, messages)
        await sending
        round_ms = _round_ms(log) if candidate.has_window else {}
    begun, ended = (next(point for point in points if point[1] >= points[-1][1] * tenths // 10) for tenths in (1, 9))
    rate = (ended[1] - begun[1]) / (ended[0] - begun[0])
    share = {"delayed_share": 100 * rate / (DELAYED_WINDOW / (DELAY_MS / 1000))} if candidate.has_window else {}
    return {"delayed_rate": rate} | share | round_ms


def _round_ms(log: Path) -> Figures:
    """From a submit to the one that takes its place in the window, as the SMSC sees it, between the first and the last tenth."""
    at = [float(record["at"]) for record in _records(log, b'"destination"') if not record["status"]]
    middle = at[len(at) // 10 : len(at) * 9 // 10]
    rounds = [later - earlier for earlier, later in zip(middle, middle[DELAYED_WINDOW:], strict=False)]
    return {"delayed_round": quantile(rounds, 0.5) * 1000} if rounds else {}


async def singles(candidate: Candidate, folder: Path, sends: int) -> Figures:
    """Single sends, 20 a second, while a blast is accepted and sent: until the answer, and until the SMSC has it."""
    async with _stage(candidate, folder, Carrier(log=True)) as (gateway, log):
        await gateway.send_single(sends)
        blast = asyncio.create_task(gateway.send_without_end(WAVE_AHEAD))
        await asyncio.sleep(BLAST_FIRST_S)
        finished, begin = await gateway.finished(), time.perf_counter()
        sent_at: list[float] = []
        answers = []
        for number in range(sends):
            await asyncio.sleep(begin + number / SINGLES_PER_SECOND - time.perf_counter())
            sent_at.append(time.time())
            answers.append(asyncio.create_task(gateway.send_single(number)))
        answered_ms = [took_s * 1000 for took_s in await asyncio.gather(*answers)]
        meanwhile = (await gateway.finished() - finished) / (time.perf_counter() - begin)
        if blast.done():
            blast.result()  # it ends only by what it raises
        blast.cancel()
        with suppress(asyncio.CancelledError):
            await blast
        wire_ms = await _reached_ms(log, sent_at)
    return {
        "answered_p50": quantile(answered_ms, 0.5),
        "answered_p99": quantile(answered_ms, 0.99),
        "wire_p50": quantile(wire_ms, 0.5),
        "wire_p99": quantile(wire_ms, 0.99),
        "meanwhile": meanwhile,
    }


async def killed(candidate: Candidate, folder: Path, *, everything: bool) -> Figures:
    """SIGKILL with messages queued, a start, and what the SMSC then has: how many never, how many twice."""
    messages = candidate.sizes.killed
    carrier = Carrier(window=KILL_WINDOW, binds=1, answer_delay_ms=candidate.sizes.kill_delay_ms, log=True)
    async with _stage(candidate, folder, carrier) as (gateway, log):
        await gateway.send(messages)
        await asyncio.sleep(KILL_AFTER_S)
        await gateway.kill(everything=everything)
        sent = len(_numbers(log))
        await gateway.restart()
        times = Counter(await _settled(log, messages))
        lost = messages - len(times)
        unknown = await _unresolved(gateway, lost)
    return {
        "queued": messages - sent,
        "lost": lost,
        "doubled": sum(1 for number in times.values() if number > 1),
        "unknown": unknown,
    }


async def receipts(candidate: Candidate, folder: Path, messages: int) -> int:
    """Of how many of so many messages somebody is told."""
    async with _stage(candidate, folder, Carrier()) as (gateway, _):
        await gateway.send(messages)
        return (await _finished(gateway, messages))[-1][1]


@asynccontextmanager
async def _stage(candidate: Candidate, folder: Path, carrier: Carrier) -> AsyncIterator[Stage]:
    own = folder / f"{next(_folders)}-{candidate.key}"
    own.mkdir(parents=True)
    with house.log_folder_for(own) as log_folder:
        log = log_folder / "smsc.log"
        log.touch()
        smsc = await house.start_smsc(carrier, log, errors=own / "smsc.err")
        try:
            async with candidate.run(own, int(smsc.line), carrier) as gateway:
                yield Stage(gateway, log)
        finally:
            await smsc.stop()


async def _finished(gateway: Gateway, messages: int) -> list[tuple[float, int]]:
    """Wait until so many are finished, or no more come; when how many were, each time that there were more."""
    points = [(time.perf_counter(), 0)]
    while points[-1][1] < messages and time.perf_counter() < points[-1][0] + STALL_S:
        await asyncio.sleep(POLL_S)
        finished = await gateway.finished()
        if finished > points[-1][1]:
            points.append((time.perf_counter(), finished))
    return points


async def _reached_ms(log: Path, sent_at: Sequence[float]) -> list[float]:
    first = FIRST + SINGLES
    reached: dict[int, float] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(WIRE_S):
            while len(reached) < len(sent_at):
                await asyncio.sleep(0.5)
                for record in _records(log, f'"destination":"{first // 10**7}'.encode()):
                    number = int(record["destination"]) - first
                    if number < len(sent_at):
                        reached.setdefault(number, (float(record["at"]) - sent_at[number]) * 1000)
    return [reached.get(number, WIRE_S * 1000) for number in range(len(sent_at))]


async def _settled(log: Path, messages: int) -> list[int]:
    """Wait until all are on the wire, or nothing has come for a while; the number of each submit."""
    numbers = _numbers(log)
    changed = time.monotonic()
    end = changed + SETTLE_S
    while time.monotonic() < min(changed + QUIET_S, end) and len(set(numbers)) < messages:
        await asyncio.sleep(0.5)
        if len(found := _numbers(log)) > len(numbers):
            numbers, changed = found, time.monotonic()
    await asyncio.sleep(RESEND_S)
    return _numbers(log)


async def _unresolved(gateway: Gateway, lost: int) -> int:
    """What is named as in doubt, once receipts have had their time to resolve what did come to the SMSC."""
    end = time.monotonic() + QUIET_S
    while (unknown := await gateway.unknown()) > lost and time.monotonic() < end:
        await asyncio.sleep(0.5)
    return unknown


def _numbers(log: Path) -> list[int]:
    return [int(record["destination"]) for record in _records(log, b'"destination"') if not record["status"]]


def _records(log: Path, mark: bytes) -> list[dict[str, str]]:
    with log.open("rb") as lines:
        return [json.loads(line) for line in lines if mark in line and line.endswith(b"\n")]


@dataclass
class _Watch:
    """What some programs and all that came from them take: CPU, and the most memory at one time."""

    pids: Sequence[int]
    peak_mb: float = 0.0
    samples: list[tuple[float, float]] = field(default_factory=list)
    """When, and the CPU seconds until then."""

    def cpu_s(self, until: float) -> float:
        """From the beginning to the first look at or after this time: what follows is only waiting for what is missing."""
        return next(cpu_s for at, cpu_s in self.samples if at >= until) - self.samples[0][1]

    @asynccontextmanager
    async def sampling(self) -> AsyncIterator[None]:
        self._look()
        running = asyncio.create_task(self._sample())
        try:
            yield
            self._look()
        finally:
            running.cancel()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            self._look()

    def _look(self) -> None:
        at = time.perf_counter()
        self.samples.append((at, processes.family_cpu_s(*self.pids)))
        self.peak_mb = max(self.peak_mb, processes.family_memory_mb(*self.pids))
