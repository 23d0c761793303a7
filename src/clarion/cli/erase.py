"""`clarion messages erase`: a person is forgotten."""

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, Yes, option
from clarion.cli.output import print_facts, print_json, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.erasure import Traces

EPILOG = """clarion messages erase --recipient +254712345678

clarion messages erase --recipient 0712345678 --organization Acme --yes"""

Recipient = Annotated[str, option("--recipient", help="Whose number, in any spelling.", metavar="NUMBER")]
OfOrganization = Annotated[
    str | None, option("--organization", help="Only what this one knows of the person.", metavar="NAME", show_default="all of them")
]


class _Erased(NamedTuple):
    """How many rows of each kind; `left_received`: texts and receipts that came in are other organizations' too."""

    messages: int
    contacts: int
    rejects: int
    inbound: int
    orphans: int
    left_received: bool


def erase(
    recipient: Recipient,
    organization: OfOrganization = None,
    yes: Yes = False,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Erase a person's number and texts, wherever they are; totals, money and opt-outs stay. There is no way back.

    Messages that have not ended are left, and told: exit 1. Backups and reports are files of yours, which keep what they have.
    """
    from clarion.store import catalog, erasure

    async def work(runtime: "Runtime") -> "tuple[int, Traces, _Erased]":
        owners = await runtime.store.read(catalog.load_organizations)
        meant = owners if organization is None else [await organization_named(runtime, organization)]
        number = _number(recipient, meant)
        ids = [owner.id for owner in meant]
        sent_before = erasure.receipts_before(runtime.clock.now())
        before = await runtime.store.read(erasure.traces, number, ids, sent_before)
        if not yes:
            known = f"{before.ended + before.open:,} messages and {before.contacts:,} contacts"
            typer.confirm(f"Erase +{number} for good ({known}, and what came in)?", abort=True)
        return number, before, await _erase(runtime, number, ids, sent_before, left_received=before.others)

    number, before, done = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(number, before, done))
    else:
        _tell(number, before, done)
    if before.open:
        raise typer.Exit(1)


async def _erase(runtime: "Runtime", number: int, ids: list[int], sent_before: int, *, left_received: bool) -> _Erased:
    from clarion.store import erasure

    store = runtime.store
    messages = rejects = 0
    while count := await store.write(erasure.erase_messages, number, ids, sent_before):
        messages += count
    contacts = await store.write(erasure.erase_contacts, number, ids)
    after: tuple[int, ...] | None = None
    while True:
        found = await store.read(erasure.find_rejects, number, ids, after)
        rejects += await store.write(erasure.erase_rejects, found.keys) if found.keys else 0
        if (after := found.after) is None:
            break
    received = dict.fromkeys(("inbound", "orphans"), 0)
    for table in received if not left_received else ():
        after = None
        while True:
            found = await store.read(erasure.find_received, table, number, after)
            received[table] += await store.write(erasure.erase_received, table, found.keys) if found.keys else 0
            if (after := found.after) is None:
                break
    return _Erased(messages, contacts, rejects, received["inbound"], received["orphans"], left_received)


def _number(text: str, owners: "list[Organization]") -> int:
    """A national form must mean one number only."""
    from clarion.core.phone import parse

    readings = {number for region in {owner.region for owner in owners} or {"ZZ"} if (number := parse(text, region)) is not None}
    if not readings:
        raise Failure(f"{text!r} is no phone number.", 2)
    if len(readings) > 1:
        shown = " or ".join(f"+{number}" for number in sorted(readings))
        raise Failure(f"{text!r} may be {shown}: write it with its plus.", 2)
    return readings.pop()


def _tell(number: int, before: "Traces", done: _Erased) -> None:
    print_facts(
        [
            ("Erased", f"+{number}"),
            ("Messages", f"{done.messages:,}"),
            ("Contacts", f"{done.contacts:,}"),
            ("Refused recipients", f"{done.rejects:,}"),
            ("Texts received", f"{done.inbound:,}"),
            ("Receipts", f"{done.orphans:,}"),
            (
                "Opt-outs",
                f"{before.opt_outs:,} kept: nothing is sent to the number" if before.opt_outs else "none: the number may be written to",
            ),
        ]
    )
    if done.left_received:
        say("Texts and receipts that came in were left: other organizations know the number too. Without --organization they go.")
    if before.open:
        say(
            f"{before.open:,} messages were left, for they have not ended or were sent in the last seven days, and a receipt may come. "
            "`clarion optouts add` stops what is not sent; run this again later.",
            err=True,
        )


def _fields(number: int, before: "Traces", done: _Erased) -> dict[str, Any]:
    return {"recipient": f"+{number}", **done._asdict(), "opt_outs_kept": before.opt_outs, "messages_left": before.open}
