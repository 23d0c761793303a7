"""What people see: texts of others steer no terminal."""

from pathlib import Path
from typing import Any

import pytest

import clarion.cli
from clarion.cli.output import print_facts, print_table, printable

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
    for arguments in (
        ("organizations", "create", evil),
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
