"""The report of a run: tables and plots as docs/benchmark.md, tables for a terminal, and one JSON object."""

import json
from pathlib import Path

from bench.dominates import OTHERS
from bench.peers.aims import WHY, reaches, short
from bench.peers.measured import LOOP, Report, by_thread
from bench.peers.plots import Bar, bars
from bench.peers.tables import GROUPS, Group
from rich.console import Console
from rich.table import Table

INTRODUCTION = (
    "Every gateway on the same machine, in the same run, against the same simulated SMSC (Clarion's own, in a process by itself, over "
    "loopback)."
)

DOMINATES = (
    "The shares of the CPU that Clarion takes on SQLite from the first request to the last final state. Those of the threads are of an "
    "ordinary run. Within the threads they are of a second run under a profiler: of the event loop by file (waits for the interpreter "
    "included; *Python* is its standard library, *compiled* its extensions), of the writer by transaction, under the name of its function."
)

DRAWN = 12
"""Bars; the table has all."""

OTHERS_MAX = 0.2
"""Cores that other programs may take before the figures are theirs, too."""


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
        console.print(
            f"{'[green]met[/]   ' if reach.is_met else '[red]missed[/]'} {reach.text}: {short(reach.value)} ({reach.target}) {reach.why}"
        )
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
        "machine": dict(report.machine.facts),
        "quick": report.quick,
        "rounds": report.rounds,
        "took_s": report.took_s,
        "others_cores": report.others_cores,
        "absent": report.absent,
        "notes": report.notes,
        "candidates": candidates,
        "reaches": [reach._asdict() for reach in reaches(report)],
        "dominates": [part._asdict() for part in report.shares],
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
        _dominates(report, plots),
        _how(report),
    ]
    file = folder / "benchmark.md"
    file.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return file


def _header(report: Report) -> list[str]:
    facts = [f"- **{name}**: {value}" for name, value in report.machine.facts.items()]
    versions: dict[str, str] = {}
    for candidate in report.candidates:
        versions |= candidate.versions
    facts.append(f"- **peers**: {', '.join(f'{name} {version}' for name, version in versions.items()) or 'none'}")
    facts.append(
        f"- **figures**: medians of {report.rounds} (Jasmin, which is slow: of one), latency, kills, imports and shares of one;"
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
    rows = [f"| {one.text} | {short(one.value)} | {one.target} | {'met' if one.is_met else '**missed**'} |" for one in found]
    missed = [f"- {one.text}: {one.why}" for one in found if not one.is_met]
    missed = ["", "Where a target is missed:", "", *missed] if missed else []
    return "\n".join(["## What Clarion is meant to reach", "", WHY, "", "| | here | target | |", "|---|---:|---:|---|", *rows, *missed])


def _dominates(report: Report, plots: Path) -> str:
    if not report.shares:
        return ""
    rows = [f"| {100 * part.share:.1f} % | {part.thread} | {part.name} |" for part in report.shares]
    drawn = [
        Bar(part.name.removeprefix("clarion/"), part.share, f"{100 * part.share:.1f} %", part.thread == LOOP)
        for part in [part for part in report.shares if part.name != OTHERS][:DRAWN]
    ]
    title, unit = "What takes Clarion's CPU on SQLite", "share of all, %; blue: event loop, by file; brown: writer, by transaction"
    (plots / "dominates.svg").write_text(bars(title, unit, drawn), encoding="utf-8")
    threads = ", ".join(f"{thread} {100 * share:.0f} %" for thread, share in by_thread(report.shares).items())
    table = ["| share | thread | |", "|---:|---|---|", *rows]
    return "\n".join(
        ["## What dominates", "", f"{DOMINATES} By thread: {threads}.", "", *table, "", f"![{title}](benchmark/dominates.svg)"]
    )


def _how(report: Report) -> str:
    lines = ["## How each was set up", "", f"`{report.command}` installs the peers into `.cache/peers` and changes nothing else.", ""]
    for candidate in report.candidates:
        sizes = candidate.sizes
        counts = f"{sizes.messages:,} messages"
        if not candidate.is_variant:
            counts += f", {sizes.delayed:,} with the slow carrier, {sizes.killed:,} for the kill"
        lines.append(f"- **{candidate.name}**: {candidate.settings}. {counts}.")
    return "\n".join(lines)
