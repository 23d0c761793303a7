"""`clarion messages`: which there are, and the history of one."""

import csv
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.broadcasts import find, message_id
from clarion.cli.database import shown_organizations, with_database
from clarion.cli.failures import Failure
from clarion.cli.moments import moment
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, option
from clarion.cli.output import amount, iso, local, money, print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.history import History
    from clarion.store.message_lists import Listed, Wanted

app = typer.Typer(help="Which messages there are, and the history of one.")

PAGE = 1_000
"""Messages in one read, where all are printed."""

CSV_COLUMNS = (
    "id",
    "broadcast_id",
    "organization",
    "recipient",
    "sender",
    "state",
    "reason",
    "segments",
    "price",
    "currency",
    "accepted_at",
    "updated_at",
    "text",
)

MessageId = Annotated[str, typer.Argument(metavar="ID", help="Of the message, as the API gave it.")]
Number = Annotated[str | None, option("--number", help="Only to this one, in any spelling.", metavar="NUMBER", show_default=False)]
StateName = Annotated[
    list[str] | None, option("--state", help="Only in this state (waiting, sent, delivered, …); may be repeated.", show_default=False)
]
OfBroadcast = Annotated[str | None, option("--broadcast", help="Only of this broadcast.", metavar="ID", show_default=False)]
Since = Annotated[
    str | None, option("--since", help="Only those accepted since then: a date or a time.", metavar="TIME", show_default=False)
]
Until = Annotated[str | None, option("--until", help="Only those accepted before then.", metavar="TIME", show_default=False)]
Limit = Annotated[int | None, option("--limit", help="How many.", min=1, show_default="20, all with --csv")]
Before = Annotated[str | None, option("--before", help="Only older ones than this: the next page.", metavar="ID", show_default=False)]
AsCsv = Annotated[bool, option("--csv", help="Print them as CSV, all of them.")]


@app.command(
    "list",
    epilog="clarion messages list --number 0712345678\n\nclarion messages list --state undelivered --since 2027-01-31 --csv > failed.csv",
)
def show_list(
    organization: OrganizationName = None,
    number: Number = None,
    state: StateName = None,
    broadcast: OfBroadcast = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    before: Before = None,
    as_csv: AsCsv = False,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List messages, the newest first."""
    from clarion.store import message_lists

    most = limit or (None if as_csv else 20)

    async def work(runtime: "Runtime") -> None:
        shown = await shown_organizations(runtime, organization)
        home = shown.owner or next(iter(shown.every.values()), None)
        wanted = await _wanted(runtime, shown.owner, home, shown.zone, number, state, broadcast, since, until)
        before_id = None if before is None else await _id_of(runtime, before)
        found: list[Listed] = []
        writer = _writer() if as_csv else None
        done = 0
        while most is None or done < most:
            page = await runtime.store.read(message_lists.newest, wanted, before_id, min(PAGE, most - done) if most else PAGE)
            if not page:
                break
            done, before_id = done + len(page), page[-1].message_id
            if writer is None:
                found += page
            else:
                listed = [_listed(each, shown.every[each.organization_id]) for each in page]
                writer.writerows([fields[column] for column in CSV_COLUMNS] for fields in listed)
        if not as_csv:
            _print(found, shown.every, shown.zone, full=done == most, as_json=as_json)

    with_database(data_dir, database_url, work)


@app.command("show", epilog="clarion messages show 018f3a2b-4c5d-7e6f-8a9b-0c1d00000001")
def show(message: MessageId, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show everything that happened to a message: accept, attempts, parts, receipts, money."""
    from clarion.core.public_id import parse
    from clarion.store import catalog
    from clarion.store.history import message_history

    parsed = parse(message.strip())
    if parsed is None or not parsed[1]:
        hint = "" if parsed is None else " It is a broadcast's: see `clarion broadcasts show`."
        raise Failure(f"{message!r} is no id of a message: it looks like 018f3a2b-4c5d-7e6f-8a9b-0c1d00000001.{hint}", 2)

    async def work(runtime: "Runtime") -> "tuple[History, Organization]":
        found = await runtime.store.read(message_history, *parsed)
        if found is None:
            raise Failure(f"There is no message {message.strip()}; `clarion broadcasts list` shows what was accepted.")
        every = await runtime.store.read(catalog.load_organizations)
        return found, next(each for each in every if each.id == found.organization_id)

    history, owner = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(history, owner))
        return
    print_facts(
        [
            ("Message", message_id(history.broadcast, history.offset)),
            ("Broadcast", str(history.broadcast)),
            ("Request", history.request_id),
            ("Organization", owner.name),
            ("Recipient", recipient(history.recipient) or "erased"),
            ("Sender", history.sender or "the carrier's"),
            ("Text", history.text),
            ("State", f"{history.state}{f' ({history.reason})' if history.reason else ''}"),
            ("Carrier", history.carrier),
            ("Reference", history.reference),
            ("Price", f"{money(history.price_milli, owner.currency)}{f', {history.money}' if history.money else ''}"),
        ]
    )
    rows = [(local(event.at, owner.zone), event.what, event.detail, event.carrier, event.reference) for event in history.events]
    print_table([f"At ({owner.zone})", "What", "", "Carrier", "Reference"], rows, "Nothing has happened to it yet.")


def _fields(history: "History", owner: "Organization") -> dict[str, Any]:
    return {
        "id": message_id(history.broadcast, history.offset),
        "broadcast_id": str(history.broadcast),
        "request_id": history.request_id,
        "organization": owner.name,
        "recipient": recipient(history.recipient),
        "sender": history.sender,
        "text": history.text,
        "encoding": history.encoding,
        "segments": history.segments,
        "state": history.state,
        "reason": history.reason,
        "attempt": history.attempt,
        "carrier": history.carrier,
        "reference": history.reference,
        "price": amount(history.price_milli, owner.currency),
        "currency": owner.currency,
        "money": history.money or None,
        "events": [
            {"at": iso(event.at), "what": event.what, "detail": event.detail, "carrier": event.carrier, "reference": event.reference}
            for event in history.events
        ],
    }


async def _wanted(
    runtime: "Runtime",
    owner: "Organization | None",
    home: "Organization | None",
    zone: str,
    number: str | None,
    states: list[str] | None,
    broadcast: str | None,
    since: str | None,
    until: str | None,
) -> "Wanted":
    from clarion.core.phone import parse
    from clarion.core.states import State
    from clarion.store.message_lists import Wanted

    digits = None if number is None else parse(number, home.region if home else "ZZ")
    if number is not None and digits is None:
        raise Failure(f"{number!r} is no phone number.", 2)
    for name in states or ():
        if name not in set(State):
            raise Failure(f"There is no state {name!r}: choose {', '.join(State)}.", 2)
    return Wanted(
        organization_id=None if owner is None else owner.id,
        broadcast_id=None if broadcast is None else (await find(runtime, broadcast)).id,
        states=frozenset(states) if states else None,
        numbers=None if digits is None else ((digits, digits),),
        since=None if since is None else moment("--since", since, zone),
        until=None if until is None else moment("--until", until, zone),
    )


async def _id_of(runtime: "Runtime", text: str) -> int:
    from clarion.core.public_id import parse

    parsed = parse(text.strip())
    if parsed is None or not parsed[1]:
        raise Failure(f"--before wants the id of a message, not {text!r}.", 2)
    return (await find(runtime, text)).first_id + parsed[1] - 1


def _writer() -> Any:  # noqa: ANN401  (the csv module names no type)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    return writer


def _print(found: "list[Listed]", owners: "dict[int, Organization]", zone: str, *, full: bool, as_json: bool) -> None:
    if as_json:
        print_json({"messages": [_listed(each, owners[each.organization_id]) for each in found]})
        return
    rows = [
        (
            message_id(each.broadcast, each.offset),
            owners[each.organization_id].name,
            recipient(each.recipient) or "erased",
            each.sender or "the carrier's",
            f"{each.state}{f' ({each.reason})' if each.reason else ''}",
            local(each.created_at, zone),
        )
        for each in found
    ]
    print_table(["Id", "Organization", "Recipient", "Sender", "State", f"Accepted ({zone})"], rows, "There is no such message.")
    if full and rows:
        say(f"Older ones: the same with --before {rows[-1][0]}")


def recipient(number: int) -> str | None:
    """A message's number; None once it was erased."""
    return f"+{number}" if number else None


def _listed(each: "Listed", owner: "Organization") -> dict[str, Any]:
    return {
        "id": message_id(each.broadcast, each.offset),
        "broadcast_id": str(each.broadcast),
        "organization": owner.name,
        "recipient": recipient(each.recipient),
        "sender": each.sender,
        "state": each.state,
        "reason": each.reason,
        "segments": each.segments,
        "price": amount(each.price_milli, owner.currency),
        "currency": owner.currency,
        "accepted_at": iso(each.created_at),
        "updated_at": iso(each.updated_at),
        "text": each.text,
    }
