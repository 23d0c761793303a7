"""`clarion send`: one text from the command line, down the same road as the API's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.broadcasts import message_id
from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, option
from clarion.cli.output import money, print_json, say
from clarion.cli.senders import require_registered, sender_id
from clarion.core.carrier_url import only_receives

if TYPE_CHECKING:
    from clarion.flow.order import Accepted, Rejection
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.history import History

EPILOG = """clarion send 0712345678 'Your parcel is here'

clarion send +254712345678 'Your parcel is here' --sender ACME --wait-s 0"""

FACE = "cli"

LOOK_S = 0.2
"""Between two looks at what became of it."""

ENDED = frozenset({"delivered", "undelivered", "refused", "suppressed", "expired", "cancelled", "undetermined"})

NOT_SENT = frozenset({"waiting", "retry"})

TOLD = {
    "invalid_number": "{recipient} is no phone number.",
    "opted_out": "+{number} has opted out of {organization}: `clarion optouts list` shows since when.",
    "no_route": "No carrier takes +{number} from this sender: `clarion carriers list` shows who takes what.",
    "too_long": "The text has too many segments.",
    "insufficient_balance": "{organization} has {available}, and this costs {required}: see `clarion wallet top-up`.",
}

Recipient = Annotated[str, typer.Argument(metavar="NUMBER", help="In any spelling.")]
Words = Annotated[str, typer.Argument(metavar="TEXT", help="What it says.")]
SenderOption = Annotated[
    str | None, option("--sender", help="Who it is from.", metavar="SENDER", show_default="the organization's default")
]
Wait = Annotated[float, option("--wait-s", help="How long to wait for what becomes of it.", min=0, max=3600)]


def send(
    recipient: Recipient,
    words: Words,
    organization: OrganizationName = None,
    sender: SenderOption = None,
    wait_s: Wait = 20.0,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Send one text. It is accepted here, and sent by a running server; exit 1 if it was refused or did not arrive."""
    if not words.strip():
        raise Failure("There is no text to send.", 2)
    if sender is not None:
        sender_id("--sender", sender)

    async def work(runtime: "Runtime") -> "tuple[Accepted, History | None, str, Organization]":
        owner = await organization_named(runtime, organization)
        accepted = await _accept(runtime, owner, recipient, words, sender)
        if accepted.rejections:
            raise Failure(_why(accepted.rejections[0], accepted, owner))
        history = await _outcome(runtime, accepted, wait_s)
        lacking = await _lacking(runtime, data_dir, database_url) if history is None or history.state in NOT_SENT else ""
        return accepted, history, lacking, owner

    accepted, history, lacking, owner = with_database(data_dir, database_url, work)
    state = "waiting" if history is None else history.state
    if as_json:
        print_json(_fields(accepted, history, owner))
    else:
        number = f"+{accepted.numbers[0]}"
        shown = next_step(data_dir, database_url, "messages", "show", message_id(accepted.broadcast_id, accepted.offsets[0]))
        say(f"{number}: {_told(history, lacking)}. Its history: {shown}")
    if state in ENDED - {"delivered"}:
        raise typer.Exit(1)


async def _accept(runtime: "Runtime", owner: "Organization", recipient: str, words: str, sender: str | None) -> "Accepted":
    from clarion.flow.accept import accept
    from clarion.flow.order import Order
    from clarion.store import catalog

    await require_registered(runtime, owner, sender)
    order = Order(owner, FACE, 0, words, sender or owner.default_sender, [recipient], partial=True)
    return await accept(runtime, await runtime.store.read(catalog.load_catalog), order)


async def _outcome(runtime: "Runtime", accepted: "Accepted", wait_s: float) -> "History | None":
    """What is known of the message once it has ended, or when the wait is over."""
    from clarion.store.history import message_history

    until = runtime.timer.monotonic() + wait_s
    while True:
        history = await runtime.store.read(message_history, accepted.broadcast_id, accepted.offsets[0])
        if history is None or history.state in ENDED or runtime.timer.monotonic() >= until:
            return history
        await runtime.timer.sleep(LOOK_S)


def _why(rejection: "Rejection", accepted: "Accepted", owner: "Organization") -> str:
    text = TOLD.get(rejection.reason, f"It was refused: {rejection.reason}.")
    return text.format(
        recipient=repr(accepted.recipients[0]),
        number=accepted.numbers[0],
        organization=owner.name,
        available=money(rejection.available_milli, owner.currency),
        required=money(rejection.required_milli, owner.currency),
    )


async def _lacking(runtime: "Runtime", data_dir: Path, database_url: str | None) -> str:
    """What is known to keep a message from going out; "" where nothing is."""
    from clarion.cli.carrier_list import read_carriers

    sending = [each for each in await read_carriers(runtime, data_dir, database_url) if not only_receives(each.url)]
    if any(bind.state == "bound" for carrier in sending for bind in carrier.binds):
        return ""
    return ": no carrier is bound. A server has to be running, and `clarion carriers list` shows how its carriers are"


def _told(history: "History | None", lacking: str) -> str:
    if history is None or history.state in NOT_SENT:
        return f"accepted, and not sent yet{lacking}"
    return f"{history.state}{f' ({history.reason})' if history.reason else ''}"


def _fields(accepted: "Accepted", history: "History | None", owner: "Organization") -> dict[str, Any]:
    from clarion.cli.output import amount

    return {
        "id": message_id(accepted.broadcast_id, accepted.offsets[0]),
        "broadcast_id": str(accepted.broadcast_id),
        "organization": owner.name,
        "recipient": f"+{accepted.numbers[0]}",
        "sender": accepted.sender,
        "simulated": accepted.simulated,
        "state": "waiting" if history is None else history.state,
        "reason": None if history is None else history.reason,
        "segments": None if history is None else history.segments,
        "price": None if history is None else amount(history.price_milli, owner.currency),
        "currency": owner.currency,
    }
