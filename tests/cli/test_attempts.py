"""What happens after an attempt, by command: a carrier's unknowns, an organization's failed receipts, a broadcast's reasons."""

from typing import Any

import pytest

URL = "smpp://a@127.0.0.1:1"


def unknown(carrier: Any) -> tuple[int, str]:
    return carrier["unknown_after_s"], carrier["unknown_policy"]


def test_what_becomes_of_a_carriers_unknowns(clarion: Any) -> None:
    assert unknown(clarion.json("carriers", "add", "north", URL)) == (72 * 3_600, "close")
    assert unknown(clarion.json("carriers", "set", "north", "--unknown-after", "30m")) == (1_800, "close")
    assert unknown(clarion.json("carriers", "set", "north", "--unknown-policy", "resend")) == (1_800, "resend")
    assert unknown(clarion.json("carriers", "set", "north", "--cost", "0.50")) == (1_800, "resend")
    made = clarion.json("carriers", "add", "south", URL, "--unknown-after", "3d", "--unknown-policy", "resend")
    assert unknown(made) == (259_200, "resend")
    said = clarion("carriers", "set", "south", "--unknown-after", "4d").stdout
    assert said.endswith("unknown resend after 4d.\n")
    assert [unknown(carrier) for carrier in clarion.json("carriers", "list")["carriers"]] == [(1_800, "resend"), (345_600, "resend")]
    assert "resend" in clarion("carriers", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--unknown-after", "72"), "like 30m, 72h or 3d, not '72'"),
        (("--unknown-after", "0s"), "not '0s'"),
        (("--unknown-after", "31d"), "at most 30d"),
        (("--unknown-policy", "retry"), "--unknown-policy is close or resend, not 'retry'"),
    ],
)
def test_what_is_no_time_and_no_policy_is_refused(clarion: Any, arguments: tuple[str, ...], said: str) -> None:
    clarion.json("carriers", "add", "north", URL)
    for command in (("add", "south", URL), ("set", "north")):
        assert said in clarion.refused("carriers", *command, *arguments, code=2)
    assert [unknown(carrier) for carrier in clarion.json("carriers", "list")["carriers"]] == [(72 * 3_600, "close")]


def test_an_organization_may_have_failed_receipts_tried_elsewhere(clarion: Any) -> None:
    assert clarion.json("organizations", "create", "Acme")["failover_undelivered"] is False
    assert clarion.json("organizations", "set", "Acme", "--failover-undelivered", "on")["failover_undelivered"] is True
    assert clarion.json("organizations", "set", "Acme", "--region", "KE")["failover_undelivered"] is True
    assert "on or off" in clarion.refused("organizations", "set", "Acme", "--failover-undelivered", "yes", code=2)
