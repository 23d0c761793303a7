"""What commands print: one JSON object, or tables, times with their zone, money with its currency."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from clarion.store.catalog import Organization

WIDTH = 200
"""Of a table that no terminal shows: nothing is cut off for whoever reads it from a pipe."""

_STEERING = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")
"""C0 but tab and newline, DEL, C1; marks, separators, embeddings, overrides and isolates of bidirectional text."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def say(text: str, *, err: bool = False) -> None:
    """A sentence for people, with names that others chose in it. `err`: on standard error."""
    typer.echo(printable(text), err=err)


def print_json(value: Mapping[str, Any]) -> None:
    """One object on one line of standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | None]], empty: str) -> None:
    """Rows under their headings; a sentence where there are none. A heading that begins with `>` is of numbers."""
    table, count = make_table(columns), 0
    for count, row in enumerate(rows, 1):  # noqa: B007  (the count of them)
        add_row(table, row)
    if not count:
        say(empty)
        return
    make_console().print(table)


def make_console() -> "Console":
    """Standard output, as wide as its terminal."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def make_table(columns: Sequence[str], title: str | None = None) -> "Table":
    """A table in the style of the house."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return table


def add_row(table: "Table", row: Sequence[str | None]) -> None:
    """Cells are plain texts: names that people chose are no markup."""
    from rich.text import Text

    table.add_row(*(Text("" if cell is None else printable(cell)) for cell in row))


def print_facts(facts: Iterable[tuple[str, str | None]]) -> None:
    """Names and values, one a line; what has no value is left out."""
    shown = [(name, value) for name, value in facts if value is not None]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        # What follows a newline stands under the value: it cannot pass for a name.
        lines = printable(value).replace("\n", "\n" + " " * (width + 2))
        typer.echo(f"{name:<{width}}  {lines}")


def printable(text: str) -> str:
    """Text of others for a terminal: what would steer it, or turn the order of what is read, becomes U+FFFD. Lines and tabs stay."""
    return _STEERING.sub("\ufffd", text.replace("\r\n", "\n"))


def count_of(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def iso(at: int | None) -> str | None:
    """A time for programs: ISO 8601 in UTC with milliseconds, None for none."""
    return None if at is None else _datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(at: int | None, zone: str) -> str | None:
    """A time for people, with its zone; None for none."""
    if at is None:
        return None
    when = _datetime(at).astimezone(ZoneInfo(zone))
    # Most zones of the database have no letters, only +08.
    return f"{when:%Y-%m-%d %H:%M:%S} {'UTC' if f'{when:%Z}'[0] in '+-' else ''}{when:%Z}"


def zone_of(organizations: "Iterable[Organization]") -> str:
    """The zone of all times in a list about these: theirs if they share one, else UTC. Its heading names it."""
    zones = {organization.zone for organization in organizations}
    return zones.pop() if len(zones) == 1 else "UTC"


def money(milli: int, currency: str) -> str:
    """`KES 1,234.50`."""
    from clarion.core.money import format_amount

    whole, point, decimals = format_amount(milli, currency).partition(".")
    minus, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{currency} {minus}{int(digits):,}{point}{decimals}"


def amount(milli: int, currency: str) -> str:
    """A decimal string for programs: `1234.50`."""
    from clarion.core.money import format_amount

    return format_amount(milli, currency)


def _datetime(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
