"""`clarion prices`: what a segment costs, by prefix."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.carrier_options import prefix_digits
from clarion.cli.customer_prices import EVERYWHERE, paid_told
from clarion.cli.database import organization_named, with_database
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, option
from clarion.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.prices import PaidFor, PriceView

app = typer.Typer(
    help="What a segment costs: the longest prefix counts, then the organization's own, then its currency's, then that of the carrier that "
    "was added first."
)

Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help=f"The numbers it is for, like +254, or `{EVERYWHERE}`.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="A decimal for one segment, like 0.80.")]
Currency = Annotated[str, option("--currency", help="ISO 4217.", metavar="CODE")]
Whose = Annotated[str | None, option("--organization", help="Whose price it is.", metavar="NAME", show_default="everybody's")]


# An amount below 0 begins with a minus, which is no option: it is to be refused as an amount.
@app.command(
    "set",
    epilog="clarion prices set +254 0.80 --currency KES\n\nclarion prices set all 1.20 --currency KES --organization Acme",
    context_settings={"ignore_unknown_options": True},
)
def put(
    prefix: Prefix,
    value: Amount,
    currency: Currency = "KES",
    organization: Whose = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Set a price. What was accepted before keeps its own."""
    from clarion.cli.failures import Failure
    from clarion.core.money import parse_amount, spell_amount
    from clarion.store import prices

    digits = prefix_digits(prefix)
    if parse_amount(value, currency) < 0:
        raise Failure("A price is 0 or more.", 2)

    async def work(runtime: "Runtime") -> int:
        owner = await _owner(runtime, organization)
        if owner is not None and owner.currency != currency:
            raise Failure(
                f"{owner.name} pays in {owner.currency}, so no price in {currency} counts for it: --currency {owner.currency}.", 2
            )
        return await runtime.store.write(prices.put, digits, value, currency, owner)

    made = with_database(data_dir, database_url, work)
    amount = spell_amount(value, currency)
    if as_json:
        print_json({"id": made, "prefix": _spelled(digits), "amount": amount, "currency": currency, "organization": organization})
    else:
        say(f"A segment to {_named(digits)} costs {currency} {amount}{f' for {organization}' if organization else ''}.")


@app.command("list", epilog="clarion prices list --organization Acme")
def show_list(organization: Whose = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List prices: those that were set, and those that carriers brought; one that does not count stands behind another of its prefix."""
    from clarion.store import prices

    async def work(runtime: "Runtime") -> "list[PriceView]":
        owner = await _owner(runtime, organization)
        return await runtime.store.read(prices.views, None if owner is None else owner.id)

    found = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"prices": [_fields(price) for price in found]})
        return
    rows = [
        (
            _named(price.prefix),
            price.amount,
            price.currency or "any",
            price.organization or "everybody",
            price.carrier or "set by hand",
            "yes" if price.counts else "no",
        )
        for price in found
    ]
    print_table(["Numbers", ">Amount", "Currency", "Whose", "From", "Counts"], rows, "There is no price yet: everything is free.")


@app.command("remove", epilog="clarion prices remove +254 --currency KES --organization Acme")
def remove(
    prefix: Prefix,
    currency: Currency = "KES",
    organization: Whose = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take back a price that was set; one that a carrier brought goes with the carrier."""
    from clarion.store import prices

    digits = prefix_digits(prefix)

    async def work(runtime: "Runtime") -> "tuple[int, PaidFor]":
        owner = await _owner(runtime, organization)
        gone = await runtime.store.write(prices.remove, digits, currency, owner)
        return gone, await runtime.store.read(prices.paid_for, digits)

    gone, paid = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"id": gone, "prefix": _spelled(digits), "currency": currency, "organization": organization})
    else:
        whose = f" for {organization}" if organization else ""
        say(f"No price in {currency} is set for {_named(digits)}{whose} any more. {paid_told(paid)}")


async def _owner(runtime: "Runtime", name: str | None) -> "Organization | None":
    return None if name is None else await organization_named(runtime, name)


def _spelled(digits: str) -> str:
    return f"+{digits}" if digits else ""


def _named(digits: str) -> str:
    return _spelled(digits) or "all numbers"


def _fields(price: "PriceView") -> dict[str, Any]:
    return {
        "id": price.id,
        "prefix": _spelled(price.prefix),
        "amount": price.amount,
        "currency": price.currency,
        "organization": price.organization,
        "carrier": price.carrier,
        "counts": price.counts,
    }
