"""`clarion senders`: the sender ids that an organization has registered."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, option
from clarion.cli.output import iso, local, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.senders import Sender

app = typer.Typer(
    help="The sender ids that an organization has registered. `organizations set --registered-senders on` makes them the only ones."
)

NETWORKS = ("safaricom", "airtel", "telkom", "faiba", "other")

SENDER = re.compile(r"\+?[0-9]{1,15}|(?=.{0,10}[A-Za-z])[!-Z_a-z](?:[ -Z_a-z]{0,9}[!-Z_a-z])?")
"""A number, or a name of up to 11 characters of GSM's basic alphabet with a letter among them (3GPP TS 23.040 9.1.2.5)."""

SenderId = Annotated[str, typer.Argument(metavar="SENDER", help="A name of up to 11 characters, or a number.")]
Kind = Annotated[str, option("--kind", help="transactional or promotional.", metavar="KIND")]
NetworkName = Annotated[
    str | None, option("--network", help=f"The one that it is for ({', '.join(NETWORKS)}).", metavar="NAME", show_default="all")
]


@app.command("add", epilog="clarion senders add ACME --organization Acme --kind promotional")
def add(
    sender: SenderId,
    organization: OrganizationName = None,
    kind: Kind = "transactional",
    network: NetworkName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Register a sender id."""
    from clarion.store import senders

    sender_id("SENDER", sender)
    if kind not in senders.KINDS:
        raise Failure(f"There is no kind {kind!r}: choose {' or '.join(senders.KINDS)}.", 2)
    if network is not None and network not in NETWORKS:
        raise Failure(f"There is no network {network!r}: choose {', '.join(NETWORKS)}.", 2)

    async def work(runtime: "Runtime") -> "tuple[Organization, int]":
        owner = await organization_named(runtime, organization)
        return owner, await runtime.store.write(senders.add, owner.id, sender, kind, network, runtime.clock.now())

    owner, made = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"id": made, "organization": owner.name, "sender": sender, "kind": kind, "network": network})
    else:
        say(f"{owner.name} may send as {sender}.")


@app.command("list", epilog="clarion senders list --organization Acme")
def show_list(
    organization: OrganizationName = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """List the registered sender ids of an organization."""
    from clarion.store import senders

    async def work(runtime: "Runtime") -> "tuple[Organization, list[Sender]]":
        owner = await organization_named(runtime, organization)
        return owner, await runtime.store.read(senders.of_organization, owner.id)

    owner, found = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"organization": owner.name, "registered_only": owner.registered_senders, "senders": [_fields(each) for each in found]})
        return
    rows = [(each.sender, each.kind, each.network or "all", local(each.created_at, owner.zone)) for each in found]
    print_table(["Sender", "Kind", "Network", f"Registered ({owner.zone})"], rows, f"{owner.name} has registered no sender.")
    rule = "It may send as these only." if owner.registered_senders else "It may send as any legal sender."
    say(rule)


@app.command("remove", epilog="clarion senders remove ACME --organization Acme")
def remove(
    sender: SenderId,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take a registration away. What was accepted before goes out."""
    from clarion.store import senders

    async def work(runtime: "Runtime") -> "tuple[Organization, int]":
        owner = await organization_named(runtime, organization)
        return owner, await runtime.store.write(senders.remove, owner.id, sender)

    owner, gone = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"id": gone, "organization": owner.name, "sender": sender})
    else:
        say(f"{sender} is no longer registered for {owner.name}.")


def sender_id(flag: str, text: str) -> str:
    """A sender id that carriers take. Raises Failure."""
    if SENDER.fullmatch(text) is None:
        raise Failure(f"{flag} {text!r} is no sender id: up to 11 plain characters with a letter among them, or up to 15 digits.", 2)
    return text


def _fields(sender: "Sender") -> dict[str, Any]:
    return {
        "id": sender.id,
        "sender": sender.sender,
        "kind": sender.kind,
        "network": sender.network,
        "created_at": iso(sender.created_at),
    }


async def require_registered(runtime: "Runtime", owner: "Organization", sender: str | None) -> None:
    """Raises Failure for a sender that an organization has not registered, where it may only send under those."""
    from clarion.core.sender import same_sender
    from clarion.store import senders

    if sender is None or not owner.registered_senders or sender == owner.default_sender:
        return
    known = [each.sender for each in await runtime.store.read(senders.of_organization, owner.id)]
    if same_sender(sender) not in {same_sender(each) for each in known}:
        raise Failure(f"{owner.name} has not registered the sender {sender!r}; it has {', '.join(known) or 'none'}.", 2)
