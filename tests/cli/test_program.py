"""What holds for every command: help, where options come from, where data is looked for."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from clarion.cli.program import app
from clarion.cli.settings_file import load_settings


def leaves(command: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(command, TyperGroup):
        return [leaf for name, inner in command.commands.items() for leaf in leaves(inner, (*path, name))]
    return [(path, command)]


LEAVES = leaves(get_command(app))


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_has_help_an_example_and_its_options_everywhere(path: tuple[str, ...], command: Any) -> None:
    assert command.help
    assert command.epilog
    assert f"clarion {' '.join(path)}" in command.epilog
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert re.fullmatch(r"CLARION_[A-Z_]+", parameter.envvar), parameter.name
            assert parameter.help
        elif parameter.name != "help":
            assert parameter.help, f"{path}: {parameter.name}"


def test_one_variable_means_one_thing() -> None:
    """Options that share a variable share their name: CLARION_PORT is --port wherever it is."""
    names: dict[str, set[str]] = {}
    for _, command in LEAVES:
        for parameter in command.params:
            if isinstance(parameter.envvar, str):
                names.setdefault(parameter.envvar, set()).add(parameter.opts[0])
    assert {variable: options for variable, options in names.items() if len(options) > 1} == {}


def test_help_answers_without_reading_the_store() -> None:
    """Starting time is imports: the heavy ones wait until a command needs them."""
    code = (
        "import sys\nfrom clarion.cli.program import run\nrun(['--help'])\n"
        "print(sorted({'sqlalchemy', 'fastapi', 'phonenumbers', 'alembic', 'asyncio'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Usage: clarion" in done.stdout
    assert "sqlalchemy" not in done.stderr
    assert "fastapi" not in done.stderr
    assert "phonenumbers" not in done.stderr
    assert "alembic" not in done.stderr


def test_without_arguments_it_shows_help(beside_sqlite: Any) -> None:
    done = beside_sqlite.bare()
    assert (done.returncode, done.stderr) == (0, "")
    assert "organizations" in done.stdout
    assert beside_sqlite.bare("--version").stdout.strip()


@pytest.mark.parametrize("command", [("keys", "list"), ("doctor",), ("backup", "file"), ("broadcasts", "watch")])
def test_only_serve_and_demo_make_a_folder(clarion_nowhere: Any, command: tuple[str, ...]) -> None:
    said = clarion_nowhere.refused(*command)
    assert str(clarion_nowhere.folder / "clarion-data" / "clarion.db") in said
    assert "--data-dir" in said
    assert list(clarion_nowhere.folder.iterdir()) == []


@pytest.fixture
def clarion_nowhere(beside_sqlite: Any, tmp_path: Path) -> Any:
    (tmp_path / "empty").mkdir()
    beside_sqlite.folder = tmp_path / "empty"
    return beside_sqlite


def test_what_is_typed_goes_before_the_environment_before_the_file(beside_sqlite: Any) -> None:
    folder = beside_sqlite.folder
    (folder / "clarion.toml").write_text('currency = "MYR"\nbilling = "postpaid"\n')
    assert beside_sqlite.json("organizations", "create", "file")["currency"] == "MYR"
    beside_sqlite.settings["CLARION_CURRENCY"] = "USD"
    made = beside_sqlite.json("organizations", "create", "environment")
    assert (made["currency"], made["billing"]) == ("USD", "postpaid")
    assert beside_sqlite.json("organizations", "create", "typed", "--currency", "UGX")["currency"] == "UGX"


def test_the_settings_file_may_be_named_anywhere(beside_sqlite: Any) -> None:
    (beside_sqlite.folder / "other.toml").write_text('currency = "MYR"')
    for arguments in (("--config", "other.toml", "organizations", "create", "a"), ("organizations", "create", "b", "--config=other.toml")):
        assert beside_sqlite.json(*arguments)["currency"] == "MYR"
    beside_sqlite.settings["CLARION_CONFIG"] = "other.toml"
    assert beside_sqlite.json("organizations", "create", "c")["currency"] == "MYR"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 1\nprot = 2\n", "There is no setting 'prot' ({file}, line 2); the closest is port."),
        ("Database-URL = 2\n", "There is no setting 'Database-URL' ({file}, line 1); the closest is database_url."),
        ("[serve]\nport = 1\n", "There is no table 'serve' ({file}, line 1): settings stand without one, like port = 8080."),
        (f"{'x' * 5000} = 1", f"There is no setting '{'x' * 40}…' ({{file}}, line 1); the closest is "),
        ("port = \n", "is no TOML"),
        ('port = "high"\n', "port"),
    ],
)
def test_a_settings_file_that_is_wrong_is_refused(beside_sqlite: Any, text: str, words: str) -> None:
    (beside_sqlite.folder / "clarion.toml").write_text(text)
    said = beside_sqlite.refused("serve", code=2)
    file = beside_sqlite.folder / "clarion.toml"
    assert words.replace("{file}", str(file)) in said
    assert len(said) < 200 + len(str(file))
    assert "cannot be read" in beside_sqlite.refused("keys", "list", "--config", "absent.toml", code=2)


def test_every_option_is_a_key_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text("port = 1\nsmsc_port = 2\ntrusted_proxy = ['10.0.0.0/8']\nexit = true\n")
    found = load_settings(tmp_path / "all.toml", get_command(app))
    assert found["serve"] == {"port": 1, "trusted_proxy": ["10.0.0.0/8"]}
    assert found["demo"] == {"port": 1, "leave": True}
    assert found["simulator"] == {"smsc": {"port": 2}}


def test_databases_that_are_not_ours_to_use(beside_sqlite: Any) -> None:
    file = beside_sqlite.folder / "clarion-data" / "clarion.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    said = beside_sqlite.refused("keys", "list")
    assert "9999" in said
    assert "newer" in said
    file.write_bytes(b"")
    assert "clarion serve" in beside_sqlite.refused("keys", "list")
    assert "No engine for mysql" in beside_sqlite.refused("keys", "list", "--database-url", "mysql://h/d")
    assert "cannot be reached" in beside_sqlite.refused("keys", "list", "--database-url", "postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("doctor",), ("keys", "list")])
@pytest.mark.parametrize(("damaged_from", "words"), [(0, "no database at all"), (100, "damaged"), (8_192, "damaged")])
def test_a_damaged_file_points_to_the_backup(beside_sqlite: Any, command: tuple[str, ...], damaged_from: int, words: str) -> None:
    """The head of the file, the schema on its first page, everything behind the second page."""
    file = beside_sqlite.folder / "clarion-data" / "clarion.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:damaged_from] + b"\xaa" * (len(whole) - damaged_from))
    said = beside_sqlite.refused(*command)
    assert words in said
    assert "restore a backup" in said


def test_an_absent_extra_is_named(beside_sqlite: Any) -> None:
    """What an install without the extra looks like: the driver cannot be imported."""
    (beside_sqlite.folder / "asyncpg.py").write_text("raise ModuleNotFoundError('No module named asyncpg')")
    beside_sqlite.settings["PYTHONPATH"] = f"{beside_sqlite.folder}:{beside_sqlite.environment['PYTHONPATH']}"
    done = beside_sqlite.alone("keys", "list", "--database-url", "postgresql://h/d")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: PostgreSQL needs the package asyncpg: pip install 'clarion[postgres]'.\n"


def test_a_pipe_that_closes_is_no_error(beside_sqlite: Any) -> None:
    command = f"{sys.executable} -m clarion.cli --help | head -1"
    done = subprocess.run(["bash", "-c", command], env=beside_sqlite.environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


LONG = "x" * 5_000


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "list", "--data-dir", LONG),
        ("keys", "list", "--config", LONG),
        ("keys", "list", "--organization", LONG),
        ("serve", "--port", "0", "--data-dir", LONG),
        ("demo", "--port", "0", "--data-dir", LONG),
        ("backup", LONG),
        ("optouts", "import", LONG),
        ("organizations", "create", "A", "--currency", LONG),
        ("carriers", "add", "north", f"smpp://a@h?{LONG}=1"),
        ("organizations", LONG),
    ],
)
def test_what_is_too_long_is_refused_in_a_line(beside_sqlite: Any, arguments: tuple[str, ...]) -> None:
    done = beside_sqlite(*arguments)
    assert done.returncode in {1, 2}
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 600, done.stderr
