"""The report: tables for people, and one JSON object for programs."""

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.dominates import Share
from bench.figures import GROUPS, verdict
from rich.console import Console
from rich.table import Table

OTHERS_MAX = 0.2
"""Cores that other programs may take before the figures are theirs, too."""

Values = Mapping[str, Sequence[float]]


def show_machine(console: Console, facts: Mapping[str, str]) -> None:
    """The first lines."""
    for name, value in facts.items():
        console.print(f"[bold]{name}[/] {value}", highlight=False)


def show_group(console: Console, title: str, values: Values) -> None:
    """One table, as far as its figures were measured."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=True)
    for heading, justify in (
        ("", "left"),
        ("median", "right"),
        ("", "left"),
        ("lowest to highest", "right"),
        ("target", "right"),
        ("", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for figure in GROUPS[title]:
        found = values.get(figure.key)
        if not found:
            continue
        word = verdict(figure, found)
        spread = f"{figure.show(min(found))} to {figure.show(max(found))}" if len(found) > 1 else ""
        colour = {"pass": "[green]pass[/]", "fail": "[red]FAIL[/]"}.get(word, "")
        table.add_row(figure.title, figure.show(median(found)), figure.unit, spread, str(figure.target or ""), colour)
    if table.row_count:
        console.print(table, "")


def show_company(console: Console, values: Values) -> None:
    """Say so if the machine was not ours alone: the rates and times above are then those of what was left of it."""
    others = max([0.0, *values.get("road_others", ()), *values.get("single_others", ())])
    if others > OTHERS_MAX:
        console.print(f"[yellow]Other programs took up to {others:.1f} cores meanwhile: CPU seconds hold, rates and times do not.[/]\n")


def show_shares(console: Console, title: str, shares: Sequence[Share]) -> None:
    """What dominates a thread."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_column(justify="right")
    for share in shares:
        table.add_row(f"{100 * share.share:.1f} %", share.name, f"{share.calls:,} calls" if share.calls else "")
    console.print(table, "")


def as_json(facts: Mapping[str, str], rounds: int, values: Values, dominates: Mapping[str, Sequence[Share]]) -> str:
    """The same for programs."""
    figures: dict[str, Any] = {}
    for figure in (figure for group in GROUPS.values() for figure in group):
        if found := values.get(figure.key):
            figures[figure.key] = {
                "title": figure.title.strip(),
                "unit": figure.unit,
                "median": median(found),
                "values": list(found),
                "target": str(figure.target) if figure.target else None,
                "verdict": verdict(figure, found) or None,
            }
    shares = {name: [share._asdict() for share in found] for name, found in dominates.items()}
    return json.dumps({"machine": facts, "rounds": rounds, "figures": figures, "dominates": shares}, indent=2, ensure_ascii=False)
