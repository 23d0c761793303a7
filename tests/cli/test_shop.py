"""Commands of the shop: senders, prices, opt-outs, keys with bounds, organizations that change, one text, lists of messages."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest


def shop(clarion: Any) -> Any:
    """An organization with money, and a carrier that nobody answers for."""
    clarion.json("organizations", "create", "Acme")
    clarion.json("wallet", "top-up", "100.00")
    return clarion.json("carriers", "add", "north", "smpp://acme@127.0.0.1:1", "--price", "1.00", "--prefix", "+254")


def test_senders(clarion: Any) -> None:
    clarion.json("organizations", "create", "Acme")
    made = clarion.json("senders", "add", "ACME", "--kind", "promotional", "--network", "airtel")
    assert {**made, "id": 0} == {"id": 0, "organization": "Acme", "sender": "ACME", "kind": "promotional", "network": "airtel"}
    listed = clarion.json("senders", "list")
    assert listed["registered_only"] is False
    assert [(each["id"], each["sender"], each["kind"]) for each in listed["senders"]] == [(made["id"], "ACME", "promotional")]
    assert "registered already" in clarion.refused("senders", "add", "ACME")
    assert "no sender id" in clarion.refused("senders", "add", "MUCH-TOO-LONG", code=2)
    assert "no kind" in clarion.refused("senders", "add", "X1", "--kind", "loud", code=2)
    assert "no network" in clarion.refused("senders", "add", "X1", "--network", "vodafone", code=2)
    assert clarion.json("senders", "remove", "ACME")["id"] == made["id"]
    assert "none was registered yet" in clarion.refused("senders", "remove", "ACME")
    assert "has registered no sender" in clarion("senders", "list").stdout


def test_prices(clarion: Any) -> None:
    shop(clarion)
    first = clarion.json("prices", "set", "+254", "0.80")
    assert {**first, "id": 0} == {"id": 0, "prefix": "+254", "amount": "0.80", "currency": "KES", "organization": None}
    clarion.json("prices", "set", "+254", "0.70")
    clarion.json("prices", "set", "25471", "0.5", "--organization", "Acme")
    clarion.json("prices", "set", "all", "3")
    prices = [(each["prefix"], each["amount"], each["organization"], each["carrier"]) for each in clarion.json("prices", "list")["prices"]]
    assert prices == [
        ("", "3.00", None, None),
        ("+254", "1.00", None, "north"),
        ("+254", "0.70", None, None),
        ("+25471", "0.50", "Acme", None),
    ]
    assert "everybody" in clarion("prices", "list", "--organization", "Acme").stdout
    for number, price in (("0712345678", "0.50"), ("0722345678", "0.70")):
        assert clarion.json("send", number, "Hi", "--wait-s", "0")["price"] == price
    clarion.json("prices", "remove", "+254")
    assert clarion.json("send", "0722345678", "Hi", "--wait-s", "0")["price"] == "1.00"
    assert "No price in KES was set" in clarion.refused("prices", "remove", "+254")
    assert "is no amount" in clarion.refused("prices", "set", "+254", "cheap", code=2)
    assert "0 or more" in clarion.refused("prices", "set", "+254", "-1", code=2)
    assert "no currency" in clarion.refused("prices", "set", "+254", "1", "--currency", "XYZ", code=2)
    assert "no prefix" in clarion.refused("prices", "set", "kenya", "1", code=2)


def test_an_organization_changes(clarion: Any) -> None:
    clarion.json("organizations", "create", "Acme", "--billing", "postpaid")
    options = (
        "--region",
        "US",
        "--zone",
        "America/New_York",
        "--credit-limit",
        "50.00",
        "--rate-limits",
        "off",
        "--default-sender",
        "ACME",
    )
    changed = clarion.json("organizations", "set", "Acme", *options, "--registered-senders", "on", "--refund-failed", "on")
    assert {**changed, "id": ""} == {
        "id": "",
        "name": "Acme",
        "currency": "KES",
        "billing": "postpaid",
        "credit_limit": "50.00",
        "region": "US",
        "zone": "America/New_York",
        "default_sender": "ACME",
        "rate_limits": False,
        "registered_senders": True,
        "refund_failed": True,
        "failover_undelivered": False,
    }
    assert clarion.json("organizations", "list") == {"organizations": [changed]}
    assert "Rate limits           off" in clarion("organizations", "set", "Acme", "--default-sender", "").stdout
    assert "nothing to change" in clarion.refused("organizations", "set", "Acme", code=2)
    assert "on or off" in clarion.refused("organizations", "set", "Acme", "--rate-limits", "maybe", code=2)
    assert "no organization 'Zed'" in clarion.refused("organizations", "set", "Zed", "--rate-limits", "on")
    assert "no zone" in clarion.refused("organizations", "set", "Acme", "--zone", "Mars", code=2)
    clarion.json("organizations", "create", "Pre")
    assert "belongs to --billing postpaid" in clarion.refused("organizations", "set", "Pre", "--credit-limit", "5", code=2)


def test_a_key_with_bounds(clarion: Any) -> None:
    clarion.json("organizations", "create", "Acme")
    bounds = ("--scope", "manage", "--allow-ip", "192.0.2.0/24", "--allow-ip", "2001:db8::1", "--expires", "2999-01-31", "--face", "teekrr")
    made = clarion.json("keys", "create", "--name", "shop", *bounds)
    assert (made["scopes"], made["face"], made["networks"]) == (["manage"], "teekrr", ["192.0.2.0/24", "2001:db8::1/128"])
    assert made["expires_at"] == "2999-01-30T21:00:00.000Z"  # midnight in Nairobi
    (listed,) = clarion.json("keys", "list")["keys"]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    shown = clarion("keys", "list").stdout
    assert "teekrr, 192.0.2.0/24, 2001:db8::1/128" in shown
    assert "valid until 2999-01-31 00:00:00 EAT" in shown
    create = ("keys", "create", "--name", "x")
    assert "no API 'twilio'" in clarion.refused(*create, "--face", "twilio", code=2)
    assert "no scope" in clarion.refused(*create, "--scope", "everything", code=2)
    assert "--allow-ip wants" in clarion.refused(*create, "--allow-ip", "10.0.0.1/8", code=2)
    assert "--expires wants" in clarion.refused(*create, "--expires", "tomorrow", code=2)
    assert "is over already" in clarion.refused(*create, "--expires", "2001-01-01", code=2)


def test_optouts(clarion: Any, tmp_path: Path) -> None:
    shop(clarion)
    added = clarion.json("optouts", "add", "0712345678", "+254 723 456 789", "--reason", "asked by phone")
    assert added == {"organization": "Acme", "numbers": ["+254712345678", "+254723456789"], "added": 2}
    assert "as before" in clarion("optouts", "add", "254712345678").stdout
    assert "has opted out of Acme" in clarion.refused("send", "0712345678", "Hi")
    file = tmp_path / "stopped.csv"
    file.write_text('\ufeffname,Phone Number,reason\nAnn,0711111111,moved\n"Bob\nB",(0722) 222-222,\n,,\nEve,nobody,\n')
    done = clarion("optouts", "import", str(file), "--json")
    assert done.returncode == 1
    assert '"rows": 3, "added": 2, "known": 0, "bad": [{"line": 6, "number": "nobody"}]' in done.stdout
    again = clarion("optouts", "import", str(file))
    assert "0 added, 2 known already, 1 without a number" in again.stdout
    assert "line 6: 'nobody' is no phone number" in again.stderr
    (tmp_path / "bare.csv").write_text("0733333333\n0744444444\n")
    assert clarion.json("optouts", "import", str(tmp_path / "bare.csv"))["added"] == 2
    exported = list(csv.DictReader(io.StringIO(clarion("optouts", "export").stdout)))
    assert [(row["number"], row["reason"]) for row in exported] == [
        ("+254711111111", "moved"),
        ("+254712345678", "asked by phone"),
        ("+254722222222", "import"),
        ("+254723456789", "asked by phone"),
        ("+254733333333", "import"),
        ("+254744444444", "import"),
    ]
    page = clarion.json("optouts", "list", "--limit", "2", "--after", "+254712345678")
    assert (page["total"], [each["number"] for each in page["optouts"]]) == (6, ["+254722222222", "+254723456789"])
    assert clarion.json("optouts", "remove", "0712345678", "0712345678")["removed"] == 1
    assert clarion.json("send", "0712345678", "Hi", "--wait-s", "0")["state"] == "waiting"
    assert "no phone number" in clarion.refused("optouts", "add", "nobody", code=2)
    assert "cannot be read" in clarion.refused("optouts", "import", str(tmp_path / "none.csv"), code=2)


def test_one_text(clarion: Any) -> None:
    shop(clarion)
    sent = clarion.json("send", "0712345678", "Hello", "--sender", "ACME", "--wait-s", "0")
    assert {**sent, "id": "", "broadcast_id": ""} == {
        "id": "",
        "broadcast_id": "",
        "organization": "Acme",
        "recipient": "+254712345678",
        "sender": "ACME",
        "simulated": False,
        "state": "waiting",
        "reason": None,
        "segments": 1,
        "price": "1.00",
        "currency": "KES",
    }
    # In a process of its own, since a logger keeps the standard error that it began with.
    alone = clarion.alone("send", "0712345678", "Hello", "--wait-s", "0", *clarion.place)
    assert "not sent yet" in alone.stdout
    assert alone.stderr == "", "what the server logs is no news for whoever typed the command"
    assert "No carrier takes +15551234567" in clarion.refused("send", "+15551234567", "Hello")
    assert "no phone number" in clarion.refused("send", "nobody", "Hello")
    clarion.json("wallet", "top-up", "-98.00")
    assert "Acme has KES 0.00, and this costs KES 1.00" in clarion.refused("send", "0712345678", "Hello")
    assert "no sender id" in clarion.refused("send", "0712345678", "Hello", "--sender", "!!!", code=2)
    clarion.json("organizations", "set", "Acme", "--registered-senders", "on")
    assert "has not registered the sender 'ACME'" in clarion.refused("send", "0712345678", "Hello", "--sender", "ACME", code=2)
    assert clarion.json("doctor")["healthy"]


def test_lists_of_messages(clarion: Any) -> None:
    shop(clarion)
    ids = [clarion.json("send", number, "Hi", "--wait-s", "0")["id"] for number in ("0711111111", "0722222222", "0711111111")]

    def listed(*options: str) -> list[str]:
        return [each["id"] for each in clarion.json("messages", "list", *options)["messages"]]

    assert listed() == ids[::-1]
    assert listed("--number", "+254711111111") == [ids[2], ids[0]]
    assert listed("--limit", "1") == [ids[2]]
    assert listed("--before", ids[2], "--limit", "1") == [ids[1]]
    assert listed("--state", "delivered") == []
    assert listed("--state", "waiting", "--state", "sent") == ids[::-1]
    assert listed("--broadcast", ids[1]) == [ids[1]]
    assert listed("--since", "2999-01-01") == []
    assert listed("--until", "2001-01-01") == []
    assert listed("--since", "2001-01-01", "--until", "2999-01-01", "--organization", "Acme") == ids[::-1]
    table = clarion("messages", "list", "--limit", "2").stdout
    assert re.search(rf"{ids[2]} +Acme +\+254711111111 +the carrier's +waiting", table)
    assert f"--before {ids[1]}" in table
    rows = list(csv.DictReader(io.StringIO(clarion("messages", "list", "--csv").stdout)))
    assert [row["id"] for row in rows] == ids[::-1]
    assert (rows[0]["recipient"], rows[0]["state"], rows[0]["price"], rows[0]["text"]) == ("+254711111111", "waiting", "1.00", "Hi")
    assert "no state 'gone'" in clarion.refused("messages", "list", "--state", "gone", code=2)
    assert "no phone number" in clarion.refused("messages", "list", "--number", "x", code=2)
    assert "--since wants" in clarion.refused("messages", "list", "--since", "lately", code=2)


@pytest.mark.parametrize("what", ["pause", "resume", "cancel"])
def test_a_broadcast_that_is_not_there(clarion: Any, what: str) -> None:
    assert "no broadcast" in clarion.refused("broadcasts", what, "018f3a2b-4c5d-7e6f-8a9b-0c1d00000000")


def test_a_broadcast_is_held_up_and_called_off(clarion: Any) -> None:
    shop(clarion)
    sent = clarion.json("send", "0712345678", "Hi", "--wait-s", "0")
    paused = clarion.json("broadcasts", "pause", sent["broadcast_id"])
    assert (paused["id"], paused["state"], paused["changed"]) == (sent["broadcast_id"], "paused", True)
    assert "already paused: 1 to be sent, 0 on the way" in clarion("broadcasts", "pause", sent["id"]).stdout
    assert clarion.json("broadcasts", "resume", sent["id"])["state"] == "accepted"
    assert clarion.json("broadcasts", "cancel", sent["id"])["state"] == "cancelling"
    assert "it cannot be resumed" in clarion.refused("broadcasts", "resume", sent["id"])


def test_a_pace_is_set_shown_and_lifted(clarion: Any) -> None:
    shop(clarion)
    sent = clarion.json("send", "0712345678", "Hello", "--wait-s", "0")
    paced = clarion.json("broadcasts", "pace", sent["broadcast_id"], "10/s")
    assert (paced["pace_per_minute"], paced["changed"], paced["state"]) == (600, True, "accepted")
    assert "already accepted, at most 600 a minute" in clarion("broadcasts", "pace", sent["id"], "600/min").stdout
    assert "at most 600 a minute" in clarion("broadcasts", "show", sent["id"]).stdout
    assert clarion.json("broadcasts", "pace", sent["id"], "off")["pace_per_minute"] is None
    assert "600/min, 10/s or off" in clarion.refused("broadcasts", "pace", sent["id"], "fast", code=2)
