"""`clarion organizations`: tenants, each with keys and a wallet of its own."""

from typing import TYPE_CHECKING, Annotated

import typer

from clarion.cli.database import with_database
from clarion.cli.failures import Failure
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, option
from clarion.cli.output import amount, print_json, print_table

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization

app = typer.Typer(help="Tenants, each with keys and a wallet of its own.")

BILLING = ("prepaid", "postpaid", "none")

NewName = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")]
Currency = Annotated[str, option("--currency", help="ISO 4217.", metavar="CODE")]
Billing = Annotated[str, option("--billing", help="prepaid, postpaid or none.", metavar="KIND")]
CreditLimit = Annotated[
    str, option("--credit-limit", help="How far a postpaid wallet may go below 0.", metavar="AMOUNT", show_default=False)
]
Region = Annotated[
    str | None, option("--region", help="Where bare numbers are at home (ISO 3166).", metavar="CODE", show_default="by currency")
]
Zone = Annotated[str | None, option("--zone", help="Its IANA zone.", metavar="ZONE", show_default="by region")]


@app.command(
    "create",
    epilog="clarion organizations create Acme\n\nclarion organizations create Zed --currency MYR --billing postpaid --credit-limit 5000.00",
)
def create(
    name: NewName,
    currency: Currency = "KES",
    billing: Billing = "prepaid",
    credit_limit: CreditLimit = "0",
    region: Region = None,
    zone: Zone = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make an organization with an empty wallet."""
    from clarion.core.money import parse_amount
    from clarion.store import catalog, tenants

    if not name.strip():
        raise Failure("An organization needs a name.", 2)
    if billing not in BILLING:
        raise Failure(f"There is no billing {billing!r}: choose {', '.join(BILLING)}.", 2)
    limit_milli = parse_amount(credit_limit, currency)
    if limit_milli and billing != "postpaid":
        raise Failure("A credit limit belongs to --billing postpaid.", 2)
    if limit_milli < 0:
        raise Failure("A credit limit is 0 or more.", 2)
    _check_place(region, zone)
    new = tenants.NewOrganization(name, currency, billing, limit_milli, region, zone)

    async def work(runtime: "Runtime") -> "Organization | None":
        now = runtime.clock.now()
        await runtime.store.write(tenants.create_organization, new, runtime.ids.broadcast(now), now)
        return await runtime.store.read(catalog.load_organization, name)

    made = with_database(data_dir, database_url, work)
    if made is None:
        raise Failure(f"The organization {name!r} was removed while it was made.")
    if as_json:
        print_json(_fields(made))
    else:
        typer.echo(f"Made the organization {made.name} ({made.currency}, {made.billing}, region {made.region}, zone {made.zone}).")
        typer.echo(f"Next: clarion keys create --organization '{made.name}' --name NAME")


@app.command("list", epilog="clarion organizations list --json")
def show_list(data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the organizations."""
    from clarion.store import catalog

    found = with_database(data_dir, database_url, lambda runtime: runtime.store.read(catalog.load_organizations))
    if as_json:
        print_json({"organizations": [_fields(organization) for organization in found]})
        return
    rows = [(each.name, each.currency, each.billing, each.region, each.zone, str(each.public_id)) for each in found]
    print_table(["Name", "Currency", "Billing", "Region", "Zone", "Id"], rows, "There is no organization yet.")


def _check_place(region: str | None, zone: str | None) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from clarion.core.zones import is_country

    if region is not None and not is_country(region):
        raise Failure(f"There is no country {region!r}: --region is a code of ISO 3166, like KE or US.", 2)
    try:
        ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise Failure(f"There is no zone {zone!r}: --zone is a name of the IANA database, like Africa/Nairobi.", 2) from None


def _fields(organization: "Organization") -> dict[str, str]:
    return {
        "id": str(organization.public_id),
        "name": organization.name,
        "currency": organization.currency,
        "billing": organization.billing,
        "credit_limit": amount(organization.limit_milli, organization.currency),
        "region": organization.region,
        "zone": organization.zone,
    }
