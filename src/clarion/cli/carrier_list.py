"""How carriers are shown: in tables, or as fields."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clarion.cli.database import folder_is_served
from clarion.cli.output import iso, local, print_table
from clarion.core.carrier_url import only_receives
from clarion.core.routes import Health

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.carriers import BindView, CarrierView

EMPTY = "There is no carrier yet. Add one: clarion carriers add NAME URL --price AMOUNT"


async def read_carriers(runtime: "Runtime", data_dir: Path, database_url: str | None) -> "list[CarrierView]":
    """The active carriers. On SQLite a bind is closed once no server has the data folder, before its lease is over."""
    from clarion.store import carriers

    found = await runtime.store.read(carriers.list_carriers)
    if folder_is_served(data_dir, database_url) is not False:
        return found
    return [view._replace(binds=tuple(bind._replace(state="closed", reason=carriers.NOT_HELD) for bind in view.binds)) for view in found]


def print_carriers(carriers: "Sequence[CarrierView]", idle: Collection[tuple[str, str]], zone: str) -> None:
    """Of `idle` prices, by carrier and prefix, it is said that nobody pays them.

    What they are for, where they are and how they are, each in a table that fits a terminal: URLs and reasons are long.
    """
    settings = [
        (
            carrier.name,
            "none, it only receives"
            if only_receives(carrier.url)
            else ", ".join(f"+{each}" if each else "all" for each in carrier.prefixes),
            str(carrier.weight),
            senders_of(carrier),
            prices_of(carrier, idle),
            carrier.cost,
            unknown_of(carrier),
        )
        for carrier in carriers
    ]
    print_table(["Name", "Numbers", ">Weight", "Senders", ">Price", ">Cost", "Unknown"], settings, EMPTY)
    if carriers:
        print_table(["Name", "URL"], [(carrier.name, shown_url(carrier)) for carrier in carriers], "")
        states = [("" if place else carrier.name, *state) for carrier in carriers for place, state in enumerate(_states(carrier, zone))]
        print_table(["Name", "State", f"Since ({zone})", "Why"], states, "")


def fields(carrier: "CarrierView") -> dict[str, Any]:
    """For programs."""
    # One bound connection is enough for the carrier to be used.
    state, reason = min(map(_state, carrier.binds), key=lambda told: told[0] != "bound", default=_state(None))
    return {
        "id": carrier.id,
        "name": carrier.name,
        "kind": carrier.kind,
        "state": state,
        "reason": reason,
        "url": shown_url(carrier),
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


def shown_url(carrier: "CarrierView") -> str:
    """As it is readable, also where it was stored otherwise."""
    from clarion.carriers.smpp.settings import url_without_password

    return url_without_password(carrier.url)


def unknown_of(carrier: "CarrierView") -> str:
    """What becomes of its unknowns, and when."""
    from clarion.core.durations import write_duration

    return f"{carrier.unknown_policy} after {write_duration(carrier.unknown_after_s)}"


def senders_of(carrier: "CarrierView") -> str:
    """The kinds that it takes."""
    return ", ".join(carrier.senders or ("any",))


def prices_of(carrier: "CarrierView", idle: Collection[tuple[str, str]] = ()) -> str:
    """What it brought; one that only receives has none."""
    if only_receives(carrier.url):
        return ""
    told = (f"{price}{' (unused)' if (carrier.name, prefix) in idle else ''}" for prefix, price in carrier.prices)
    return ", ".join(told) or "none"


def _states(carrier: "CarrierView", zone: str) -> list[tuple[str, str, str]]:
    """A line for what its health is, unless it is well, and one for connections that are alike and say anything else."""
    lines, health = [], ""
    if carrier.health != Health.WELL:
        health = carrier.health_reason
        lines.append((carrier.health, local(carrier.health_since_at, zone) or "", health))
    alike: dict[tuple[str, str], list[BindView]] = {}
    for bind in carrier.binds:
        alike.setdefault((bind.state, bind.reason), []).append(bind)
    for (state, reason), binds in alike.items():
        if reason and reason in health:
            continue
        count = f"{len(binds)} " if len(binds) > 1 else ""
        lines.append((count + state, local(min(bind.since_at for bind in binds), zone) or "", reason))
    return lines or [("closed", "", _state(None)[1])]


def _state(bind: "BindView | None") -> tuple[str, str]:
    return ("closed", "no server has tried it yet") if bind is None else (bind.state, bind.reason)
