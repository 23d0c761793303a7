"""Weights, sender kinds and the way routing goes, by command."""

from typing import Any

import pytest


def test_a_carrier_has_a_weight_and_the_senders_that_it_takes(clarion: Any) -> None:
    made = clarion.json(
        "carriers", "add", "north", "smpp://a@127.0.0.1:1", "--weight", "3", "--senders", "short, names", "--prefix", "+254"
    )
    assert (made["weight"], made["senders"]) == (3, ["names", "short"])
    assert (made["health"], made["health_reason"], made["health_since"]) == ("well", "", made["created_at"])
    made = clarion.json("carriers", "set", "north", "--weight", "0")
    assert (made["weight"], made["senders"], made["prefixes"]) == (0, ["names", "short"], ["+254"])
    assert clarion.json("carriers", "set", "north", "--senders", "any")["senders"] == ["any"]
    said = clarion("carriers", "set", "north", "--senders", "numbers").stdout
    assert said.endswith("price none, weight 0, senders numbers.\n")
    plain = clarion.json("carriers", "add", "south", "smpp://a@127.0.0.1:1")
    assert (plain["weight"], plain["senders"]) == (1, ["any"])
    listed = clarion("carriers", "list").stdout
    assert [line.split()[:4] for line in listed.splitlines() if "close after" in line] == [
        ["north", "+254", "0", "numbers"],
        ["south", "all", "1", "any"],
    ]


def test_routing_goes_by_weight_or_by_cost(clarion: Any) -> None:
    clarion.json("carriers", "add", "north", "smpp://a@127.0.0.1:1")
    assert clarion.json("carriers", "routing") == {"routing": "weight"}
    assert clarion("carriers", "routing", "cost").stdout.startswith("Routing goes by cost: ")
    assert clarion.json("carriers", "routing") == {"routing": "cost"}
    assert clarion("carriers", "routing", "weight").stdout == (
        "Routing goes by weight: the carriers with the longest prefix that fits share by weight.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--senders", "fish"), "'fish' is no kind of sender: write any, or some of names, numbers, short with commas between"),
        (("--senders", "any,names"), "'any,names' is no kind of sender"),
        (("--senders", ""), "'' is no kind of sender"),
        (("--weight", "101"), "less than or equal to 100"),
        (("--weight", "-1"), "greater than or equal to 0"),
    ],
)
def test_what_is_no_weight_and_no_kind_is_refused(clarion: Any, arguments: tuple[str, ...], said: str) -> None:
    clarion.json("carriers", "add", "north", "smpp://a@127.0.0.1:1")
    for command in (("add", "south", "smpp://a@127.0.0.1:1"), ("set", "north")):
        assert said in clarion.refused("carriers", *command, *arguments, code=2)
    assert [carrier["name"] for carrier in clarion.json("carriers", "list")["carriers"]] == ["north"]
