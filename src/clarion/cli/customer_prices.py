"""What customers pay once a carrier was added, changed or removed: a carrier's price may stand behind another one, and says so."""

from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from clarion.cli.next_step import next_step
from clarion.cli.output import say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.prices import Paid, PaidFor

T = TypeVar("T")

EVERYWHERE = "all"
"""The prefix of all numbers, as it is typed."""


class PricesMoved(NamedTuple):
    """What customers paid for the numbers of a prefix before a change, and what they pay after it."""

    before: "PaidFor"
    after: "PaidFor"


async def prices_around(
    runtime: "Runtime", name: str, prefix: str | None, change: Callable[[], Awaitable[T]]
) -> tuple[T, list[PricesMoved]]:
    """Change a carrier, and tell what that does to the prices of the prefixes that it had, and of the one that it gets."""
    from clarion.store import prices

    reach = dict.fromkeys(await runtime.store.read(prices.reach_of, name))
    if prefix is not None:
        reach[prefix] = None
    before = [await runtime.store.read(prices.paid_for, each) for each in reach]
    changed = await change()
    return changed, [PricesMoved(paid, await runtime.store.read(prices.paid_for, paid.prefix)) for paid in before]


def tell_prices(moved: Iterable[PricesMoved], data_dir: Path, database_url: str | None, *, always: bool, meant: bool) -> None:
    """What customers pay from now on, for each prefix; what is as it was only with `always`. How to undo what was not `meant`."""
    for before, after in moved:
        if not after.routed:
            if before.routed:
                say(f"No carrier takes {numbers(after.prefix)} any more.")
        elif always or before != after:
            say(paid_told(after))
            if not before.routed:
                continue
            for old, new in zip(before.everybody, after.everybody, strict=False):
                if old.amount not in {None, new.amount}:
                    keep = _set(old.amount or "", after.prefix, old.currency, data_dir, database_url)
                    say(f"Until now that was {old.currency} {old.amount}.{'' if meant else f' To go on with it: {keep}'}")


def warn_of_price(name: str, amount: str, paid: "PaidFor", data_dir: Path, database_url: str | None) -> None:
    """On standard error, where the price that a carrier was given is not what customers pay."""
    for each in paid.everybody:
        is_paid = each.amount is not None and Decimal(each.amount) == Decimal(amount)
        if is_paid or (each.carrier, each.prefix) == (name, paid.prefix):
            continue
        why = (
            "a price that was set by hand goes before it"
            if each.carrier is None
            else f"that of {each.carrier}, which was added first, does"
        )
        how = _set(amount, paid.prefix, each.currency, data_dir, database_url)
        say(f"Warning: the price {amount} of {name} does not count in {each.currency}: {why}. To have customers pay it: {how}", err=True)


def paid_told(paid: "PaidFor") -> str:
    """What customers pay, as a sentence."""
    if not paid.everybody:
        return "No organization is billed, so customers pay nothing."
    where = f"{numbers(paid.prefix)}{' that have no price of a longer prefix' if paid.longer else ''}"
    own = f" {paid.own} {'organizations have' if paid.own > 1 else 'organization has'} a price of its own." if paid.own else ""
    return f"Customers pay {', '.join(_amount(each, paid.prefix) for each in paid.everybody)} a segment to {where}.{own}"


def numbers(prefix: str) -> str:
    """The numbers of a prefix, in words."""
    return f"numbers that begin with +{prefix}" if prefix else "all numbers"


def _amount(paid: "Paid", asked: str) -> str:
    if paid.amount is None:
        return f"nothing ({paid.currency}: no price is set)"
    source = "set by hand" if paid.carrier is None else f"the price of {paid.carrier}"
    wider = "" if paid.prefix == asked else f" for {numbers(paid.prefix)}"
    return f"{paid.currency} {paid.amount} ({source}{wider})"


def _set(amount: str, prefix: str, currency: str, data_dir: Path, database_url: str | None) -> str:
    spelled = f"+{prefix}" if prefix else EVERYWHERE
    return next_step(data_dir, database_url, "prices", "set", spelled, amount, "--currency", currency)
