"""`clarion wallet`: what an organization has, gets and spent."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, option
from clarion.cli.output import amount, iso, local, money, print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.wallets import StatementEntry, ToppedUp, Wallet

app = typer.Typer(help="What an organization has, gets and spent.")

Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="A decimal of its currency, like 1000.00; below 0 is a correction.")]
Limit = Annotated[int, option("--limit", help="How many entries.", min=1, max=10_000)]
Before = Annotated[int | None, option("--before", help="Only entries older than this id: the next page.", metavar="ID", show_default=False)]


@app.command("show", epilog="clarion wallet show --organization Acme")
def show(
    organization: OrganizationName = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Show what is available, and what is held for broadcasts on their way."""
    from clarion.store import wallets

    async def work(runtime: "Runtime") -> "tuple[Organization, Wallet]":
        owner = await organization_named(runtime, organization)
        return owner, await runtime.store.read(wallets.wallet_of, owner.id)

    owner, wallet = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(owner, wallet))
        return
    print_facts(
        [
            ("Organization", owner.name),
            ("Available", money(wallet.available_milli, owner.currency)),
            ("Held", money(wallet.held_milli, owner.currency)),
            ("Billing", owner.billing),
            ("Credit limit", money(owner.limit_milli, owner.currency) if owner.billing == "postpaid" else None),
        ]
    )


# An amount may begin with a minus, which is no option here.
@app.command("top-up", epilog="clarion wallet top-up --organization Acme 5000.00", context_settings={"ignore_unknown_options": True})
def top_up(
    value: Amount,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Put money into a wallet."""
    from clarion.core.money import parse_amount
    from clarion.store import wallets

    async def work(runtime: "Runtime") -> "tuple[Organization, ToppedUp]":
        owner = await organization_named(runtime, organization)
        amount_milli = parse_amount(value, owner.currency)
        if not amount_milli:
            raise Failure("There is nothing to top up: the amount is 0.", 2)
        return owner, await runtime.store.write(wallets.top_up_wallet, owner, amount_milli, runtime.clock.now())

    owner, done = with_database(data_dir, database_url, work)
    if as_json:
        print_json(
            {"id": done.ledger_id, "amount": amount(parse_amount(value, owner.currency), owner.currency)} | _fields(owner, done.wallet)
        )
    else:
        say(f"{owner.name} has {money(done.wallet.available_milli, owner.currency)} available.")


@app.command("statement", epilog="clarion wallet statement --organization Acme --limit 50")
def statement(
    organization: OrganizationName = None,
    limit: Limit = 20,
    before: Before = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the movements of money, the newest first."""
    from clarion.store import wallets

    async def work(runtime: "Runtime") -> "tuple[Organization, list[StatementEntry]]":
        owner = await organization_named(runtime, organization)
        return owner, await runtime.store.read(wallets.statement_of, owner.id, before, limit)

    owner, entries = with_database(data_dir, database_url, work)
    if as_json:
        print_json(
            {"organization": owner.name, "currency": owner.currency, "entries": [_entry(entry, owner.currency) for entry in entries]}
        )
        return
    rows = [
        (
            str(entry.ledger_id),
            local(entry.created_at, owner.zone),
            entry.kind.replace("_", "-"),
            money(entry.amount_milli, owner.currency),
            None if entry.broadcast is None else str(entry.broadcast),
        )
        for entry in entries
    ]
    print_table([">Id", f"At ({owner.zone})", "What", ">Amount", "Broadcast"], rows, f"{owner.name} has no movements yet.")
    if len(entries) == limit:
        words = ("wallet", "statement", "--organization", owner.name, "--before", str(entries[-1].ledger_id))
        say(f"Older ones: {next_step(data_dir, database_url, *words)}")


def _fields(owner: "Organization", wallet: "Wallet") -> dict[str, Any]:
    return {
        "organization": owner.name,
        "organization_id": str(owner.public_id),
        "currency": owner.currency,
        "billing": owner.billing,
        "credit_limit": amount(owner.limit_milli, owner.currency),
        "available": amount(wallet.available_milli, owner.currency),
        "held": amount(wallet.held_milli, owner.currency),
    }


def _entry(entry: "StatementEntry", currency: str) -> dict[str, Any]:
    return {
        "id": entry.ledger_id,
        "at": iso(entry.created_at),
        "kind": entry.kind,
        "amount": amount(entry.amount_milli, currency),
        "broadcast_id": None if entry.broadcast is None else str(entry.broadcast),
    }
