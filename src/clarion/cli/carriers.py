"""`clarion carriers`: who takes the messages, over which connection, for which numbers and at what price."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clarion.cli.carrier_list import fields, prices_of, print_carriers, read_carriers, senders_of, shown_url, unknown_of
from clarion.cli.carrier_options import (
    CarrierName,
    Cost,
    NewCost,
    NewPasswordFile,
    NewPrefix,
    NewPrice,
    NewSenders,
    NewUnknownAfter,
    NewUnknownPolicy,
    NewUrl,
    NewWeight,
    PasswordFile,
    Prefix,
    Price,
    Senders,
    UnknownAfter,
    UnknownPolicy,
    Url,
    Weight,
    check_amounts,
    check_carrier_name,
    parse_senders,
    parse_unknown_after,
    parse_unknown_policy,
    password_in,
    prefix_digits,
)
from clarion.cli.customer_prices import PricesMoved, numbers, prices_around, tell_prices, warn_of_price
from clarion.cli.database import with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, Yes
from clarion.cli.output import print_json, print_table, say, zone_of
from clarion.core.carrier_url import only_receives
from clarion.core.routes import Routing

if TYPE_CHECKING:
    from clarion.carriers.smpp.probe import ProbeResult
    from clarion.runtime import Runtime
    from clarion.store.carriers import CarrierView, Removed

app = typer.Typer(help="Who takes the messages, for which numbers, at what price.")

RECEIVES = "It only receives (bind=receiver): texts and receipts come in over it, and no message is ever sent to it."


@app.command(
    "add",
    epilog="clarion carriers add north 'smpp://acme@smsc.example.net:2775?window=200&rate=100' "
    "--password-file north.password --price 1.00 --prefix +254\n\n"
    "clarion carriers add south 'smpps://acme@smsc.example.net:3550?ca=/etc/clarion/south.pem' --password-file south.password\n\n"
    "clarion carriers add west 'smpp://acme@smsc.example.net?long=udh16&alphabet=latin1&source_ton=3&receipt=last'\n\n"
    "clarion carriers add replies 'smpp://acme@smsc.example.net?bind=receiver'\n\n"
    "clarion carriers add east 'smpp://acme@smsc.example.net' --prefix +254 --weight 3 --senders names,short\n\n"
    "Settings of a URL: bind=transceiver|transmitter|receiver|pair, binds=1, window=200, rate=0, sender=, system_type=, enquire=30, "
    "answer_timeout=60, umr=0|1, long=udh8|udh16|sar|payload, alphabet=gsm7|latin1|ascii, receipt=each|last, source_ton=, source_npi=, "
    "dest_ton=1, dest_npi=1, ca= (with smpps://). The README has what each means.",
)
def add(
    name: CarrierName,
    url: Url,
    price: Price = None,
    cost: Cost = None,
    prefix: Prefix = "",
    weight: Weight = 1,
    senders: Senders = "any",
    unknown_after: UnknownAfter = "72h",
    unknown_policy: UnknownPolicy = "close",
    password_file: PasswordFile = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Add a carrier. A running server connects to it within two seconds."""
    from clarion.carriers.smpp.settings import parse_url, url_without_password
    from clarion.store import carriers

    check_carrier_name(name)
    settings = parse_url(url, password_in(password_file))
    check_amounts(price, cost)
    _check_price_fits(url, price)
    kinds = parse_senders(senders)
    after_s, policy = parse_unknown_after(unknown_after), parse_unknown_policy(unknown_policy)
    bare, digits = url_without_password(url), prefix_digits(prefix)
    new = carriers.NewCarrier(name, bare, settings.password, digits, price, cost, weight, kinds, after_s, policy)

    async def work(runtime: "Runtime") -> "tuple[CarrierView, list[PricesMoved]]":
        carrier_id, moved = await prices_around(
            runtime, name, digits, lambda: runtime.store.write(carriers.add_carrier, new, runtime.clock.now())
        )
        return await _shown(runtime, carrier_id), moved

    made, moved = with_database(data_dir, database_url, work)
    if as_json:
        print_json(fields(made))
    elif only_receives(made.url):
        say(f"Added the carrier {name}. {RECEIVES}")
    else:
        say(f"Added the carrier {name} for {numbers(digits)}.")
        tell_prices(moved, data_dir, database_url, always=True, meant=price is not None)
    if settings.long_login:
        say(settings.long_login, err=True)
    if not as_json:
        say(f"Next: {next_step(data_dir, database_url, 'carriers', 'test', name)}")
    _warn(made, moved, data_dir, database_url)


@app.command(
    "set",
    epilog="clarion carriers set north --price 1.20 --cost 0.70\n\n"
    "clarion carriers set north --weight 0 --senders any\n\n"
    "clarion carriers set north --prefix +255\n\n"
    "clarion carriers set north --unknown-after 3d --unknown-policy resend\n\n"
    "clarion carriers set north --url 'smpp://acme@smsc.example.net:2775?window=500&rate=300'",
)
def change(
    name: CarrierName,
    url: NewUrl = None,
    prefix: NewPrefix = None,
    price: NewPrice = None,
    cost: NewCost = None,
    weight: NewWeight = None,
    senders: NewSenders = None,
    unknown_after: NewUnknownAfter = None,
    unknown_policy: NewUnknownPolicy = None,
    password_file: NewPasswordFile = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change a carrier. A running server goes by it within two seconds; a window or a rate needs no new connection."""
    from clarion.carriers.smpp.settings import parse_url, url_without_password
    from clarion.store import carriers

    if (url, prefix, price, cost, weight, senders, unknown_after, unknown_policy, password_file) == (None,) * 9:
        raise Failure("There is nothing to change: name what, as `clarion carriers set --help` shows.", 2)
    password = password_in(password_file)
    check_amounts(price, cost)
    if url is not None:
        password = parse_url(url, password).password or password
    digits = None if prefix is None else prefix_digits(prefix)
    kinds = None if senders is None else parse_senders(senders) or ()
    after_s = None if unknown_after is None else parse_unknown_after(unknown_after)
    policy = None if unknown_policy is None else parse_unknown_policy(unknown_policy)

    async def work(runtime: "Runtime") -> "tuple[CarrierView, list[PricesMoved]]":
        login = await runtime.store.read(carriers.carrier_login, name)
        given = _password_for(name, login, url, password)
        _check_price_fits(url or login[0], price)
        bare = None if url is None else url_without_password(url)
        changed = carriers.CarrierChange(bare, given, price, cost, weight, kinds, after_s, policy, digits)
        carrier_id, moved = await prices_around(runtime, name, digits, lambda: runtime.store.write(carriers.change_carrier, name, changed))
        return await _shown(runtime, carrier_id), moved

    made, moved = with_database(data_dir, database_url, work)
    if as_json:
        print_json(fields(made))
    else:
        say(f"Changed the carrier {name}: {_about(made, unknown=(after_s, policy) != (None, None))}")
        tell_prices(moved, data_dir, database_url, always=price is not None or prefix is not None, meant=price is not None)
    if price is not None or prefix is not None:
        _warn(made, moved, data_dir, database_url)


@app.command("routing", epilog="clarion carriers routing\n\nclarion carriers routing cost")
def routing(
    by: Annotated[
        Routing | None,
        typer.Argument(
            metavar="weight|cost",
            help="weight: carriers of one prefix share by weight. cost: the cheapest of them goes first, one without a cost last, and "
            "those that cost the same share by weight.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Show or set what decides between several carriers of the longest prefix that fits."""
    from clarion.store import carriers

    async def work(runtime: "Runtime") -> Routing:
        if by is not None:
            await runtime.store.write(carriers.set_routing, by)
        return await runtime.store.read(carriers.routing_of)

    found = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"routing": found})
    elif found is Routing.COST:
        say("Routing goes by cost: of the carriers with the longest prefix that fits the cheapest is first; equal ones share by weight.")
    else:
        say("Routing goes by weight: the carriers with the longest prefix that fits share by weight.")


@app.command("list", epilog="clarion carriers list --json")
def show_list(data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List carriers: bound, connecting or refused with the carrier's own error, out or being probed, and since when. Never a password."""
    from clarion.store import catalog, prices

    async def work(runtime: "Runtime") -> "tuple[list[CarrierView], set[tuple[str, str]], str]":
        found = await read_carriers(runtime, data_dir, database_url)
        idle = {(price.carrier or "", price.prefix) for price in await runtime.store.read(prices.views) if not price.counts}
        return found, idle, zone_of(await runtime.store.read(catalog.load_organizations))

    found, idle, zone = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"carriers": [fields(carrier) for carrier in found]})
    else:
        print_carriers(found, idle, zone)


@app.command("test", epilog="clarion carriers test north")
def try_once(name: CarrierName, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Connect, bind and unbind once, and show what the carrier says. Exit 1 if it cannot be used."""
    from clarion.carriers.smpp.probe import probe
    from clarion.carriers.smpp.settings import parse_url
    from clarion.store import carriers

    async def work(runtime: "Runtime") -> "ProbeResult":
        url, password = await runtime.store.read(carriers.carrier_login, name)
        return await probe(parse_url(url, password), runtime.timer)

    result = with_database(data_dir, database_url, work)
    if as_json:
        steps = [{"name": step.name, "succeeded": step.succeeded, "detail": step.detail} for step in result.steps]
        print_json({"name": name, "succeeded": result.succeeded, "steps": steps})
    else:
        print_table(
            ["Step", "", "What came"],
            [(step.name, "ok" if step.succeeded else "failed", step.detail) for step in result.steps],
            "Nothing was tried.",
        )
    if not result.succeeded:
        raise typer.Exit(1)


@app.command("remove", epilog="clarion carriers remove north --yes")
def remove(
    name: CarrierName, yes: Yes = False, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Send nothing more through a carrier.

    What waits for it takes another route, or is refused and its money given back.
    """
    from clarion.store import carriers

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Remove the carrier {name}? What waits for it takes another route or is refused.", abort=True)

    async def work(runtime: "Runtime") -> "tuple[Removed, list[PricesMoved]]":
        return await prices_around(runtime, name, None, lambda: runtime.store.write(carriers.remove_carrier, name))

    removed, moved = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"id": removed.id, "name": name, "waiting": removed.waiting})
    else:
        say(f"Removed the carrier {name}. {removed.waiting} messages that waited for it take another route or are refused, uncharged.")
        tell_prices(moved, data_dir, database_url, always=True, meant=False)


async def _shown(runtime: "Runtime", carrier_id: int) -> "CarrierView":
    from clarion.store import carriers

    return next(view for view in await runtime.store.read(carriers.list_carriers) if view.id == carrier_id)


def _check_price_fits(url: str, price: str | None) -> None:
    if price is not None and only_receives(url):
        raise Failure("A carrier that only receives (bind=receiver) takes no message, so it sets no price: leave --price out.", 2)


def _password_for(name: str, login: tuple[str, str], url: str | None, given: str | None) -> str | None:
    """The password to keep beside a URL; None for the one that is there, which never goes to anybody else.

    What the carrier will be must be of use, whichever half of it is another. Raises Failure, CarrierUrlError.
    """
    from clarion.carriers.smpp.settings import names_password, parse_url

    known_url, known_password = login
    if given is None and url is not None and names_password(url):
        given = ""
    becomes = parse_url(url or known_url, known_password if given is None else given)
    was = parse_url(known_url, known_password)
    if given is None and known_password and becomes.account != was.account:
        form = f"{'smpps' if becomes.tls else 'smpp'}://{becomes.system_id}:PASSWORD@{becomes.host}"
        raise Failure(
            f"The password of {name} is for {was.system_id} at {was.host}:{was.port} and goes nowhere else. Give the one for "
            f"{becomes.system_id} at {becomes.host}:{becomes.port} with --password-file FILE, or in the URL "
            f"({form}; with nothing behind the colon if there is none).",
            2,
        )
    return given


def _about(carrier: "CarrierView", *, unknown: bool) -> str:
    cost = "" if carrier.cost is None else f", cost {carrier.cost}"
    price = "" if only_receives(carrier.url) else f"price {prices_of(carrier)}{cost}, "
    about = f"{shown_url(carrier)}, {price}weight {carrier.weight}, senders {senders_of(carrier)}"
    return f"{about}{f', unknown {unknown_of(carrier)}' if unknown else ''}.{f' {RECEIVES}' if only_receives(carrier.url) else ''}"


def _warn(carrier: "CarrierView", moved: list[PricesMoved], data_dir: Path, database_url: str | None) -> None:
    if only_receives(carrier.url):
        return
    for prefix, amount in carrier.prices:
        for each in moved:
            if each.after.prefix == prefix:
                warn_of_price(carrier.name, amount, each.after, data_dir, database_url)
