"""What is measured: each scenario builds a house, drives it, and returns its figures by name."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import load, processes
from bench.house import PRICE_MILLI, Carrier, House, Place, house
from bench.lag import read_lag_ms

Figures = dict[str, float]

PROGRESS_S = 0.25
"""How often the reader of the progress asks: its limit is 300 a minute."""

SINGLES_PER_SECOND = 20
WAVE_AHEAD = 50_000
"""The next blast begins when so many of the last one are still to come: the singles never meet an empty road."""

RATE = 10
"""Requests with values that an organization may make."""

SUPPRESSED = 100_000

DELAY_MS = 50
DELAYED_WINDOW = 200


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    recipients: int = 100_000
    accepts: int = 20
    singles: int = 200
    delayed: int = 20_000


async def road(place: Place, sizes: Sizes, prefix: str = "road", profile: Path | None = None) -> Figures:
    """Accepted, submitted, answered, receipt stored, final state, charged; the reader of the progress included."""
    requests = sizes.recipients // load.REQUEST
    load.prepare(requests)
    async with house(place, Carrier(), profile=profile) as built:
        before, threads, others = built.server.usage, _threads(built), built.others_cpu_s()
        postgres = processes.family_cpu_s(place.postgres_pid) if place.postgres_pid else 0.0
        async with _followed(built) as follow:
            begin = time.monotonic()
            follow(await _blast(built, range(1)))
            await _blast(built, range(1, requests))
            accepted = time.monotonic()
            await built.until_final(sizes.recipients)
            end = time.monotonic()
        after, others = built.server.usage, built.others_cpu_s() - others
        postgres = processes.family_cpu_s(place.postgres_pid) - postgres if place.postgres_pid else 0.0
        charged = (await built.progress()).charged_milli
        if charged != sizes.recipients * PRICE_MILLI:
            raise RuntimeError(f"{charged} charged for {sizes.recipients} messages of {PRICE_MILLI}")
        thousands = sizes.recipients / 1000
        figures = {
            "rate": sizes.recipients / (end - begin),
            "accept_rate": sizes.recipients / (accepted - begin),
            "cpu": (after.cpu_s - before.cpu_s + postgres) / thousands,
            "cpu_server": (after.cpu_s - before.cpu_s) / thousands,
            "rss": after.peak_rss_mb,
            "commits": await built.metric("clarion_store_commits_total"),
            "writes": await built.metric("clarion_store_functions_total"),
            "held": await built.metric("clarion_store_held_seconds_total") / (end - begin),
            "hold_longest": await built.metric("clarion_store_longest_hold_seconds") * 1000,
            "others": others / (end - begin),
        }
        for name, cpu_s in _threads(built).items():
            figures[f"cpu_{name}"] = (cpu_s - threads.get(name, 0.0)) / thousands
    figures |= _lag(built, begin, end)
    return {f"{prefix}_{name}": value for name, value in figures.items()}


async def small(place: Place) -> Figures:
    """The memory of a fresh process that has sent 10,000."""
    async with house(place, Carrier()) as built:
        await _blast(built, range(1))
        await built.until_final(load.REQUEST)
        return {"small_rss": built.server.usage.peak_rss_mb}


async def accepts(place: Place, sizes: Sizes) -> Figures:
    """Requests of 10,000, each on a quiet server; the first one, with everything cold, by itself."""
    load.prepare(sizes.accepts + 1)
    took_ms: list[float] = []
    async with house(place, Carrier()) as built:
        for number in range(sizes.accepts + 1):
            took_s, _ = await load.send_bulk(built.http, built.keys[0], number)
            took_ms.append(took_s * 1000)
            await built.until_final((number + 1) * load.REQUEST)
    cold, *warm = took_ms
    return {"accept_cold": cold, "accept_p50": quantile(warm, 0.5), "accept_p99": quantile(warm, 0.99)}


async def values(place: Place, sizes: Sizes) -> Figures:
    """Requests of 10,000 with two values each, on a quiet server: in turn by organizations that have 100,000 opt-outs and by others."""
    # Ten requests in a quarter of an hour are what an organization has.
    each = -(-(sizes.accepts + 1) // RATE)
    took_ms: dict[bool, list[float]] = {False: [], True: []}
    async with house(place, Carrier(), organizations=2 * each) as built:
        await built.suppress(SUPPRESSED, range(each, 2 * each))
        for number in range(2 * (sizes.accepts + 1)):
            turn, suppressed = divmod(number, 2)
            key = built.keys[turn // RATE + each * suppressed]
            took_ms[bool(suppressed)].append(1000 * await load.send_values(built.http, key, number))
            await built.until_final((number + 1) * load.REQUEST)
    cold, *plain = took_ms[False]
    _, *asked = took_ms[True]
    p50, asked_p50 = quantile(plain, 0.5), quantile(asked, 0.5)
    return {
        "values_cold": cold,
        "values_p50": p50,
        "values_p99": quantile(plain, 0.99),
        "values_suppressed_p50": asked_p50,
        "values_suppressed_more": 100 * (asked_p50 / p50 - 1),
    }


async def singles(place: Place, sizes: Sizes) -> Figures:
    """Single sends, 20 a second, while blasts of 100,000 follow each other: until the answer, and until the SMSC has it."""
    load.prepare(100)
    async with house(place, Carrier(log=True), organizations=8) as built:
        await load.send_single(built.http, built.keys[0], 0, "warm")
        begin, others = time.monotonic(), built.others_cpu_s()
        wave = asyncio.create_task(_wave(built))
        await asyncio.sleep(0.5)
        sent: list[float] = []
        answers = []
        started = time.perf_counter()
        for number in range(sizes.singles):
            await asyncio.sleep(started + number / SINGLES_PER_SECOND - time.perf_counter())
            sent.append(time.time())
            answers.append(asyncio.create_task(load.send_single(built.http, built.keys[0], number, f"single {number}.")))
        answered_ms = [took_s * 1000 for took_s in await asyncio.gather(*answers)]
        end, others = time.monotonic(), built.others_cpu_s() - others
        if wave.done():
            wave.result()  # it ends only by what it raises
        wave.cancel()
        reached_ms = await _reached_ms(built.log_file, sent)
        progress = await built.progress()
    figures = {
        "answered_p50": quantile(answered_ms, 0.5),
        "answered_p99": quantile(answered_ms, 0.99),
        "answered_max": max(answered_ms),
        "wire_p50": quantile(reached_ms, 0.5),
        "wire_p99": quantile(reached_ms, 0.99),
        "wire_max": max(reached_ms),
        "wave_rate": progress.ended / (end - begin),
        "others": others / (end - begin),
    }
    figures |= _lag(built, begin, end)
    return {f"single_{name}": value for name, value in figures.items()}


async def delayed(place: Place, sizes: Sizes) -> Figures:
    """A carrier that answers in 50 ms: how much of window / round trip is reached, between the first and the last tenth."""
    points: list[tuple[float, int]] = []
    async with house(place, Carrier(window=DELAYED_WINDOW, binds=1, answer_delay_ms=DELAY_MS)) as built:
        await _blast(built, range(-(-sizes.delayed // load.REQUEST)))
        async with asyncio.timeout(120):
            while not points or points[-1][1] < sizes.delayed * 0.9:
                points.append((time.perf_counter(), (await built.progress()).ended))
                await asyncio.sleep(0.02)
    begun = next(point for point in points if point[1] >= sizes.delayed * 0.1)
    rate = (points[-1][1] - begun[1]) / (points[-1][0] - begun[0])
    return {"delayed_share": 100 * rate / (DELAYED_WINDOW / (DELAY_MS / 1000))}


async def _blast(built: House, numbers: Sequence[int], key: int = 0) -> str:
    """One request after the other, as a client sends them; the last one's campaign."""
    campaign = ""
    for number in numbers:
        _, campaign = await load.send_bulk(built.http, built.keys[key], number)
    return campaign


@asynccontextmanager
async def _followed(built: House) -> AsyncIterator[Callable[[str], None]]:
    """A progress bar that asks the API beside everything else, once it is told of a campaign."""
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def follow() -> None:
        campaign = await told
        while True:
            await load.read_status(built.http, built.keys[0], campaign)
            await asyncio.sleep(PROGRESS_S)

    following = asyncio.create_task(follow())
    try:
        yield told.set_result
    finally:
        if following.done():
            following.result()
        following.cancel()


async def _wave(built: House) -> None:
    """Blasts of 100,000 by one organization after the other, until cancelled."""
    given = 0
    while True:
        await _blast(built, range(10), given // 100_000 % len(built.keys))
        given += 100_000
        while given - (await built.progress()).ended > WAVE_AHEAD:
            await asyncio.sleep(0.05)


async def _reached_ms(log_file: Path, sent: Sequence[float]) -> list[float]:
    """From the request to the SMSC's log."""
    wanted = {f"single {number}.": number for number in range(len(sent))}
    async with asyncio.timeout(30):
        while True:
            reached: dict[int, float] = {}
            with log_file.open("rb") as lines:
                for line in lines:
                    if b'"single ' in line and line.endswith(b"\n"):
                        record = json.loads(line)
                        reached[wanted[record["text"]]] = (record["at"] - sent[wanted[record["text"]]]) * 1000
            if len(reached) == len(sent):
                return list(reached.values())
            await asyncio.sleep(0.2)


def _threads(built: House) -> dict[str, float]:
    """CPU seconds of the server's event loop and of its writer, where it has one."""
    names = {"MainThread": "loop", "clarion-writer": "writer"}
    pid = built.server.process.pid
    return {names[name]: processes.thread_cpu_s(pid, number) for name, number in built.threads.items() if name in names}


def _lag(built: House, begin: float, end: float) -> Figures:
    lag_ms = read_lag_ms(built.lag_file, begin, end)
    return {"lag_p50": quantile(lag_ms, 0.5), "lag_p99": quantile(lag_ms, 0.99), "lag_max": max(lag_ms)}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
