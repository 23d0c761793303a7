"""What Clarion is meant to reach, what it reached in a run, and for what it missed the figures that say why."""

from collections.abc import Iterator
from typing import NamedTuple

from bench.peers.measured import Report
from bench.scenarios import DELAY_MS

REFERENCE_LOOP_MS = 54
"""What the loop of `bench.machine` took where the targets were set."""

WHY = (
    f"The targets were set where the loop of *cores* above took {REFERENCE_LOOP_MS} ms: rates and times go with the speed of the "
    "interpreter, in which Clarion spends nearly all of its time."
)

SQLITE, POSTGRES = "clarion-sqlite", "clarion-postgres"
PEERS = {"kannel-single": "Kannel with no store, a request each", "kannel-memory": "Kannel with no store, 100 recipients a request"}

MEMORY_TIMES = 1.3
TIME_TIMES = 1.1
"""A row of a large file against one of a small file."""


class Reach(NamedTuple):
    """What Clarion is meant to reach here. `why` is of what was missed."""

    text: str
    target: str
    value: float
    is_met: bool
    why: str = ""


def reaches(report: Report) -> list[Reach]:
    """Clarion's aims in this run, as far as they were measured."""
    return [*_rates(report), *_times(report), *_imports(report)]


def short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"


def _rates(report: Report) -> Iterator[Reach]:
    rate, cpu = report.figure(SQLITE, "rate"), report.figure(SQLITE, "cpu")
    if rate is None or cpu is None:
        return
    busy = f"Clarion kept {rate * cpu / 1000:.2f} cores busy, of about 1 that its one interpreter can have"
    yield _reach("SQLite, messages/s", rate, 35_000, f"{busy}. {_elsewhere(report, rate, faster=True)}", least=True)
    loop, writer = report.figure(SQLITE, "road_cpu_loop"), report.figure(SQLITE, "road_cpu_writer")
    parts = f"the event loop took {loop:.3f} s in a run of its own, the writer {writer:.3f} s. " if loop and writer else ""
    yield _reach("SQLite, CPU s per 1,000", cpu, 0.028, parts + _elsewhere(report, cpu))
    for peer, name in PEERS.items():
        if (its_rate := report.figure(peer, "rate")) and (its_cpu := report.figure(peer, "cpu")):
            why = f"{busy}, Kannel {its_rate * its_cpu / 1000:.2f}: for a message it takes {its_cpu / cpu:.1f} times the CPU"
            yield _reach(f"SQLite, times {name}", rate / its_rate, 9, why, least=True)
    if (its_rate := report.figure(POSTGRES, "rate")) and (its_cpu := report.figure(POSTGRES, "cpu")):
        why = f"1,000 messages took {its_cpu:.3f} s of CPU, PostgreSQL's processes included, and {cpu:.3f} s on SQLite"
        yield _reach("PostgreSQL, of SQLite's messages/s", its_rate / rate, 0.6, why, least=True)


def _times(report: Report) -> Iterator[Reach]:
    share, round_ms, bare = (report.figure(SQLITE, f"delayed_{figure}") for figure in ("share", "round", "bare"))
    if share is not None and round_ms is not None:
        why = f"a window went round in {round_ms:.1f} ms by the SMSC's log, {DELAY_MS} of them the carrier's"
        why += f"; our client alone, without a database, reached {bare:.1f} % with the same SMSC" if bare else ""
        yield _reach(f"SQLite, a carrier that answers in {DELAY_MS} ms, % of window ÷ round trip", share, 95, why, least=True)
    for text, key, target in (
        ("a single send behind a blast, answered p99, ms", "answered_p99", 15),
        ("a single send behind a blast, on the wire p99, ms", "wire_p99", 50),
        ("accepting 10,000 recipients, p50, ms", "accept_p50", 75),
    ):
        if (value := report.figure(SQLITE, key)) is not None:
            yield _reach(f"SQLite, {text}", value, target, _elsewhere(report, value))


def _imports(report: Report) -> Iterator[Reach]:
    for key, name in ((SQLITE, "SQLite"), (POSTGRES, "PostgreSQL")):
        few, many, few_s, many_s, few_mb, many_mb = (
            report.figure(key, f"import_{figure}") for figure in ("few_rows", "many_rows", "few_s", "many_s", "few_mb", "many_mb")
        )
        if not (few and many and few_s and many_s and few_mb and many_mb):
            continue
        text = f"{name}, importing {many:,.0f} recipients"
        why = f"a row took {1000 * many_s / many:.2f} ms, in the small file {1000 * few_s / few:.2f} ms with the start of the process"
        yield _reach(f"{text}, times the time of {few:,.0f}", many_s / few_s, TIME_TIMES * many / few, why)
        why = f"the process held {many_mb:.0f} MB, with the small file {few_mb:.0f} MB"
        yield _reach(f"{text}, times the peak memory of {few:,.0f}", many_mb / few_mb, MEMORY_TIMES, why)


def _reach(text: str, value: float, target: float, why: str, *, least: bool = False) -> Reach:
    is_met = value >= target if least else value <= target
    return Reach(text, f"{'≥' if least else '≤'} {target:,g}", value, is_met, "" if is_met else f"{why[0].upper()}{why[1:]}.")


def _elsewhere(report: Report, value: float, *, faster: bool = False) -> str:
    """What a figure would be where the targets were set."""
    times = report.machine.loop_ms / REFERENCE_LOOP_MS
    if times <= 1:
        return f"The interpreter is as fast here ({report.machine.loop_ms:.0f} ms) as where the target was set"
    there = value * times if faster else value / times
    return f"If all of it went with the interpreter's speed, it would be {short(there)} where that loop takes {REFERENCE_LOOP_MS} ms"
