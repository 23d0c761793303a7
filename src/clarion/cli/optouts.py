"""`clarion optouts`: numbers that an organization must not write to."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, option
from clarion.cli.output import iso, local, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.optouts import OptOut

app = typer.Typer(help="Numbers that an organization must not write to. STOP and START by text change them too.")

SLICE = 500
"""Numbers of a file in one transaction."""

BAD_ROWS_SHOWN = 20

NUMBER_COLUMNS = ("number", "phone", "phone_number", "phonenumber", "mobile", "recipient", "msisdn", "to")
"""Headings of a column with numbers; without one of them the first column has them, and the first row is one of them too."""

Numbers = Annotated[list[str], typer.Argument(metavar="NUMBER…", help="In any spelling.")]
Reason = Annotated[str, option("--reason", help="Why, kept with every message that it stops.", metavar="TEXT")]
ImportReason = Annotated[str, option("--reason", help="Why, where a row does not say.", metavar="TEXT")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV; `-` reads standard input.")]
Limit = Annotated[int, option("--limit", help="How many.", min=1, max=10_000)]
After = Annotated[str | None, option("--after", help="Only numbers behind this one: the next page.", metavar="NUMBER", show_default=False)]


class _Row(NamedTuple):
    """A row of a file: its line, what it has for a number, and its reason if it has one."""

    line: int
    number: str
    reason: str | None


class _Imported(NamedTuple):
    added: int
    known: int
    bad: list[_Row]


@app.command("list", epilog="clarion optouts list --organization Acme")
def show_list(
    organization: OrganizationName = None,
    limit: Limit = 100,
    after: After = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List opt-outs in the order of their numbers."""
    from clarion.store import optouts

    async def work(runtime: "Runtime") -> "tuple[Organization, list[OptOut], int]":
        owner = await organization_named(runtime, organization)
        behind = 0 if after is None else _parse([after], owner)[0]
        read = runtime.store.read
        return owner, await read(optouts.page, owner.id, behind, limit), await read(optouts.count, owner.id)

    owner, found, total = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"organization": owner.name, "total": total, "optouts": [_fields(each) for each in found]})
        return
    rows = [(f"+{each.recipient}", each.reason, local(each.created_at, owner.zone)) for each in found]
    print_table(["Number", "Why", f"Since ({owner.zone})"], rows, f"Nobody has opted out of {owner.name}.")
    if found and len(found) < total:
        words = ("optouts", "list", "--organization", owner.name, "--after", f"+{found[-1].recipient}")
        say(f"{total:,} in all. More: {next_step(data_dir, database_url, *words)}")


@app.command("add", epilog="clarion optouts add 0712345678 +254723456789 --reason 'asked by phone'")
def add(
    numbers: Numbers,
    organization: OrganizationName = None,
    reason: Reason = "by hand",
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Write to these numbers no more. It holds from the next mark on, in the middle of a broadcast too."""
    from clarion.store import optouts

    async def work(runtime: "Runtime") -> "tuple[Organization, list[int], int]":
        owner = await organization_named(runtime, organization)
        digits = _parse(numbers, owner)
        return owner, digits, await runtime.store.write(optouts.add, owner.id, digits, reason, runtime.clock.now())

    owner, digits, added = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"organization": owner.name, "numbers": [f"+{each}" for each in digits], "added": added})
    else:
        say(f"{owner.name} writes no more to {', '.join(f'+{each}' for each in digits)}{'' if added else ', as before'}.")


@app.command("remove", epilog="clarion optouts remove 0712345678 --organization Acme")
def remove(
    numbers: Numbers,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let these numbers be written to again: only if their owners ask for it."""
    from clarion.store import optouts

    async def work(runtime: "Runtime") -> "tuple[Organization, list[int], int]":
        owner = await organization_named(runtime, organization)
        digits = _parse(numbers, owner)
        return owner, digits, await runtime.store.write(optouts.remove, owner.id, digits)

    owner, digits, removed = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"organization": owner.name, "numbers": [f"+{each}" for each in digits], "removed": removed})
    else:
        say(f"{owner.name} may write to {', '.join(f'+{each}' for each in digits)}{' again' if removed else ', as before'}.")


@app.command("import", epilog="clarion optouts import stopped.csv --organization Acme --reason 'list of the old system'")
def import_file(
    file: File,
    organization: OrganizationName = None,
    reason: ImportReason = "import",
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Add the numbers of a CSV file, in any spelling. Rows without a number are reported, with exit code 1; the others are added.

    A column `reason` counts for its row. The same file may be imported again: what is known stays as it is.
    """
    rows = list(_rows(file))
    if not rows:
        raise Failure(f"{file} has no rows.", 2)

    async def work(runtime: "Runtime") -> "tuple[Organization, _Imported]":
        owner = await organization_named(runtime, organization)
        return owner, await _import(runtime, owner, rows, reason, quiet=as_json)

    owner, done = with_database(data_dir, database_url, work)
    if as_json:
        bad = [{"line": row.line, "number": row.number} for row in done.bad]
        print_json({"organization": owner.name, "rows": len(rows), "added": done.added, "known": done.known, "bad": bad})
    else:
        say(f"{owner.name}: {done.added:,} added, {done.known:,} known already, {len(done.bad):,} without a number.")
        for row in done.bad[:BAD_ROWS_SHOWN]:
            say(f"  line {row.line}: {row.number[:60]!r} is no phone number", err=True)
        if len(done.bad) > BAD_ROWS_SHOWN:
            say(f"  and {len(done.bad) - BAD_ROWS_SHOWN:,} more: --json shows all", err=True)
    if done.bad:
        raise typer.Exit(1)


@app.command("export", epilog="clarion optouts export --organization Acme > stopped.csv")
def export(organization: OrganizationName = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None) -> None:
    """Print all opt-outs as CSV, as `import` reads them."""
    from clarion.store import optouts

    async def work(runtime: "Runtime") -> None:
        owner = await organization_named(runtime, organization)
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["number", "reason", "since"])
        after = 0
        while found := await runtime.store.read(optouts.page, owner.id, after, 10_000):
            writer.writerows((f"+{each.recipient}", each.reason, iso(each.created_at)) for each in found)
            after = found[-1].recipient

    with_database(data_dir, database_url, work)


async def _import(runtime: "Runtime", owner: "Organization", rows: list[_Row], reason: str, *, quiet: bool) -> _Imported:
    from rich.progress import Progress

    from clarion.core.phone import parse_many
    from clarion.store import optouts

    added, good, bad = 0, 0, []
    with Progress(disable=quiet or not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("Importing", total=len(rows))
        for start in range(0, len(rows), SLICE):
            part = rows[start : start + SLICE]
            digits = parse_many([row.number for row in part], owner.region)
            bad += [row for row, number in zip(part, digits, strict=True) if number is None]
            by_reason: dict[str, list[int]] = {}
            for row, number in zip(part, digits, strict=True):
                if number is not None:
                    by_reason.setdefault(row.reason or reason, []).append(number)
            for why, numbers in by_reason.items():
                added += await runtime.store.write(optouts.add, owner.id, numbers, why, runtime.clock.now())
                good += len(numbers)
            progress.advance(task, len(part))
    return _Imported(added, good - added, bad)


def _rows(file: Path) -> Iterator[_Row]:
    """The rows of a file; empty ones are left out."""
    try:
        # Spreadsheets put a byte order mark before everything.
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {error}.", 2) from None
    reader = csv.reader(io.StringIO(text, newline=""))
    place, reasons = 0, None
    for number, cells in enumerate(reader):
        names = [cell.strip().lower().replace(" ", "_") for cell in cells]
        if number == 0 and any(name in NUMBER_COLUMNS for name in names):
            place = next(position for position, name in enumerate(names) if name in NUMBER_COLUMNS)
            reasons = names.index("reason") if "reason" in names else None
            continue
        if any(cells):
            why = cells[reasons].strip() if reasons is not None and reasons < len(cells) else ""
            yield _Row(reader.line_num, cells[place].strip() if place < len(cells) else "", why or None)


def _parse(numbers: list[str], owner: "Organization") -> list[int]:
    from clarion.core.phone import parse

    found = []
    for text in numbers:
        digits = parse(text, owner.region)
        if digits is None:
            raise Failure(f"{text!r} is no phone number.", 2)
        found.append(digits)
    return found


def _fields(opt_out: "OptOut") -> dict[str, Any]:
    return {"number": f"+{opt_out.recipient}", "reason": opt_out.reason, "since": iso(opt_out.created_at)}
