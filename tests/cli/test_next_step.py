"""The next command to type goes to the same database, survives a shell, and shows no password."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from clarion.cli.next_step import VARIABLE, next_step, place, place_note
from clarion.cli.options import DATA_DIR


@pytest.mark.parametrize(
    ("data_dir", "url", "typed"),
    [
        (DATA_DIR, None, ""),
        (Path("my data"), None, " --data-dir 'my data'"),
        (Path("elsewhere"), "", " --data-dir elsewhere"),
        (Path("elsewhere"), "postgresql://me@db/clarion", " --database-url postgresql://me@db/clarion"),
        (DATA_DIR, "postgresql:///clarion?host=/run/a b", " --database-url 'postgresql:///clarion?host=/run/a b'"),
        (DATA_DIR, "postgresql://me:s3cret@db/clarion", " --database-url URL"),
        (DATA_DIR, "postgresql://me:s3/c@ret@db/clarion", " --database-url URL"),
        (DATA_DIR, "postgresql://me@db/clarion?password=s3cret", " --database-url URL"),
    ],
)
def test_what_is_typed_behind_a_command(data_dir: Path, url: str | None, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert place(data_dir, url) == typed
    if url:
        monkeypatch.setenv(VARIABLE, url)
        assert place(data_dir, url) == ""
        assert VARIABLE in str(place_note(url))


def test_names_survive_a_shell() -> None:
    command = next_step(DATA_DIR, None, "keys", "create", "--organization", "Asha's; rm -rf")
    assert shlex.split(command) == ["clarion", "keys", "create", "--organization", "Asha's; rm -rf"]


def test_the_next_step_finds_the_same_database(beside_sqlite: Any) -> None:
    (beside_sqlite.folder / "clarion-data").rename(beside_sqlite.folder / "my data")
    beside_sqlite.place = ("--data-dir", "my data")
    said = beside_sqlite("organizations", "create", "Asha's").stdout
    (command,) = re.findall(r"Next: clarion (.*)", said)
    assert beside_sqlite.bare(*shlex.split(command)).returncode == 0
    said = beside_sqlite("carriers", "add", "north", "smpp://acme@127.0.0.1:1").stdout
    (command,) = re.findall(r"Next: clarion (.*)", said)
    assert "connect" in beside_sqlite.bare(*shlex.split(command)).stdout


def test_a_password_is_in_no_next_step(beside_sqlite: Any, postgres_url: str) -> None:
    """Neither typed nor from the environment; the server of the tests asks for none, so any is right."""
    scheme, _, rest = postgres_url.partition("://")
    secret = f"{scheme}://{rest.partition('@')[0].partition(':')[0]}:s3cret@{rest.partition('@')[2]}"
    typed = beside_sqlite("organizations", "create", "Acme", "--database-url", secret)
    assert "--name NAME --database-url URL\n" in typed.stdout, typed
    beside_sqlite.settings[VARIABLE] = secret
    found = beside_sqlite("carriers", "add", "north", "smpp://acme@127.0.0.1:1")
    assert found.stdout.endswith("Next: clarion carriers test north\n"), found
    for done in (typed, found, beside_sqlite("backup", "copy"), beside_sqlite("keys", "list")):
        assert "s3cret" not in "".join(map(str, done))


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3c/ret@127.0.0.1:1/d", "postgresql://me:s3c#ret@127.0.0.1:1/d", "postgresql://me:s3cret@h:x/d"]
)
def test_a_url_that_cannot_be_taken_apart_is_refused_without_a_word_of_it(beside_sqlite: Any, url: str) -> None:
    for command in (("keys", "list"), ("backup", "copy"), ("serve", "--port", "0")):
        said = beside_sqlite.refused(*command, "--database-url", url)
        assert "That is no database URL" in said
        assert "s3c" not in said


def test_a_first_start_on_postgres_prints_no_password(beside_sqlite: Any, start: Any, empty_postgres_url: str) -> None:
    scheme, _, rest = empty_postgres_url.partition("://")
    secret = f"{scheme}://{rest.partition('@')[0].partition(':')[0]}:s3cret@{rest.partition('@')[2]}"
    beside_sqlite.settings[VARIABLE] = secret
    assert VARIABLE not in os.environ
    server = start(beside_sqlite, "serve", "--port", "0")
    server.printed(r"Hello from Clarion")
    code, printed = server.stop()
    assert code == 0, server.log
    assert f"{VARIABLE} tells these commands where the database is" in printed
    assert re.search(r"top-up --organization default 1000.00\n", printed)
    assert "s3cret" not in printed + server.log
