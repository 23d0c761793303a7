"""What people see: texts of others steer no terminal."""

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import clarion.cli
from clarion.cli.output import local, print_facts, print_table, printable

STEERING = [*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]


def test_what_steers_is_shown_as_replaced() -> None:
    for code in STEERING:
        assert printable(f"a{chr(code)}b") == "a\ufffdb", hex(code)


def test_everything_else_stays() -> None:
    text = "Habari \u20ac \u0645\u0631\u062d\u0628\u0627 \u0939\u093f\u0928\u094d\u200d\u0926\u0940 \U0001f600\tx\ny"
    assert printable(text) == text
    assert printable("a\r\nb") == "a\nb"


def test_tables_and_facts_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "x\x1b]0;title\x07\x9b2J\u202egnp"
    shown = "x\ufffd]0;title\ufffd\ufffd2J\ufffdgnp"
    print_table(["Name"], [[evil]], "none")
    assert shown in capsys.readouterr().out
    print_facts([("Name", evil)])
    assert capsys.readouterr().out == f"Name  {shown}\n"


def test_a_second_line_passes_for_no_other_fact(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts([("Text", "Hello\nState  delivered"), ("State", "undelivered"), ("Absent", None)])
    assert capsys.readouterr().out == "Text   Hello\n       State  delivered\nState  undelivered\n"


def test_every_sentence_goes_through_what_replaces_it() -> None:
    """Names are in most of them: only `output` writes to the terminal."""
    commands = Path(clarion.cli.__file__).parent
    assert [path.name for path in commands.glob("*.py") if "typer.echo(" in path.read_text()] == ["output.py"]


def test_names_that_were_stored_steer_no_terminal(beside_sqlite: Any) -> None:
    evil, shown = "Acme\x1b]0;title\x07\u202egnp", "Acme\ufffd]0;title\ufffd\ufffdgnp"
    beside_sqlite.json("organizations", "create", "Acme")
    with sqlite3.connect(beside_sqlite.folder / "clarion-data" / "clarion.db") as connection:
        connection.execute("UPDATE organizations SET name = ?", (evil,))
    for arguments in (
        ("wallet", "top-up", "5"),
        ("wallet", "statement", "--limit", "1"),
        ("templates", "add", "welcome", "--text", "Hi"),
        ("keywords", "add", "PROMO"),
        ("keys", "create", "--name", "backend"),
        ("keys", "revoke", "1"),
        ("senders", "list"),
        ("optouts", "list"),
        ("optouts", "add", "0712345678"),
    ):
        done = beside_sqlite(*arguments)
        assert done.returncode == 0, done
        assert shown in done.stdout, arguments
        assert not set("\x1b\x07\u202e") & set(done.stdout), arguments


def test_a_time_names_its_zone_also_where_that_has_no_letters() -> None:
    at = 1_774_728_000_000_000
    assert local(at, "Africa/Nairobi") == "2026-03-28 23:00:00 EAT"
    assert local(at, "Asia/Kuala_Lumpur") == "2026-03-29 04:00:00 UTC+08"
    assert local(None, "UTC") is None


def test_a_list_has_one_zone_and_names_it(beside_sqlite: Any) -> None:
    """That of the organization or of all of them; UTC where theirs differ."""
    clarion = beside_sqlite
    clarion.json("organizations", "create", "Acme")
    clarion.json("keys", "create", "--name", "backend", "--expires", "2999-01-31T12:00+00:00")
    clarion.json("keys", "revoke", str(clarion.json("keys", "create", "--name", "old")["id"]))
    clarion.json("templates", "add", "welcome", "--text", "Hi")
    clarion.json("keywords", "add", "PROMO")
    clarion.json("senders", "add", "ACME")
    clarion.json("optouts", "add", "0712345678")
    clarion.json("wallet", "top-up", "100")
    clarion.json("carriers", "add", "north", "smpp://acme@127.0.0.1:1")
    clarion.json("send", "0723456789", "Hi", "--wait-s", "0")
    with sqlite3.connect(clarion.folder / "clarion-data" / "clarion.db") as connection:
        connection.execute("INSERT INTO binds (carrier_id, slot, state, reason, since_at) VALUES (1, 0, 'closed', '', 0)")
    owned = [(noun, "list") for noun in ("keys", "templates", "keywords", "broadcasts", "messages")]
    named = [("senders", "list"), ("optouts", "list"), ("wallet", "statement")]
    times = re.compile(r"\d\d:\d\d:\d\d (\S+)")

    def shown(arguments: tuple[str, ...]) -> str:
        done = clarion(*arguments)
        assert done.returncode == 0, done
        (heading,) = re.findall(r"\((\S+/\S+|UTC)\)", done.stdout)
        (zone,) = set(times.findall(done.stdout))
        return f"{heading} {zone}"

    for arguments in (*owned, *named, ("carriers", "list")):
        assert shown(arguments) == "Africa/Nairobi EAT", arguments
    clarion.json("organizations", "create", "Zed", "--currency", "MYR")
    for arguments in owned:
        assert shown(arguments) == "UTC UTC", arguments
        assert shown((*arguments, "--organization", "Acme")) == "Africa/Nairobi EAT", arguments
    assert shown(("carriers", "list")) == "UTC UTC"
