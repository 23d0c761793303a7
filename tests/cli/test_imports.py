"""`clarion broadcasts import`: files of recipients, the report, the money, and an end before the end."""

import csv
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import COMMAND

IMPORT = ("broadcasts", "import", "--file", "leads.csv")
HELLO = ("--text", "Hello {name}")


@pytest.fixture
def acme(clarion: Any) -> Any:
    clarion.json("organizations", "create", "Acme")
    clarion.json("wallet", "top-up", "5.00")
    clarion.json("carriers", "add", "north", "smpp://acme@127.0.0.1:1", "--price", "1.00", "--prefix", "+254")
    return clarion


def leads(folder: Path, *lines: str, encoding: str = "utf-8") -> None:
    (folder / "leads.csv").write_text("".join(f"{line}\r\n" for line in lines), encoding=encoding, newline="")


def test_a_file_becomes_a_broadcast(acme: Any) -> None:
    leads(acme.folder, "Name;Mobile;name", "x;0712000001;Ann", "x;712 000 002;Zoë", encoding="utf-8-sig")
    done = acme.json(*IMPORT, *HELLO, "--name", "spring", "--sender", "ACME")
    assert {**done, "id": ""} == {
        "id": "",
        "organization": "Acme",
        "file": "leads.csv",
        "dry_run": False,
        "rows": 2,
        "accepted": 2,
        "not_accepted": {},
        "segments": 2,
        "amount": "2.00",
        "available": "3.00",
        "currency": "KES",
        "money_ended": False,
        "scheduled_at": None,
        "simulated": False,
    }
    shown = acme.json("broadcasts", "show", done["id"])
    assert (shown["state"], shown["messages"], shown["name"], shown["face"]) == ("accepted", 2, "spring", "cli")
    texts = {each["recipient"]: each["text"] for each in acme.json("messages", "list")["messages"]}
    assert texts == {"+254712000001": "Hello Ann", "+254712000002": "Hello Zoë"}
    assert acme.json("doctor")["findings"] == []


def test_what_is_not_accepted_is_reported_row_by_row(acme: Any) -> None:
    leads(acme.folder, "phone,name", "0712000001,Ann", "12,Bob", "+14155550100,Eve", "0712000001,Ann", "0712000002,", "0712000003,Joe,x")
    done = acme(*IMPORT, *HELLO, "--report", "bad.csv")
    assert done.returncode == 0, done.stderr
    assert "Accepted 1 of 6 rows as " in done.stdout
    assert "Each of them is in bad.csv." in done.stdout
    assert list(csv.reader((acme.folder / "bad.csv").open())) == [
        ["line", "value", "reason"],
        ["3", "12", "invalid_number"],
        ["4", "+14155550100", "no_route"],
        ["5", "0712000001", "duplicate"],
        ["6", "0712000002", "missing_variable: name"],
        ["7", "0712000003", "too_many_cells"],
    ]
    assert "exists already" in acme.refused(*IMPORT, *HELLO, "--report", "bad.csv", code=2)
    assert acme.json("broadcasts", "list")["broadcasts"][0]["rejected"] == 4


def test_money_ends_in_the_middle(acme: Any) -> None:
    leads(acme.folder, "phone", *(f"07120000{number:02}" for number in range(8)))
    rehearsed = acme(*IMPORT, "--text", "Hello", "--dry-run", "--json")
    assert '"accepted": 5' in rehearsed.stdout
    assert acme.json("broadcasts", "list")["broadcasts"] == []
    whole = acme(*IMPORT, "--text", "Hello", "--all-or-nothing")
    assert whole.returncode == 1
    assert "Nothing was accepted: the money lasts for 5 of 8 rows, and all were asked for.\n" in whole.stdout
    assert "Acme has KES 5.00, too little for all of them: `clarion wallet top-up` adds more.\n" in whole.stdout
    assert acme.json("wallet", "show")["available"] == "5.00"
    told = acme(*IMPORT, "--text", "Hello", "--all-or-nothing", "--dry-run", "--json", "--report", "whole.csv")
    assert json.loads(told.stdout) | {
        "id": None,
        "rows": 8,
        "accepted": 0,
        "not_accepted": {"insufficient_balance": 1, "skipped": 2},
        "segments": 0,
        "amount": "0.00",
        "available": "5.00",
        "money_ended": True,
    } == json.loads(told.stdout)
    assert [row[0] for row in csv.reader((acme.folder / "whole.csv").open())] == ["line", "7", "8", "9"]
    done = acme(*IMPORT, "--text", "Hello", "--report", "bad.csv")
    assert done.returncode == 1
    assert "Accepted 5 of 8 rows" in done.stdout
    assert "Acme has KES 0.00 left" in done.stdout
    assert [row[2] for row in csv.reader((acme.folder / "bad.csv").open())][1:] == ["insufficient_balance", "skipped", "skipped"]
    assert acme.json("doctor")["findings"] == []


def test_an_approved_template_later(acme: Any) -> None:
    leads(acme.folder, "phone,name", "0712000001,Ann")
    acme.json("templates", "add", "welcome", "--text", "Welcome {name}")
    assert "not approved" in acme.refused(*IMPORT, "--template", "welcome")
    acme.json("templates", "approve", "welcome")
    done = acme.json(*IMPORT, "--template", "welcome", "--at", "2099-01-31T18:00")
    assert done["scheduled_at"] == "2099-01-31T15:00:00.000Z"
    (message,) = acme.json("messages", "list")["messages"]
    assert message["text"] == "Welcome Ann"


def test_what_is_refused_before_anything_is_written(acme: Any) -> None:
    leads(acme.folder, "phone,city", "0712000001,Kisumu")
    (acme.folder / "names.csv").write_text("name,city\n")
    (acme.folder / "empty.csv").write_text("")
    (acme.folder / "twice.csv").write_text("phone,city,city\n")
    for arguments, words in [
        ((*IMPORT,), "either --text or --template"),
        ((*IMPORT, "--text", "a", "--template", "b"), "either --text or --template"),
        ((*IMPORT, "--text", " "), "no text"),
        ((*IMPORT, "--text", "Hello {city"), "The text has a { without the } behind it: the place of a value is written {name}."),
        ((*IMPORT, "--text", "Hello city}"), "The text has a } without the { before it"),
        (("broadcasts", "import", "--file", "twice.csv", "--text", "{city}"), "twice.csv has several such columns: rename all but one"),
        ((*IMPORT, *HELLO), "wants {name}, and leads.csv has no such column; it has phone, city"),
        ((*IMPORT, "--text", "a", "--sender", "much-too-long"), "no sender id"),
        ((*IMPORT, "--text", "a", "--at", "2001-01-01"), "is over"),
        ((*IMPORT, "--text", "a", "--at", "soon"), "wants a date or a time"),
        ((*IMPORT, "--text", "a", "--report", "nowhere/bad.csv"), "nowhere/bad.csv cannot be written"),
        (("broadcasts", "import", "--file", "names.csv", "--text", "a"), "must name a column recipient, phone, mobile or number"),
        (("broadcasts", "import", "--file", "empty.csv", "--text", "a"), "nothing in it"),
        (("broadcasts", "import", "--file", "nowhere.csv", "--text", "a"), "cannot be read"),
        (("broadcasts", "import", "--file", "/dev/null", "--text", "a"), "no file of a known length"),
    ]:
        assert words in acme.refused(*arguments, code=2), arguments
    assert acme.json("broadcasts", "list")["broadcasts"] == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "leads.csv has no row below its header. Write a recipient into each line there."),
        (["12"], "leads.csv has 1 row, and none that can be sent. Mend what follows, and import it again."),
        (["12", "0712000001,x"], "leads.csv has 2 rows, and none that can be sent."),
        (["0712000001"], "the money lasts for none of 1 row.\nAcme has KES 0.00 left, too little for the next row"),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_nothing_is_accepted(acme: Any, rows: list[str], words: str, dry: bool) -> None:
    acme.json("wallet", "top-up", "-5.00")
    leads(acme.folder, "phone", *rows)
    done = acme(*IMPORT, "--text", "a", *(["--dry-run"] if dry else []))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"Nothing {'would be' if dry else 'was'} accepted: {words}"), done.stdout
    assert "Watch it" not in done.stdout
    assert acme.json("broadcasts", "list")["broadcasts"] == []
    assert acme.json("doctor")["findings"] == []


def test_stray_quotes_hide_nobody_and_give_nobody_away(acme: Any) -> None:
    people = [f"07331112{number},Bob{number}" for number in range(31, 36)]
    leads(acme.folder, "phone,name", '0733111222,"Ann', *people, '0733111229,"Zed', "0733111230,Cy")
    done = acme(*IMPORT, "--text", "Hi {name}", "--report", "q.csv")
    assert "unmatched_quote: a quote without its partner in its line." in done.stdout
    texts = {each["recipient"]: each["text"] for each in acme.json("messages", "list")["messages"]}
    assert texts == {f"+2547331112{number}": f"Hi Bob{number}" for number in range(31, 36)}
    assert list(csv.reader((acme.folder / "q.csv").open()))[1:] == [
        ["2", "0733111222", "unmatched_quote"],
        ["8", "0733111229", "unmatched_quote"],
        ["9", "0733111230", "insufficient_balance"],
    ]
    assert "Accepted 5 of 8 rows" in done.stdout


def test_a_quote_that_never_ends_spoils_one_line(acme: Any) -> None:
    acme.json("wallet", "top-up", "3000.00")
    leads(acme.folder, "phone,name", '0712999999,"Ann', *(f"071200{number:04},Bob" for number in range(3_000)))
    done = acme.json(*IMPORT, *HELLO)
    assert (done["rows"], done["accepted"], done["not_accepted"]) == (3_001, 3_000, {"unmatched_quote": 1})


def test_a_line_that_is_too_long_is_one_line(acme: Any) -> None:
    leads(acme.folder, "phone,name", "0712000001," + "x" * 3_000_000, "0712000002,Bob", "0712000003")
    done = acme(*IMPORT, *HELLO, "--report", "bad.csv")
    assert "Accepted 1 of 3 rows" in done.stdout
    assert "1 segment, KES 1.00" in done.stdout
    assert [row[0] for row in csv.reader((acme.folder / "bad.csv").open())] == ["line", "2", "4"]


def test_which_of_several_columns_has_the_numbers_is_told(acme: Any) -> None:
    leads(acme.folder, "mobile,phone", "0712000001,0712000002")
    done = acme(*IMPORT, "--text", "Hello", "--dry-run")
    assert (
        done.stderr
        == "The numbers are read from the first of these columns of leads.csv: phone, mobile. Rename it if it is the wrong one.\n"
    )
    leads(acme.folder, "mobile,phone_home", "0712000001,0712000002")
    assert acme(*IMPORT, "--text", "Hello", "--dry-run").stderr == ""


def begin(acme: Any, **more: Any) -> subprocess.Popen[bytes]:
    """An import of many rows in a process of its own."""
    acme.json("wallet", "top-up", "1000000")
    leads(acme.folder, "phone", *(f"+2547{number:08}" for number in range(300_000)))
    return subprocess.Popen([*COMMAND, *IMPORT, "--text", "Hello", *acme.place], cwd=acme.folder, env=acme.environment, **more)


def until_money_is_held(acme: Any, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 60
    while acme.json("wallet", "show")["available"] == "1000005.00":
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.02)


def test_ctrl_c_takes_everything_back(acme: Any) -> None:
    process = begin(acme, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until_money_is_held(acme, process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, b"")
    assert errors == b"Stopped: nothing is accepted, and nothing is sent.\n"
    assert acme.json("wallet", "show")["available"] == "1000005.00"
    (cut_off,) = acme.json("broadcasts", "list")["broadcasts"]
    assert (cut_off["state"], cut_off["reason"], cut_off["messages"]) == ("cancelled", "accept_interrupted", 0)
    assert acme.json("doctor")["findings"] == []


def test_after_a_kill_the_next_one_says_what_happened(acme: Any) -> None:
    process = begin(acme, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until_money_is_held(acme, process)
    process.kill()
    process.wait()
    assert acme.json("broadcasts", "list")["broadcasts"] == [], "nobody sees it, so nobody sends it"
    leads(acme.folder, "phone", "0712000001")
    done = acme(*IMPORT, "--text", "Hello")
    assert done.returncode == 0
    assert "Another import, begun" in done.stderr
    assert "nothing of it is sent" in done.stderr
    assert acme.json("doctor")["findings"] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_terminal_shows_a_bar(acme: Any) -> None:
    ours, theirs = pty.openpty()
    process = begin(acme, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        seen += more
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"leads.csv" in seen
    assert b"100%" in seen
    assert b"300,000 accepted" in seen
