"""Commands that make and show things: their JSON, their tables, and every refusal."""

import re
from pathlib import Path
from typing import Any

import pytest

from clarion.carriers.smpp.settings import OPTIONS
from clarion.core import public_id


def make_acme(clarion: Any) -> Any:
    return clarion.json("organizations", "create", "Acme")


def test_an_organization_its_key_and_its_wallet(clarion: Any) -> None:
    made = make_acme(clarion)
    assert public_id.parse(made["id"]) is not None
    assert {**made, "id": ""} == {
        "id": "",
        "name": "Acme",
        "currency": "KES",
        "billing": "prepaid",
        "credit_limit": "0.00",
        "region": "KE",
        "zone": "Africa/Nairobi",
        "default_sender": None,
        "rate_limits": True,
        "registered_senders": False,
        "refund_failed": False,
        "failover_undelivered": False,
    }
    assert clarion.json("organizations", "list") == {"organizations": [made]}
    key = clarion.json("keys", "create", "--organization", "Acme", "--name", "backend", "--scope", "send_sms")
    assert re.fullmatch(r"tk_live_[A-Za-z0-9]{32}", key["key"])
    (listed,) = clarion.json("keys", "list")["keys"]
    assert (listed["id"], listed["name"], listed["scopes"], listed["revoked_at"]) == (key["id"], "backend", ["send_sms"], None)
    assert key["key"] not in clarion("keys", "list").stdout
    topped_up = clarion.json("wallet", "top-up", "--organization", "Acme", "5000.00")
    assert isinstance(topped_up["id"], int)
    assert (topped_up["available"], topped_up["currency"]) == ("5000.00", "KES")
    wallet = clarion.json("wallet", "show", "--organization", "Acme")
    assert (wallet["available"], wallet["held"], wallet["organization_id"]) == ("5000.00", "0.00", made["id"])
    (entry,) = clarion.json("wallet", "statement")["entries"]
    assert (entry["id"], entry["kind"], entry["amount"], entry["broadcast_id"]) == (topped_up["id"], "top_up", "5000.00", None)
    revoked = clarion.json("keys", "revoke", str(key["id"]))
    assert revoked["revoked_at"].endswith("Z")
    assert clarion.json("doctor") == {"healthy": True, "findings": []}


def test_tables_for_people(clarion: Any) -> None:
    make_acme(clarion)
    clarion.json("wallet", "top-up", "1234567.5")
    assert "KES 1,234,567.50" in clarion("wallet", "show").stdout
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d EAT +top-up +KES 1,234,567.50", clarion("wallet", "statement").stdout)
    assert "There is no broadcast yet." in clarion("broadcasts", "list").stdout
    assert "There is no carrier yet. Add one" in clarion("carriers", "list").stdout
    assert "Healthy" in clarion("doctor").stdout


def test_a_correction_takes_money_out_but_never_below_the_limit(clarion: Any) -> None:
    make_acme(clarion)
    clarion.json("wallet", "top-up", "10.00")
    assert clarion.json("wallet", "top-up", "-2.50")["available"] == "7.50"
    assert "KES 7.50 available" in clarion.refused("wallet", "top-up", "-8.00")


def test_a_carrier_and_its_password(clarion: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret!\n")
    add = ("carriers", "add", "north", "smpp://acme@127.0.0.1:1?window=20", "--price", "1.00", "--cost", "0.60", "--prefix", "+254")
    made = clarion.json(*add, "--password-file", str(tmp_path / "password"))
    assert (made["name"], made["url"]) == ("north", "smpp://acme@127.0.0.1:1?window=20")
    assert (made["state"], made["reason"], made["binds"]) == ("closed", "no server has tried it yet", [])
    assert (made["prefixes"], made["prices"], made["cost"]) == (["+254"], [{"prefix": "+254", "amount": "1.00"}], "0.60")
    also = clarion.json("carriers", "add", "south", "smpp://zed:hunter2@127.0.0.1:1")
    assert (also["prefixes"], also["prices"]) == ([""], [])
    listed = clarion.json("carriers", "list")
    assert [carrier["id"] for carrier in listed["carriers"]] == [made["id"], also["id"]]
    shown = str(listed) + clarion("carriers", "list").stdout + str(made) + str(also)
    assert "s3cret" not in shown
    assert "hunter2" not in shown
    assert clarion.json("carriers", "remove", "north") == {"id": made["id"], "name": "north", "waiting": 0}
    assert "there are south" in clarion.refused("carriers", "remove", "north")


def test_a_carrier_that_only_receives_says_so(clarion: Any) -> None:
    url = "smpp://acme@127.0.0.1:1?bind=receiver"
    said = clarion("carriers", "add", "replies", url, "--prefix", "+254").stdout
    assert said.startswith("Added the carrier replies. It only receives (bind=receiver): texts and receipts come in over it, and no ")
    assert "none, it only receives" in clarion("carriers", "list").stdout
    assert [carrier["prefixes"] for carrier in clarion.json("carriers", "list")["carriers"]] == [[]]
    assert clarion.json("carriers", "set", "replies", "--url", "smpp://acme@127.0.0.1:1")["prefixes"] == ["+254"]
    assert "no message is ever sent to it" in clarion("carriers", "set", "replies", "--url", url).stdout


def test_the_help_of_add_names_every_setting_of_a_url(clarion: Any) -> None:
    said = clarion("carriers", "add", "--help").stdout
    assert [option for option in OPTIONS if f"{option}=" not in said] == []


def test_a_carrier_that_is_not_there_fails_its_test(beside_sqlite: Any) -> None:
    beside_sqlite.json("carriers", "add", "north", "smpp://acme@127.0.0.1:1")
    done = beside_sqlite("carriers", "test", "north", "--json")
    assert done.returncode == 1
    assert '"succeeded": false' in done.stdout
    assert "connect" in done.stdout


REFUSALS = [
    (("organizations", "create", "Acme"), 1, "'Acme' already"),
    (("organizations", "create", " "), 2, "needs a name"),
    (("organizations", "create", "B", "--currency", "XYZ"), 2, "no currency code"),
    (("organizations", "create", "B", "--billing", "free"), 2, "choose prepaid, postpaid, none"),
    (("organizations", "create", "B", "--credit-limit", "5"), 2, "--billing postpaid"),
    (("organizations", "create", "B", "--billing", "postpaid", "--credit-limit", "-5"), 2, "0 or more"),
    (("organizations", "create", "B", "--region", "ZZ"), 2, "no country 'ZZ'"),
    (("organizations", "create", "B", "--zone", "Mars/Olympus"), 2, "IANA"),
    (("keys", "create", "--name", "x", "--organization", "Zed"), 1, "there are Acme"),
    (("keys", "create", "--name", "x", "--scope", "fly"), 2, "choose send_sms"),
    (("keys", "create"), 2, "Missing option '--name'"),
    (("keys", "revoke", "99"), 1, "clarion keys list"),
    (("keys", "revoke", "one"), 2, "integer"),
    (("wallet", "top-up", "1,000"), 2, "is no amount"),
    (("wallet", "top-up", "0"), 2, "amount is 0"),
    (("wallet", "top-up", "1.123456"), 2, "6 decimals"),
    (("carriers", "add", "n", "http://north"), 2, "begins with smpp://"),
    (("carriers", "add", "n", "smpp://acme@h?ca=/ca.pem"), 2, "ca is for TLS"),
    (("carriers", "add", "n", "smpp://acme@h?windou=3"), 2, "windou is no setting"),
    (("carriers", "add", "n", "smpp://acme@h", "--price", "cheap"), 2, "--price: 'cheap' is no amount"),
    (("carriers", "add", "n", "smpp://acme@h", "--price", "-1"), 2, "0 or more"),
    (("carriers", "add", "n", "smpp://acme@h", "--price", "0.000001"), 2, "6 decimals"),
    (("carriers", "add", "n", "smpp://acme@h", "--prefix", "07"), 2, "like +254"),
    (("carriers", "add", "n", "smpp://acme@h", "--password-file", "nowhere"), 2, "nowhere cannot be read"),
    (("carriers", "add", "simulator", "smpp://acme@h"), 1, "built-in"),
    (("carriers", "test", "north"), 1, "none was added yet"),
    (("broadcasts", "show", "7"), 2, "is no id"),
    (("broadcasts", "show", "018f3a2b-4c5d-7e6f-8a9b-0c1d00000000"), 1, "clarion broadcasts list"),
    (("broadcasts", "watch"), 1, "no broadcast yet"),
    (("messages", "show", "018f3a2b-4c5d-7e6f-8a9b-0c1d00000000"), 2, "clarion broadcasts show"),
    (("messages", "show", "018f3a2b-4c5d-7e6f-8a9b-0c1d00000001"), 1, "There is no message"),
    (("organizations", "make"), 2, "No such command"),
    (("keys", "list", "--verbose"), 2, "No such option"),
]


@pytest.fixture
def with_acme(beside_sqlite: Any) -> Any:
    make_acme(beside_sqlite)
    return beside_sqlite


def test_refusals_say_what_and_what_next(with_acme: Any) -> None:
    for arguments, code, words in REFUSALS:
        assert words in with_acme.refused(*arguments, code=code), arguments


def test_several_organizations_want_a_name(with_acme: Any) -> None:
    with_acme.json("organizations", "create", "Zed", "--currency", "MYR", "--billing", "postpaid", "--credit-limit", "100")
    assert "there are Acme, Zed" in with_acme.refused("wallet", "show", code=2)


def test_an_organization_that_is_not_billed_has_no_money(with_acme: Any) -> None:
    with_acme.json("organizations", "create", "Free", "--billing", "none")
    assert "not billed" in with_acme.refused("wallet", "top-up", "5", "--organization", "Free")


def test_a_doctor_who_finds_something_wrong_exits_1(with_acme: Any) -> None:
    import sqlite3

    with sqlite3.connect(with_acme.folder / "clarion-data" / "clarion.db") as connection:
        connection.execute("UPDATE wallets SET available_milli = 5")
    done = with_acme("doctor", "--json")
    assert done.returncode == 1
    assert '"code": "wallet_differs_from_ledger"' in done.stdout
    people = with_acme("doctor")
    assert people.returncode == 1
    assert "error: 1 organizations whose wallet is not the sum of their ledger" in people.stdout
    assert "Acme" in people.stdout


def test_a_backup_is_a_database_and_is_never_written_over(with_acme: Any) -> None:
    made = with_acme.json("backup", "copy.backup")
    assert made["file"] == str(with_acme.folder / "copy.backup")
    assert made["bytes"] == (with_acme.folder / "copy.backup").stat().st_size
    assert "exists already" in with_acme.refused("backup", "copy.backup")
    (with_acme.folder / "restored").mkdir()
    (with_acme.folder / "copy.backup").rename(with_acme.folder / "restored" / "clarion.db")
    done = with_acme("organizations", "list", "--data-dir", "restored", "--json")
    assert '"Acme"' in done.stdout


def test_postgres_is_copied_by_its_own_tool(postgres_url: str, beside_sqlite: Any) -> None:
    assert "`pg_dump " in beside_sqlite.refused("backup", "copy.backup", "--database-url", postgres_url)


def test_a_carrier_is_changed_in_what_is_named(clarion: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret!\n")
    clarion.json("carriers", "add", "north", "smpp://acme:hunter2@127.0.0.1:1?window=20", "--price", "1.00", "--prefix", "+254")
    # What `add` has as a default is none here.
    clarion.settings |= {"CLARION_PRICE": "9.00", "CLARION_COST": "8.00"}
    made = clarion.json("carriers", "set", "north", "--url", "smpp://acme@127.0.0.1:1?window=500&rate=300")
    assert (made["url"], made["cost"]) == ("smpp://acme@127.0.0.1:1?window=500&rate=300", None)
    assert made["prices"] == [{"prefix": "+254", "amount": "1.00"}]
    made = clarion.json("carriers", "set", "north", "--price", "1.20", "--cost", "0.70", "--password-file", str(tmp_path / "password"))
    assert (made["prefixes"], made["prices"], made["cost"]) == (["+254"], [{"prefix": "+254", "amount": "1.20"}], "0.70")
    assert clarion.json("carriers", "list")["carriers"] == [made]
    said = clarion("carriers", "set", "north", "--url", "smpp://acme:other@127.0.0.1:2").stdout
    assert said == "Changed the carrier north: smpp://acme@127.0.0.1:2, price 1.20, cost 0.70, weight 1, senders any.\n"
    assert "nothing to change" in clarion.refused("carriers", "set", "north", code=2)
    assert "there are north" in clarion.refused("carriers", "set", "south", "--price", "1")
    assert "windou is no setting" in clarion.refused("carriers", "set", "north", "--url", "smpp://a@h?windou=3", code=2)
    assert "--price: 'cheap' is no amount" in clarion.refused("carriers", "set", "north", "--price", "cheap", code=2)
    (tmp_path / "password").write_text("p" * 65)
    refused = clarion.refused("carriers", "set", "north", "--password-file", str(tmp_path / "password"), code=2)
    assert "at most 64 are taken" in refused
