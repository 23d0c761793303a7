"""Names, passwords and the list of carriers, by command."""

import re
import sqlite3
from typing import Any

import pytest
from tests.cli.test_running import until

from clarion.cli import output
from clarion.cli.carrier_list import print_carriers
from clarion.store.carriers import BindView, CarrierView

URL = "smpp://acme@127.0.0.1:1"


@pytest.mark.parametrize("name", ["", " ", " north", "north ", "no\nrth", "no\x1brth", "n" * 41])
def test_a_carrier_has_a_name_that_can_be_read_and_typed(beside_sqlite: Any, name: str) -> None:
    said = beside_sqlite.refused("carriers", "add", name, URL, code=2)
    assert "A carrier needs a name of 1 to 40 printable characters on one line, without blanks around it" in said
    if name != "n" * 41:
        assert "An organization needs a name" in beside_sqlite.refused("organizations", "create", name, code=2)


def test_a_carrier_with_a_name_that_is_no_longer_taken_can_be_shown_and_removed(beside_sqlite: Any) -> None:
    beside_sqlite.json("carriers", "add", "north", URL)
    with sqlite3.connect(beside_sqlite.folder / "clarion-data" / "clarion.db") as connection:
        connection.execute("UPDATE carriers SET name = ''")
    assert "smpp://acme" in beside_sqlite("carriers", "list").stdout
    assert beside_sqlite.json("carriers", "remove", "")["waiting"] == 0


def test_a_password_goes_to_nobody_else(beside_sqlite: Any, start: Any) -> None:
    smsc = start(beside_sqlite, "simulator", "smsc", "--port", "0", "--system-id", "other", "--password", "another-secret", "--json")
    port = until(lambda: re.search(r"listens on 127\.0\.0\.1:(\d+)", smsc.log))[1]
    beside_sqlite.json("carriers", "add", "pw", "smpp://acme:S3cret@127.0.0.1:1?window=5")
    for url in (f"smpp://other@127.0.0.1:{port}", "smpp://other@127.0.0.1:1", "smpp://acme@127.0.0.2:1", "smpps://acme@127.0.0.1:1"):
        said = beside_sqlite.refused("carriers", "set", "pw", "--url", url, code=2)
        assert "The password of pw is for acme at 127.0.0.1:1 and goes nowhere else." in said
        assert "--password-file" in said
        assert "S3cret" not in said
    assert beside_sqlite.json("carriers", "set", "pw", "--url", "smpp://acme@127.0.0.1:1?window=9")["url"].endswith("window=9")
    # Nothing behind the colon is a password too, and not the old one.
    beside_sqlite.json("carriers", "set", "pw", "--url", f"smpp://other:@127.0.0.1:{port}")
    assert "ESME_RINVPASWD" in beside_sqlite("carriers", "test", "pw").stdout
    (beside_sqlite.folder / "password").write_text("another-secret\n")
    beside_sqlite.json("carriers", "set", "pw", "--url", f"smpp://other@127.0.0.1:{port}", "--password-file", "password")
    assert beside_sqlite("carriers", "test", "pw").returncode == 0


def test_a_password_longer_than_smpp_has_room_for_is_taken_with_a_hint(beside_sqlite: Any) -> None:
    done = beside_sqlite("carriers", "add", "north", "smpp://acme:much-too-long@127.0.0.1:1")
    assert done.returncode == 0
    assert "SMPP 3.4 has room for a password of 8 characters. A longer one goes out whole" in done.stderr
    assert beside_sqlite("carriers", "add", "south", "smpp://acme:short@127.0.0.1:1").stderr == ""


@pytest.mark.parametrize(("width", "lines_max"), [(80, 14), (120, 12)])
def test_the_list_fits_a_terminal_and_says_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, lines_max: int
) -> None:
    reason = "the carrier refused the bind: ESME_RBINDFAIL (0x0d)"
    url = "smpps://acme@smsc.example.net:3550?ca=%2Fetc%2Fnorth.pem&window=200"
    two = tuple(BindView(slot, "refused", reason, slot) for slot in (0, 1))
    price = (("254", "1.00"),)
    out = CarrierView(1, "north", "smpp", url, "0.60", ("254",), price, two, 0, 1, None, "out", f"not bound: {reason}", 1, 259_200, "close")
    well = out._replace(name="south", binds=tuple(each._replace(state="bound", reason="") for each in two), health="well", health_reason="")
    monkeypatch.setattr(output, "WIDTH", width)
    print_carriers([out, well], {("south", "254")}, "UTC")
    shown = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width
    assert shown.count("RBINDFAIL") == 1
    assert shown.count("2 bound") == 1
    assert shown.count("1.00 (unused)") == 1
    assert shown.count("ca=/etc/north.pem&window=200") == 2
    # Three tables of a heading, a rule and two carriers; more only where a cell is folded.
    assert len([line for line in shown.splitlines() if line.strip()]) <= lines_max


def test_a_bind_is_closed_as_soon_as_its_server_is_gone(beside_sqlite: Any, start: Any) -> None:
    server = start(beside_sqlite, "serve", "--simulator", "--port", "0")
    server.printed("Clarion answers on")
    until(lambda: beside_sqlite.json("carriers", "list")["carriers"][0]["state"] == "bound")
    said = beside_sqlite("send", "0712345678", "Hi", "--wait-s", "0").stdout
    assert "no carrier is bound" not in said
    server.kill()
    (carrier,) = beside_sqlite.json("carriers", "list")["carriers"]
    assert (carrier["state"], carrier["reason"]) == ("closed", "no server holds it")
    said = beside_sqlite("send", "0712345678", "Hi", "--wait-s", "0").stdout
    assert "accepted, and not sent yet: no carrier is bound. A server has to be running" in said
