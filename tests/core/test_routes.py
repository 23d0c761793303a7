"""Which carriers may take a message, in which order, and how they share."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.core.carrier_url import own_sender
from clarion.core.routes import PROBES, Health, Route, Routes, Routing, deal
from clarion.core.sender import kind_of

KENYAN = 254_712_345_678
GERMAN = 4_915_112_345_678


def route(carrier_id: int, prefix: str = "254", **more: Any) -> Route:
    return Route(prefix, carrier_id)._replace(**more)


@pytest.mark.parametrize("sender", ["+254700000000", "%2B254700000000"])
def test_a_number_with_its_plus_is_a_sender_of_the_url(sender: str) -> None:
    assert own_sender(f"smpp://me@127.0.0.1:2775?rate=5&sender={sender}") == "+254700000000"


def test_the_longest_prefix_is_tried_first_then_the_heaviest() -> None:
    routes = Routes([route(1, ""), route(2, weight=0), route(3, weight=2), route(4, "2547"), route(5, weight=3), route(6, "49")])
    assert routes.in_order(KENYAN, None) == (4, 5, 3, 2, 1)
    assert routes.in_order(GERMAN, None) == (6, 1)
    assert routes.shares(KENYAN, None) == (4,)
    assert Routes([route(1)]).in_order(GERMAN, None) == Routes([route(1)]).shares(GERMAN, None) == ()


def test_those_of_one_prefix_share_by_weight_and_none_waits_long() -> None:
    shares = Routes([route(1, weight=3), route(2, weight=2), route(3, weight=0), route(4, weight=1), route(5, "")]).shares(KENYAN, None)
    assert Counter(shares) == {1: 3, 2: 2, 4: 1}
    assert shares == (1, 2, 1, 4, 2, 1)


def test_weight_0_takes_only_what_the_others_of_its_prefix_cannot() -> None:
    out: dict[str, Any] = {"health": Health.OUT}
    assert Routes([route(1, weight=0), route(2, weight=0), route(3, "")]).shares(KENYAN, None) == (1, 2)
    assert Routes([route(1, weight=0), route(2, **out), route(3, "")]).shares(KENYAN, None) == (1,)


def test_the_cheapest_goes_first_equals_share_and_an_unknown_cost_is_last() -> None:
    routes = [route(1, weight=5), route(2, cost=Decimal("0.70")), route(3, cost=Decimal("0.7"), weight=2), route(4, cost=Decimal(1))]
    by_cost = Routes([*routes, route(5, "", cost=Decimal(0))], Routing.COST)
    assert by_cost.in_order(KENYAN, None) == (3, 2, 4, 1, 5)
    assert Counter(by_cost.shares(KENYAN, None)) == {3: 2, 2: 1}
    assert Counter(Routes(routes).shares(KENYAN, None)) == {1: 5, 2: 1, 3: 2, 4: 1}


@pytest.mark.parametrize(
    ("sender", "kind"),
    [("CLARION", "names"), ("+254700000000", "numbers"), ("254700000000", "numbers"), ("40404", "short"), ("+40404", "numbers"), ("", "")],
)
def test_kinds_of_senders(sender: str, kind: str) -> None:
    assert kind_of(sender) == kind


def test_a_carrier_takes_the_senders_that_it_says() -> None:
    names, numbers = frozenset({"names"}), frozenset({"numbers", "short"})
    routes = Routes(
        [route(1, senders=names), route(2, senders=numbers, own_sender="40404"), route(3, "", senders=names, own_sender="40404")]
    )
    assert routes.in_order(KENYAN, "CLARION") == (1, 3)
    assert routes.in_order(KENYAN, "254700000000") == routes.in_order(KENYAN, "20880") == (2,)
    # A message that names none has the carrier's own; where it has none of its own, the carrier puts one in.
    assert routes.in_order(KENYAN, None) == (1, 2)
    assert routes.shares(GERMAN, "40404") == ()


def test_those_that_are_out_come_last_and_get_nothing_unless_all_are() -> None:
    out: dict[str, Any] = {"health": Health.OUT}
    routes = Routes([route(1, **out, weight=9), route(2), route(3, "")])
    assert routes.in_order(KENYAN, None) == (2, 3, 1)
    assert routes.shares(KENYAN, None) == (2,)
    assert Routes([route(1, **out), route(3, "")]).shares(KENYAN, None) == (3,)
    all_out = Routes([route(1, **out, weight=2), route(2, **out), route(3, "", **out)])
    assert (all_out.in_order(KENYAN, None), all_out.shares(KENYAN, None)) == ((1, 2, 3), (1, 2, 1))


@pytest.mark.parametrize("weights", [(1, 1), (3, 50), (1, 7)])
def test_one_that_is_being_probed_gets_one_message_of_twenty(weights: tuple[int, int]) -> None:
    probing = route(1, health=Health.PROBING, weight=weights[0])
    shares = Routes([probing, route(2, weight=weights[1]), route(3, "")]).shares(KENYAN, None)
    assert shares.count(1) == 1
    assert PROBES <= len(shares) <= 2 * weights[1] + PROBES
    # Alone, or where all others are out, it takes everything.
    assert Routes([probing, route(2, health=Health.OUT)]).shares(KENYAN, None) == (1,)
    # It would not come before the others if it were well: there is nothing to try with it.
    assert Routes([route(1, "", health=Health.PROBING), route(2)]).shares(KENYAN, None) == (2,)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 200))
def test_a_round_is_exact_and_every_beginning_of_it_nearly(weights: list[int], length: int) -> None:
    dealt = deal(list(enumerate(weights)))
    counts, total = Counter(dealt), sum(weights)
    assert {name: count * total for name, count in counts.items()} == {name: weight * len(dealt) for name, weight in enumerate(weights)}
    begun = Counter((dealt * (length // len(dealt) + 1))[:length])
    assert all(abs(begun[name] - length * weight / total) <= len(weights) for name, weight in enumerate(weights))
