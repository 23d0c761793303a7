"""`clarion messages`: the history of one message."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.broadcasts import message_id
from clarion.cli.database import with_database
from clarion.cli.failures import Failure
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json
from clarion.cli.output import amount, iso, local, money, print_facts, print_json, print_table

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.history import History

app = typer.Typer(help="The history of one message.")

MessageId = Annotated[str, typer.Argument(metavar="ID", help="Of the message, as the API gave it.")]


# More commands of this noun are to come: with a callback Typer keeps the name of a single one.
@app.callback()
def messages() -> None:
    """The history of one message."""


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
            ("Organization", owner.name),
            ("Recipient", f"+{history.recipient}"),
            ("Sender", history.sender or "the carrier's"),
            ("Text", history.text),
            ("State", f"{history.state}{f' ({history.reason})' if history.reason else ''}"),
            ("Carrier", history.carrier),
            ("Reference", history.reference),
            ("Price", f"{money(history.price_milli, owner.currency)}{f', {history.money}' if history.money else ''}"),
        ]
    )
    rows = [(local(event.at, owner.zone), event.what, event.detail, event.carrier, event.reference) for event in history.events]
    print_table(["At", "What", "", "Carrier", "Reference"], rows, "Nothing has happened to it yet.")


def _fields(history: "History", owner: "Organization") -> dict[str, Any]:
    return {
        "id": message_id(history.broadcast, history.offset),
        "broadcast_id": str(history.broadcast),
        "organization": owner.name,
        "recipient": f"+{history.recipient}",
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
