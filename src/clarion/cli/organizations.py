"""`clarion organizations`: tenants, each with keys and a wallet of its own."""

from typing import TYPE_CHECKING, Annotated

import typer

from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, option
from clarion.cli.output import amount, print_facts, print_json, print_table, say
from clarion.cli.senders import sender_id
from clarion.core.names import check_name

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization

app = typer.Typer(help="Tenants, each with keys and a wallet of its own.")

NAME_CHARACTERS_MAX = 200
"""As many as a face takes for one."""

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
Name = Annotated[str, typer.Argument(metavar="NAME", help="As `clarion organizations list` shows it.")]
NewCreditLimit = Annotated[
    str | None, option("--credit-limit", help="How far a postpaid wallet may go below 0.", metavar="AMOUNT", show_default=False)
]
RateLimits = Annotated[
    str | None, option("--rate-limits", help="Whether the APIs' rates hold for it.", metavar="on|off", show_default=False)
]
DefaultSender = Annotated[
    str | None,
    option("--default-sender", help="For requests that name none; empty for the carrier's.", metavar="SENDER", show_default=False),
]
RegisteredSenders = Annotated[
    str | None, option("--registered-senders", help="Whether it may name registered senders only.", metavar="on|off", show_default=False)
]
RefundFailed = Annotated[
    str | None, option("--refund-failed", help="Whether a failed receipt gives the charge back.", metavar="on|off", show_default=False)
]
FailoverUndelivered = Annotated[
    str | None,
    option("--failover-undelivered", help="Whether a failed receipt has the next carrier tried.", metavar="on|off", show_default=False),
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
    from clarion.store import catalog, tenants

    try:
        check_name("An organization", name, NAME_CHARACTERS_MAX)
    except ValueError as error:
        raise Failure(str(error), 2) from None
    if billing not in BILLING:
        raise Failure(f"There is no billing {billing!r}: choose {', '.join(BILLING)}.", 2)
    limit_milli = _limit(credit_limit, currency, billing)
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
        say(f"Made the organization {made.name} ({made.currency}, {made.billing}, region {made.region}, zone {made.zone}).")
        words = ("keys", "create", "--organization", made.name, "--name", "NAME")
        say(f"Next: {next_step(data_dir, database_url, *words)}")


@app.command(
    "set",
    epilog="clarion organizations set Acme --rate-limits off\n\n"
    "clarion organizations set Acme --default-sender ACME --registered-senders on",
)
def change(
    name: Name,
    region: Region = None,
    zone: Zone = None,
    credit_limit: NewCreditLimit = None,
    rate_limits: RateLimits = None,
    default_sender: DefaultSender = None,
    registered_senders: RegisteredSenders = None,
    refund_failed: RefundFailed = None,
    failover_undelivered: FailoverUndelivered = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change an organization. A running server goes by it within two seconds."""
    from clarion.store import catalog, tenants

    _check_place(region, zone)
    changes: dict[str, object] = {
        "region": region,
        "zone": zone,
        "rate_limited": _switch("--rate-limits", rate_limits),
        "registered_senders": _switch("--registered-senders", registered_senders),
        "refunds_failed": _switch("--refund-failed", refund_failed),
        "failover_undelivered": _switch("--failover-undelivered", failover_undelivered),
    }
    changes = {column: value for column, value in changes.items() if value is not None}
    if default_sender is not None:
        changes["default_sender"] = None if default_sender == "" else sender_id("--default-sender", default_sender)

    async def work(runtime: "Runtime") -> "Organization":
        owner = await organization_named(runtime, name)
        if credit_limit is not None:
            changes["limit_milli"] = _limit(credit_limit, owner.currency, owner.billing)
        if not changes:
            raise Failure("There is nothing to change: name what, as `clarion organizations set --help` shows.", 2)
        await runtime.store.write(tenants.change_organization, name, changes)
        return next(each for each in await runtime.store.read(catalog.load_organizations) if each.id == owner.id)

    changed = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(changed))
    else:
        print_facts([(key.replace("_", " ").capitalize(), _shown(value)) for key, value in _fields(changed).items()])


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


def _limit(text: str, currency: str, billing: str) -> int:
    from clarion.core.money import parse_amount

    limit_milli = parse_amount(text, currency)
    if limit_milli and billing != "postpaid":
        raise Failure("A credit limit belongs to --billing postpaid.", 2)
    if limit_milli < 0:
        raise Failure("A credit limit is 0 or more.", 2)
    return limit_milli


def _switch(flag: str, value: str | None) -> bool | None:
    if value not in {None, "on", "off"}:
        raise Failure(f"{flag} is on or off, not {value!r}.", 2)
    return None if value is None else value == "on"


def _shown(value: str | bool | None) -> str:
    return "none" if value is None else str(value) if isinstance(value, str) else "on" if value else "off"


def _check_place(region: str | None, zone: str | None) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from clarion.core.zones import is_country

    if region is not None and not is_country(region):
        raise Failure(f"There is no country {region!r}: --region is a code of ISO 3166, like KE or US.", 2)
    try:
        ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise Failure(f"There is no zone {zone!r}: --zone is a name of the IANA database, like Africa/Nairobi.", 2) from None


def _fields(organization: "Organization") -> dict[str, str | bool | None]:
    return {
        "id": str(organization.public_id),
        "name": organization.name,
        "currency": organization.currency,
        "billing": organization.billing,
        "credit_limit": amount(organization.limit_milli, organization.currency),
        "region": organization.region,
        "zone": organization.zone,
        "default_sender": organization.default_sender,
        "rate_limits": organization.rate_limited,
        "registered_senders": organization.registered_senders,
        "refund_failed": organization.refunds_failed,
        "failover_undelivered": organization.failover_undelivered,
    }
