"""`clarion broadcasts import`: a broadcast from a file of any length, row by row, with a report of what was not accepted."""

import csv
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.moments import moment
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, flag, option
from clarion.cli.output import amount, count_of, iso, local, money, print_json, print_table, say
from clarion.cli.send import FACE
from clarion.cli.senders import require_registered, sender_id

if TYPE_CHECKING:
    from rich.progress import Progress

    from clarion.core.clock import Timer
    from clarion.core.sheet import Sheet
    from clarion.flow.accept_stream import Fault, Imported, Stream, Tally
    from clarion.flow.order import Order
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization

EPILOG = """clarion broadcasts import --file leads.csv --text 'Hello {name}' --report bad.csv

clarion broadcasts import --file leads.csv --template welcome --at 2027-01-31T18:00 --dry-run"""

ROW_BYTES_MIN = 2
"""A row with anything in it has a character and its end: so many rows a file of a known size can have at most."""

LOOK_S = 1.0
"""How often it is asked whether a server runs beside."""

SPAN = range(1, 1 << 32)
"""Offsets that the public ids of one broadcast's messages can have."""

IMPORT = "IMPORT_"

File = Annotated[
    Path, option("--file", help="CSV in UTF-8 with a header; a column recipient, phone, mobile or number.", prefix=IMPORT, metavar="FILE")
]
Text = Annotated[
    str | None,
    option("--text", help="What it says; {name} is the row's cell in the column name.", prefix=IMPORT, metavar="TEXT", show_default=False),
]
TemplateName = Annotated[
    str | None, option("--template", help="An approved template instead of a text.", prefix=IMPORT, metavar="NAME", show_default=False)
]
Sender = Annotated[str | None, option("--sender", help="Who it is from.", metavar="SENDER", show_default="the organization's default")]
Name = Annotated[str | None, option("--name", help="What to call the broadcast.", prefix=IMPORT, metavar="NAME", show_default=False)]
At = Annotated[str | None, option("--at", help="When to begin: a date or a time.", prefix=IMPORT, metavar="TIME", show_default="now")]
Whole = Annotated[bool, flag("--all-or-nothing", help="Accept nothing if the wallet cannot pay for all.", prefix=IMPORT)]
DryRun = Annotated[bool, flag("--dry-run", help="Only say what would be accepted and what it would cost.", prefix=IMPORT)]
Report = Annotated[
    Path | None,
    option("--report", help="A new file for the rows that were not accepted.", prefix=IMPORT, metavar="FILE", show_default=False),
]


def import_file(
    file: File,
    text: Text = None,
    template: TemplateName = None,
    organization: OrganizationName = None,
    sender: Sender = None,
    name: Name = None,
    at: At = None,
    all_or_nothing: Whole = False,
    dry_run: DryRun = False,
    report: Report = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Accept a broadcast from a file, a row a line. Nothing is sent before the last row was accepted.

    A row without a number, a value or a route is left out and told. Where the money ends, so does the broadcast: exit 1. An import that is
    stopped or cut off is taken back whole, so it may be run again.
    """
    if (text is None) == (template is None):
        raise Failure("Say either --text or --template.", 2)
    if text is not None and not text.strip():
        raise Failure("There is no text to send.", 2)
    if sender is not None:
        sender_id("--sender", sender)

    async def work(runtime: "Runtime") -> "tuple[Organization, Order, Imported]":
        owner = await organization_named(runtime, organization)
        await require_registered(runtime, owner, sender)
        order = await _order(runtime, owner, text, template, sender, name, at)
        with ExitStack() as stack:
            opened = _open(stack, file)
            sheet = _sheet(file, opened)
            stream = _stream(order, sheet, file, opened, all_or_nothing, _beside(runtime.timer, data_dir, database_url))
            told = _Told(stack, opened, file, report, quiet=as_json)
            if not dry_run:
                await _clear_away(runtime, owner)
            return owner, order, await _accept(runtime, stream, told, dry_run=dry_run)

    try:
        owner, order, done = with_database(data_dir, database_url, work)
    except KeyboardInterrupt:
        say("Stopped: nothing is accepted, and nothing is sent.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(_fields(file, owner, order, done, dry_run=dry_run))
    else:
        _tell(file, owner, done, report, next_step(data_dir, database_url, "broadcasts", "watch", str(done.broadcast_id)), dry_run=dry_run)
    if done.tally.is_short or not done.tally.accepted:
        raise typer.Exit(1)


async def _accept(runtime: "Runtime", stream: "Stream", told: "_Told", *, dry_run: bool) -> "Imported":
    from clarion.flow.accept_stream import Imported, accept_stream, rehearse
    from clarion.store import catalog

    known = await runtime.store.read(catalog.load_catalog)
    if dry_run:
        return Imported(None, await rehearse(runtime, known, stream, told), simulated=False)
    return await accept_stream(runtime, known, stream, told)


async def _order(
    runtime: "Runtime", owner: "Organization", text: str | None, template: str | None, sender: str | None, name: str | None, at: str | None
) -> "Order":
    from clarion.core.template import unmatched_brace
    from clarion.flow.accept_stream import LANE
    from clarion.flow.order import Order
    from clarion.store import templates

    not_before = None if at is None else moment("--at", at, owner.zone)
    if not_before is not None and not_before < runtime.clock.now():
        raise Failure(f"--at {local(not_before, owner.zone)} is over.", 2)
    if text is None and template is not None:
        text = await runtime.store.read(templates.approved_text, owner.id, template)
        if text is None:
            found = await runtime.store.read(templates.find, owner.id, template)
            raise Failure(f"The template {found.name!r} is not approved: see `clarion templates approve`.")
    brace = unmatched_brace(text or "")
    if brace is not None:
        partner, where = ("}", "behind") if brace == "{" else ("{", "before")
        raise Failure(f"The text has a {brace} without the {partner} {where} it: the place of a value is written {{name}}.", 2)
    return Order(owner, FACE, LANE, text or "", sender or owner.default_sender, (), partial=True, not_before=not_before, name=name)


def _open(stack: ExitStack, file: Path) -> IO[str]:
    try:
        # What is no UTF-8 spoils its own row only.
        opened = stack.enter_context(file.open(encoding="utf-8", errors="surrogateescape", newline=""))
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.", 2) from None
    if not file.is_file():
        raise Failure(f"{file} is no file of a known length: save it first.", 2)
    return opened


def _sheet(file: Path, opened: IO[str]) -> "Sheet":
    from clarion.core.sheet import NoHeader, Sheet

    try:
        sheet = Sheet(_lines(opened))
    except NoHeader as error:
        raise Failure(f"{file}: {error}", 2) from None
    first, *others = sheet.recipient_columns
    if others:
        say(
            f"The numbers are read from the first of these columns of {file}: {', '.join((first, *others))}. "
            "Rename it if it is the wrong one.",
            err=True,
        )
    return sheet


def _lines(opened: IO[str]) -> Iterator[str]:
    """Of one that is too long for a row the rest is passed over."""
    from clarion.core.sheet import LINE_CHARACTERS_MAX

    while line := opened.readline(LINE_CHARACTERS_MAX):
        yield line
        while len(line) == LINE_CHARACTERS_MAX and not line.endswith(("\n", "\r")):
            line = opened.readline(LINE_CHARACTERS_MAX)


def _stream(
    order: "Order",
    sheet: "Sheet",
    file: Path,
    opened: IO[str],
    all_or_nothing: bool,
    beside: Callable[[], bool],
) -> "Stream":
    from clarion.core.template import Template
    from clarion.flow.accept_stream import Stream

    wanted = tuple(dict.fromkeys(Template(order.text).variables))
    for place in wanted:
        if place not in sheet.columns:
            raise Failure(f"The text wants {{{place}}}, and {file} has no such column; it has {', '.join(sheet.columns)}.", 2)
        if sheet.columns.count(place) > 1:
            raise Failure(f"The text wants {{{place}}}, and {file} has several such columns: rename all but one.", 2)
    rows_max = os.fstat(opened.fileno()).st_size // ROW_BYTES_MIN
    if rows_max not in SPAN:
        raise Failure(f"{file} is too long for one broadcast: split it.", 2)
    return Stream(order, sheet.rows(wanted), rows_max, whole=all_or_nothing, beside=beside)


def _beside(timer: "Timer", data_dir: Path, database_url: str | None) -> Callable[[], bool]:
    """Whether a server writes to the same file: asked now and then, for one may be started or stopped meanwhile."""
    from clarion.store.engine import is_sqlite, sqlite_path
    from clarion.store.sqlite import is_folder_locked
    from clarion.wiring.opening import database_url as url_of

    url = url_of(data_dir, database_url)
    if not is_sqlite(url):
        return lambda: False
    folder, looked_at, answer = sqlite_path(url).parent, float("-inf"), False

    def look() -> bool:
        nonlocal looked_at, answer
        if timer.monotonic() - looked_at >= LOOK_S:
            looked_at, answer = timer.monotonic(), is_folder_locked(folder)
        return answer

    return look


async def _clear_away(runtime: "Runtime", owner: "Organization") -> None:
    """Take back what earlier imports left that were cut off, and tell of those that may still run."""
    from clarion.flow.sweep import ABANDONED_MICROS
    from clarion.store import broadcasts, imports

    now = runtime.clock.now()
    while await runtime.store.write(broadcasts.drop_abandoned, now - ABANDONED_MICROS, now):
        pass
    for each in await runtime.store.read(imports.unfinished, owner.id, FACE):
        say(
            f"Another import, begun {local(each.created_at, owner.zone)}, has not ended; {count_of(each.messages, 'row')}, the last one "
            f"{local(each.touched_at, owner.zone)}. If it was cut off, nothing of it is sent, and ten minutes later its money is back.",
            err=True,
        )


class _Told:
    """The report and the progress bar."""

    def __init__(self, stack: ExitStack, opened: IO[str], file: Path, report: Path | None, *, quiet: bool) -> None:
        self._opened = opened
        self._writer = None if report is None else _writer(stack, report)
        self._bar: Progress | None = None
        if not quiet and sys.stderr.isatty():
            self._bar = stack.enter_context(_bar())
            self._task = self._bar.add_task(file.name, total=os.fstat(opened.fileno()).st_size, accepted="0")

    def fault(self, fault: "Fault") -> None:
        """Of `accept_stream.Told`."""
        if self._writer is not None:
            self._writer.writerow(fault)

    def progress(self, tally: "Tally") -> None:
        """Of `accept_stream.Told`."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self._opened.buffer.tell(), accepted=f"{tally.accepted:,}")  # type: ignore[attr-defined]


def _writer(stack: ExitStack, report: Path) -> Any:  # noqa: ANN401  (the csv module names no type)
    try:
        opened = stack.enter_context(report.open("x", encoding="utf-8", newline=""))
    except FileExistsError:
        raise Failure(f"{report} exists already; name another file for --report.", 2) from None
    except OSError as error:
        raise Failure(f"{report} cannot be written: {error.strerror}.", 2) from None
    writer = csv.writer(opened, lineterminator="\n")
    writer.writerow(("line", "value", "reason"))
    return writer


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[accepted]} accepted"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def _tell(file: Path, owner: "Organization", done: "Imported", report: Path | None, watch: str, *, dry_run: bool) -> None:
    from clarion.core.sheet import UNMATCHED_QUOTE

    tally = done.tally
    counted, cost = count_of(tally.rows, "row"), f"{count_of(tally.segments, 'segment')}, {money(tally.amount_milli, owner.currency)}"
    if not tally.accepted:
        say(f"Nothing {'would be' if dry_run else 'was'} accepted: {_why_nothing(file, tally)}")
    elif dry_run:
        say(f"{tally.accepted:,} of {counted} would be accepted, {cost}. Nothing was accepted.")
    else:
        say(f"Accepted {tally.accepted:,} of {counted} as {done.broadcast_id}: {cost}.")
    if tally.is_short:
        left, what = money(tally.available_milli, owner.currency), "all of them" if tally.payable else "the next row"
        say(f"{owner.name} has {left}{'' if tally.payable else ' left'}, too little for {what}: `clarion wallet top-up` adds more.")
    reasons = sorted(tally.reasons.items(), key=lambda each: -each[1])
    if reasons:
        print_table(["Not accepted", ">Rows"], [(reason, f"{count:,}") for reason, count in reasons], "")
        if report is not None:
            say(f"Each of them is in {report}.")
        elif not dry_run:
            say("With --report FILE each of them is written down.")
    if UNMATCHED_QUOTE in tally.reasons:
        say(f"{UNMATCHED_QUOTE}: a quote without its partner in its line. A cell of several lines is not read: each line is a row.")
    if done.broadcast_id is not None:
        say(f"Watch it: {watch}")


def _why_nothing(file: Path, tally: "Tally") -> str:
    counted = count_of(tally.rows, "row")
    if not tally.rows:
        return f"{file} has no row below its header. Write a recipient into each line there."
    if tally.payable:
        return f"the money lasts for {tally.payable:,} of {counted}, and all were asked for."
    if tally.is_short:
        return f"the money lasts for none of {counted}."
    return f"{file} has {counted}, and none that can be sent. Mend what follows, and import it again."


def _fields(file: Path, owner: "Organization", order: "Order", done: "Imported", *, dry_run: bool) -> dict[str, Any]:
    tally = done.tally
    return {
        "id": None if done.broadcast_id is None else str(done.broadcast_id),
        "organization": owner.name,
        "file": str(file),
        "dry_run": dry_run,
        "rows": tally.rows,
        "accepted": tally.accepted,
        "not_accepted": dict(tally.reasons),
        "segments": tally.segments,
        "amount": amount(tally.amount_milli, owner.currency),
        "available": amount(tally.available_milli, owner.currency),
        "currency": owner.currency,
        "money_ended": tally.is_short,
        "scheduled_at": iso(order.not_before),
        "simulated": done.simulated,
    }
