"""The report of a run: tables and plots as docs/benchmark.md, tables for a terminal, and one JSON object."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.peers.gateway import Candidate
from bench.peers.plots import Bar, bars
from rich.console import Console
from rich.table import Table

INTRODUCTION = (
    "Every gateway on the same machine, in the same run, against the same simulated SMSC (Clarion's own, in a process by itself, over "
    "loopback)."
)

WHY = (
    "Rates and times go with the speed of the interpreter, which *cores* above tells: the targets were set where that loop took 54 ms. "
    "Nearly all of Clarion's time is Python's, in two threads that share one interpreter; `make bench` prints its shares by file and by "
    "transaction."
)

OTHERS_MAX = 0.2
"""Cores that other programs may take before the figures are theirs, too."""


class Column(NamedTuple):
    """A figure: its key, heading and digits, and the name of its plot, if it has one."""

    key: str
    heading: str
    digits: int = 0
    plot: str = ""
    title: str = ""
    unit: str = ""
    logarithmic: bool = False


class Group(NamedTuple):
    """A table, with what has to be known to read it."""

    title: str
    text: str
    columns: Sequence[Column]


GROUPS = (
    Group(
        "End to end, a carrier that answers at once",
        "From the first request to the last callback (Clarion: the last final state): accepted, submitted, answered, receipt, "
        "told. Two binds with a window of 200 each. CPU and memory are of all processes of a gateway, its database and brokers "
        "included, not those of the simulated SMSC, the client and the receiver of callbacks. Memory is the peak of the sum, "
        "shared pages counted once. *Untold* are receipts of which nobody was told within 15 s of the last one.",
        (
            Column("rate", "messages/s", 0, "rate", "End to end, receipts and callbacks included", "messages/s, more is better"),
            Column("accepted", "accepted/s"),
            Column("cpu", "CPU s per 1,000", 3, "cpu", "CPU for 1,000 messages", "seconds, less is better"),
            Column("memory", "peak MB", 0, "memory", "Peak memory", "MB, less is better"),
            Column("missing", "untold"),
        ),
    ),
    Group(
        "End to end, a carrier that answers in 50 ms",
        "One bind with a window of 200: 4,000 messages/s is all that such a carrier can take. Between the first and the last "
        "tenth. Jasmin has no window, but one message in flight for each connector.",
        (
            Column("delayed_rate", "messages/s", 0, "delayed", "A carrier that answers in 50 ms, one bind", "messages/s, more is better"),
            Column("delayed_share", "% of window ÷ round trip", 1),
        ),
    ),
    Group(
        "A single send while a blast runs",
        "20 a second, while others are accepted without end as fast as the gateway takes them (at most 50,000 ahead of the last "
        "finished one). *Answered* is the HTTP answer, *on the wire* the SMSC's log. Which was not on the wire 20 s after the "
        "last one counts as 20 s.",
        (
            Column("answered_p50", "answered p50, ms", 1),
            Column("answered_p99", "answered p99, ms", 1),
            Column("wire_p50", "on the wire p50, ms", 1),
            Column(
                "wire_p99", "on the wire p99, ms", 1, "single", "A single send behind a blast, on the wire, p99", "ms, less is better", True
            ),
            Column("meanwhile", "blast meanwhile, messages/s"),
        ),
    ),
    Group(
        "kill -9",
        "So many messages are accepted, two seconds later every process of the gateway itself is killed, and started again; "
        "then what the SMSC's log has is counted by recipient. One bind, window 100; the carrier answers in 200 ms (Jasmin: 50 "
        "ms). *Lost* never came to the SMSC, *doubled* came more than once. Clarion sends nothing twice that it may have sent: "
        "what it had marked and not heard of is *named* as `unknown`, by number, and is for its owner to decide; lost and not "
        "named is silent.",
        (
            Column("own_queued", "waiting at the kill"),
            Column("own_lost", "lost", 0, "lost", "Lost by kill -9 of the gateway's own processes", "messages, less is better"),
            Column("own_unknown", "named unknown"),
            Column("own_doubled", "doubled"),
        ),
    ),
    Group(
        "kill -9 with databases and brokers",
        "The same with PostgreSQL, RabbitMQ and Redis killed at the same instant. Of the others the test above has said everything.",
        (
            Column("all_queued", "waiting at the kill"),
            Column("all_lost", "lost"),
            Column("all_unknown", "named unknown"),
            Column("all_doubled", "doubled"),
        ),
    ),
)


class Reach(NamedTuple):
    """What Clarion is meant to reach here."""

    text: str
    target: str
    value: float
    is_met: bool


@dataclass(slots=True)
class Report:
    """A run as far as it has come. `values` by candidate's key and figure, `notes` what went wrong, `absent` who was not measured."""

    facts: Mapping[str, str]
    quick: bool
    rounds: int
    command: str
    candidates: list[Candidate] = field(default_factory=list)
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    others_cores: float = 0.0
    took_s: float = 0.0

    def add(self, candidate: Candidate, figures: Mapping[str, float]) -> None:
        """One trial's."""
        own = self.values.setdefault(candidate.key, {})
        for key, value in figures.items():
            own.setdefault(key, []).append(value)

    def figure(self, candidate: str, key: str) -> float | None:
        """The median."""
        found = self.values.get(candidate, {}).get(key)
        return median(found) if found else None

    def rows(self, group: Group) -> list[tuple[Candidate, list[str]]]:
        """Who has figures in this table."""
        shown = [(candidate, [self._show(candidate, column) for column in group.columns]) for candidate in self.candidates]
        return [(candidate, cells) for candidate, cells in shown if any(cells)]

    def _show(self, candidate: Candidate, column: Column) -> str:
        value = self.figure(candidate.key, column.key)
        return "" if value is None else f"{value:,.{column.digits}f}"


def reaches(report: Report) -> list[Reach]:
    """Clarion's aims in this run, as far as they were measured."""
    sqlite, postgres = "clarion-sqlite", "clarion-postgres"
    rate = report.figure(sqlite, "rate")

    def ratio(value: float | None, of: float | None) -> float | None:
        return value / of if value and of else None

    aims = (
        ("SQLite, messages/s", rate, 35_000, True),
        ("SQLite, CPU s per 1,000", report.figure(sqlite, "cpu"), 0.028, False),
        ("SQLite, times Kannel with no store, a request each", ratio(rate, report.figure("kannel-single", "rate")), 9, True),
        ("SQLite, times Kannel with no store, 100 recipients a request", ratio(rate, report.figure("kannel-memory", "rate")), 9, True),
        ("PostgreSQL, of SQLite's messages/s", ratio(report.figure(postgres, "rate"), rate), 0.6, True),
        ("SQLite, a carrier that answers in 50 ms, % of window ÷ round trip", report.figure(sqlite, "delayed_share"), 95, True),
        ("SQLite, a single send behind a blast, answered p99, ms", report.figure(sqlite, "answered_p99"), 15, False),
        ("SQLite, a single send behind a blast, on the wire p99, ms", report.figure(sqlite, "wire_p99"), 50, False),
    )
    return [
        Reach(text, f"{'≥' if least else '≤'} {target:,g}", value, value >= target if least else value <= target)
        for text, value, target, least in aims
        if value is not None
    ]


def _short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"


def show(console: Console, report: Report) -> None:
    """The tables."""
    for group in GROUPS:
        table = Table(title=group.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        table.add_column("")
        for column in group.columns:
            table.add_column(column.heading, justify="right")
        for candidate, cells in report.rows(group):
            table.add_row(candidate.name, *cells)
        if table.row_count:
            console.print(table, "")
    for reach in reaches(report):
        console.print(f"{'[green]met[/]   ' if reach.is_met else '[red]missed[/]'} {reach.text}: {_short(reach.value)} ({reach.target})")
    for line in _remarks(report):
        console.print(f"[yellow]{line}[/]")


def as_json(report: Report) -> str:
    """The same for programs."""
    candidates = [
        {
            "key": one.key,
            "name": one.name,
            "settings": one.settings,
            "versions": dict(one.versions),
            "figures": report.values.get(one.key, {}),
        }
        for one in report.candidates
    ]
    whole = {
        "machine": dict(report.facts),
        "quick": report.quick,
        "rounds": report.rounds,
        "took_s": report.took_s,
        "others_cores": report.others_cores,
        "absent": report.absent,
        "notes": report.notes,
        "candidates": candidates,
        "reaches": [reach._asdict() for reach in reaches(report)],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def write(report: Report, folder: Path) -> Path:
    """benchmark.md, and its plots in a folder beside it."""
    plots = folder / "benchmark"
    plots.mkdir(parents=True, exist_ok=True)
    parts = [
        "# Clarion beside its peers",
        f"{INTRODUCTION} This page is written by `{report.command}`: do not edit it.",
        *_header(report),
        *(_section(report, group, plots) for group in GROUPS),
        _aims(report),
        _how(report),
    ]
    file = folder / "benchmark.md"
    file.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return file


def _header(report: Report) -> list[str]:
    facts = [f"- **{name}**: {value}" for name, value in report.facts.items()]
    versions: dict[str, str] = {}
    for candidate in report.candidates:
        versions |= candidate.versions
    facts.append(f"- **peers**: {', '.join(f'{name} {version}' for name, version in versions.items()) or 'none'}")
    facts.append(
        f"- **figures**: medians of {report.rounds} (Jasmin, which is slow: of one), latency and kills of one;"
        f" the whole run took {report.took_s / 60:.0f} minutes"
    )
    remarks = "\n".join(f"- {line}" for line in _remarks(report))
    return ["\n".join(facts), remarks]


def _remarks(report: Report) -> list[str]:
    lines = [f"Absent: {name}: {reason}" for name, reason in report.absent.items()] + report.notes
    if report.quick:
        lines.append("This was `--quick`, a tenth of everything: to see that it works, not to quote.")
    if report.others_cores > OTHERS_MAX:
        lines.append(f"Other programs took {report.others_cores:.1f} cores meanwhile: CPU seconds hold, rates and times do not.")
    return lines


def _section(report: Report, group: Group, plots: Path) -> str:
    rows = report.rows(group)
    if not rows:
        return ""
    lines = [f"## {group.title}", "", group.text, ""]
    lines += [f"| | {' | '.join(column.heading for column in group.columns)} |", f"|---|{'---:|' * len(group.columns)}"]
    lines += [f"| {candidate.name} | {' | '.join(cells)} |" for candidate, cells in rows]
    for column in group.columns:
        found = [(one, report.figure(one.key, column.key)) for one in report.candidates]
        drawn = [
            Bar(one.name, value, f"{value:,.{column.digits}f}", one.key.startswith("clarion")) for one, value in found if value is not None
        ]
        if column.plot and drawn:
            (plots / f"{column.plot}.svg").write_text(
                bars(column.title, column.unit, drawn, logarithmic=column.logarithmic), encoding="utf-8"
            )
            lines += ["", f"![{column.title}, {column.unit}](benchmark/{column.plot}.svg)"]
    return "\n".join(lines)


def _aims(report: Report) -> str:
    found = reaches(report)
    if not found:
        return ""
    rows = [f"| {one.text} | {_short(one.value)} | {one.target} | {'met' if one.is_met else '**missed**'} |" for one in found]
    return "\n".join(["## What Clarion is meant to reach", "", WHY, "", "| | here | target | |", "|---|---:|---:|---|", *rows])


def _how(report: Report) -> str:
    lines = ["## How each was set up", "", f"`{report.command}` installs the peers into `.cache/peers` and changes nothing else.", ""]
    for candidate in report.candidates:
        sizes = candidate.sizes
        counts = f"{sizes.messages:,} messages"
        if not candidate.is_variant:
            counts += f", {sizes.delayed:,} with the slow carrier, {sizes.killed:,} for the kill"
        lines.append(f"- **{candidate.name}**: {candidate.settings}. {counts}.")
    return "\n".join(lines)
