"""`clarion carriers`: who takes the messages, over which connection, for which numbers and at what price."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.carrier_options import (
    CarrierName,
    Cost,
    NewCost,
    NewPasswordFile,
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
    parse_senders,
    parse_unknown_after,
    parse_unknown_policy,
    password_in,
    prefix_digits,
)
from clarion.cli.database import with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, Yes
from clarion.cli.output import iso, local, print_json, print_table, say, zone_of
from clarion.core.carrier_url import only_receives
from clarion.core.routes import Health, Routing

if TYPE_CHECKING:
    from clarion.carriers.smpp.probe import ProbeResult
    from clarion.runtime import Runtime
    from clarion.store.carriers import BindView, CarrierView

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

    password = password_in(password_file)
    settings = parse_url(url, password)
    check_amounts(price, cost)
    kinds = parse_senders(senders)
    after_s, policy = parse_unknown_after(unknown_after), parse_unknown_policy(unknown_policy)
    bare, digits = url_without_password(url), prefix_digits(prefix)
    new = carriers.NewCarrier(name, bare, settings.password, digits, price, cost, weight, kinds, after_s, policy)

    async def work(runtime: "Runtime") -> "CarrierView":
        carrier_id = await runtime.store.write(carriers.add_carrier, new, runtime.clock.now())
        return next(view for view in await runtime.store.read(carriers.list_carriers) if view.id == carrier_id)

    made = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(made))
    else:
        where = f"numbers that begin with {prefix}" if prefix else "all numbers"
        if not only_receives(made.url):
            say(f"Added the carrier {name} for {where}{f', at {price} a segment' if price else ', free of charge'}.")
        else:
            say(f"Added the carrier {name}. {RECEIVES}")
        say(f"Next: {next_step(data_dir, database_url, 'carriers', 'test', name)}")


@app.command(
    "set",
    epilog="clarion carriers set north --price 1.20 --cost 0.70\n\n"
    "clarion carriers set north --weight 0 --senders any\n\n"
    "clarion carriers set north --unknown-after 3d --unknown-policy resend\n\n"
    "clarion carriers set north --url 'smpp://acme@smsc.example.net:2775?window=500&rate=300'",
)
def change(
    name: CarrierName,
    url: NewUrl = None,
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

    if (url, price, cost, weight, senders, unknown_after, unknown_policy, password_file) == (None,) * 8:
        raise Failure("There is nothing to change: name what, as `clarion carriers set --help` shows.", 2)
    password = password_in(password_file)
    check_amounts(price, cost)
    if url is not None:
        password = parse_url(url, password).password or password
    kinds = None if senders is None else parse_senders(senders) or ()
    after_s = None if unknown_after is None else parse_unknown_after(unknown_after)
    policy = None if unknown_policy is None else parse_unknown_policy(unknown_policy)

    async def work(runtime: "Runtime") -> "CarrierView":
        known_url, known_password = await runtime.store.read(carriers.carrier_login, name)
        # What it will be must be of use, whichever half of it is another.
        parse_url(url or known_url, known_password if password is None else password)
        bare = None if url is None else url_without_password(url)
        changed = carriers.CarrierChange(bare, password, price, cost, weight, kinds, after_s, policy)
        carrier_id = await runtime.store.write(carriers.change_carrier, name, changed)
        return next(view for view in await runtime.store.read(carriers.list_carriers) if view.id == carrier_id)

    made = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(made))
    else:
        prices = ", ".join(price for _, price in made.prices) or "free"
        cost = "" if made.cost is None else f", cost {made.cost}"
        about = f"price {prices}{cost}, weight {made.weight}, senders {_senders(made)}"
        if (after_s, policy) != (None, None):
            about += f", unknown {_unknown(made)}"
        say(f"Changed the carrier {name}: {made.url}, {about}.{f' {RECEIVES}' if only_receives(made.url) else ''}")


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
    from clarion.store import carriers, catalog

    async def work(runtime: "Runtime") -> "tuple[list[CarrierView], str]":
        return await runtime.store.read(carriers.list_carriers), zone_of(await runtime.store.read(catalog.load_organizations))

    found, zone = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"carriers": [_fields(carrier) for carrier in found]})
        return
    rows = []
    for carrier in found:
        reach = ", ".join(f"+{prefix}" if prefix else "all" for prefix in carrier.prefixes)
        reach = "none, it only receives" if only_receives(carrier.url) else reach
        prices = ", ".join(price for _, price in carrier.prices) or "free"
        # A carrier of several connections takes a line for each, and one that is not well another.
        about = (carrier.name, reach, str(carrier.weight), _senders(carrier), prices, carrier.cost, _unknown(carrier))
        states = [_state(bind, zone) for bind in carrier.binds or (None,)]
        if carrier.health != Health.WELL:
            states.append((carrier.health, local(carrier.health_since_at, zone) or "", carrier.health_reason))
        rows += [(*(about if place == 0 else [""] * 7), *state, "" if place else carrier.url) for place, state in enumerate(states)]
    empty = "There is no carrier yet. Add one: clarion carriers add NAME URL --price AMOUNT"
    print_table(
        ["Name", "Numbers", ">Weight", "Senders", ">Price", ">Cost", "Unknown", "State", f"Since ({zone})", "Why", "URL"], rows, empty
    )


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
    removed = with_database(data_dir, database_url, lambda runtime: runtime.store.write(carriers.remove_carrier, name))
    if as_json:
        print_json({"id": removed.id, "name": name, "waiting": removed.waiting})
    else:
        say(f"Removed the carrier {name}. {removed.waiting} messages that waited for it take another route or are refused, uncharged.")


def _unknown(carrier: "CarrierView") -> str:
    from clarion.core.durations import write_duration

    return f"{carrier.unknown_policy} after {write_duration(carrier.unknown_after_s)}"


def _senders(carrier: "CarrierView") -> str:
    return ", ".join(carrier.senders or ("any",))


def _state(bind: "BindView | None", zone: str = "UTC") -> tuple[str, str, str]:
    if bind is None:
        return ("closed", "", "no server has tried it yet")
    return (bind.state, local(bind.since_at, zone) or "", bind.reason)


def _fields(carrier: "CarrierView") -> dict[str, Any]:
    # One bound connection is enough for the carrier to be used.
    state = min(map(_state, carrier.binds), key=lambda told: told[0] != "bound", default=_state(None))
    return {
        "id": carrier.id,
        "name": carrier.name,
        "kind": carrier.kind,
        "state": state[0],
        "reason": state[2],
        "url": carrier.url,
        "prefixes": [f"+{prefix}" if prefix else "" for prefix in carrier.prefixes],
        "prices": [{"prefix": f"+{prefix}" if prefix else "", "amount": amount} for prefix, amount in carrier.prices],
        "cost": carrier.cost,
        "unknown_after_s": carrier.unknown_after_s,
        "unknown_policy": carrier.unknown_policy,
        "weight": carrier.weight,
        "senders": carrier.senders or ["any"],
        "health": carrier.health,
        "health_reason": carrier.health_reason,
        "health_since": iso(carrier.health_since_at or carrier.created_at),
        "binds": [{"slot": bind.slot, "state": bind.state, "reason": bind.reason, "since": iso(bind.since_at)} for bind in carrier.binds],
        "created_at": iso(carrier.created_at),
    }
