"""Which carriers may take a message, in which order, and how those that stand equal share."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from math import gcd
from typing import NamedTuple

from clarion.core.routing import LongestPrefix
from clarion.core.sender import kind_of

WEIGHT_MAX = 100
"""So that what a few carriers share comes round within a slice of 500 messages."""

PROBES = 20
"""One message of so many goes to carriers that are being probed."""

REMEMBERED_MAX = 4096
"""As many beginnings of numbers as `LongestPrefix` remembers."""


class Routing(StrEnum):
    """What decides between carriers of the longest prefix: their weights alone, or first what they cost."""

    WEIGHT = "weight"
    COST = "cost"


class Health(StrEnum):
    """Of a carrier: works; is given a few messages after an outage; does not work."""

    WELL = "well"
    PROBING = "probing"
    OUT = "out"


class Route(NamedTuple):
    """A carrier for the numbers that begin with `prefix` ("": all). `senders` None: any kind; `own_sender`: of messages that name none.

    `weight` is its share among equals; 0: it is taken only while the others of its prefix are out. `cost` None: not known.
    """

    prefix: str
    carrier_id: int
    weight: int = 1
    cost: Decimal | None = None
    senders: frozenset[str] | None = None
    own_sender: str = ""
    health: Health = Health.WELL

    def takes(self, sender: str | None) -> bool:
        """Whether it takes this sender. Where there is none at all the carrier puts in its own."""
        kind = kind_of(self.own_sender if sender is None else sender)
        return self.senders is None or not kind or kind in self.senders


class _Fitting(NamedTuple):
    order: tuple[int, ...]
    shares: tuple[int, ...]


class Routes:
    """All routes, made once and never changed."""

    __slots__ = ("_by_cost", "_prefixes", "_remembered", "digits")

    def __init__(self, routes: Iterable[Route], routing: Routing = Routing.WEIGHT) -> None:
        routes = list(routes)
        self._prefixes = LongestPrefix((route.prefix, route) for route in routes)
        self._by_cost = routing is Routing.COST
        self._remembered: dict[tuple[str, str | None], _Fitting] = {}
        self.digits = max((len(route.prefix) for route in routes), default=0)
        """How many digits of a number decide."""

    def in_order(self, recipient: int, sender: str | None) -> tuple[int, ...]:
        """All carriers that may take the message, as they are to be tried: longest prefix, then cost or weight, those that are out last."""
        return self._fitting(recipient, sender).order

    def shares(self, recipient: int, sender: str | None) -> tuple[int, ...]:
        """The carriers among which such messages are dealt out, in the order of dealing, once round; () without a route.

        Equals are dealt by weight. Those that are being probed get every twentieth message; one that is out gets none, unless all are.
        """
        return self._fitting(recipient, sender).shares

    def _fitting(self, recipient: int, sender: str | None) -> _Fitting:
        key = (str(recipient)[: self.digits], None if sender is None else kind_of(sender))
        found = self._remembered.get(key)
        if found is None:
            fitting = sorted((route for route in self._prefixes.candidates(recipient) if route.takes(sender)), key=self._order)
            by_health = sorted(fitting, key=lambda route: list(Health).index(route.health))
            found = _Fitting(tuple(dict.fromkeys(route.carrier_id for route in by_health)), self._deal(fitting))
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[key] = found
        return found

    def _standing(self, route: Route) -> tuple[int, bool, Decimal]:
        """The lower the better; equals share."""
        cost = route.cost if self._by_cost else None
        return -len(route.prefix), cost is None, cost or Decimal(0)

    def _order(self, route: Route) -> tuple[tuple[int, bool, Decimal], int, int]:
        return self._standing(route), -route.weight, route.carrier_id

    def _deal(self, fitting: Sequence[Route]) -> tuple[int, ...]:
        sure = self._first([route for route in fitting if route.health is Health.WELL])
        hopeful = self._first([route for route in fitting if route.health is not Health.OUT])
        probed = [route for route in hopeful if route.health is Health.PROBING] if sure else []
        shares = [(route.carrier_id, route.weight or 1) for route in sure or hopeful or self._first(fitting)]
        if probed:
            times = -(-len(probed) * (PROBES - 1) // sum(weight for _, weight in shares))
            shares = [(carrier_id, weight * times) for carrier_id, weight in shares] + [(route.carrier_id, 1) for route in probed]
        return deal(shares)

    def _first(self, ordered: Sequence[Route]) -> list[Route]:
        """Those that stand equal to the first; without those of weight 0, unless there are no others."""
        equal = [route for route in ordered if self._standing(route) == self._standing(ordered[0])]
        return [route for route in equal if route.weight] or equal


def deal(shares: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Each name as often as its share, the shares without their common divisor, spread as evenly as can be.

    The smooth round robin that nginx has: who is owed most is next, and then owes the sum.
    """
    divisor = reduce(gcd, (share for _, share in shares), 0) or 1
    owed = {name: 0 for name, _ in shares}
    dealt: list[int] = []
    total = sum(share for _, share in shares) // divisor
    for _ in range(total):
        for name, share in shares:
            owed[name] += share // divisor
        chosen = max(owed, key=owed.__getitem__)
        owed[chosen] -= total
        dealt.append(chosen)
    return tuple(dealt)
