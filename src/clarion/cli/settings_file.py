"""The settings file: TOML whose keys are the options of all commands, `data_dir = "…"` for `--data-dir`."""

import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from clarion.cli.failures import Failure
from clarion.cli.options import ENVIRONMENT

DEFAULT = Path("clarion.toml")

KEY_CHARACTERS_SHOWN = 40
"""Of a key that is no setting; the longest setting has 24."""


def load_settings(path: Path | None, program: object) -> dict[str, Any]:
    """What a file says, as the defaults of each command's options. Without a path the default one is read, if it is there.

    Raises Failure for a file that cannot be read, is no TOML, or has a key that is no option.
    """
    if path is None and not DEFAULT.exists():
        return {}
    path = path or DEFAULT
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"The settings file {path} cannot be read ({error}). Name another with --config.", 2) from None
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"The settings file {path} is no TOML: {error}.", 2) from None
    known = sorted(set(_keys(program)))
    for key, value in values.items():
        if key not in known:
            raise Failure(_unknown(key, value, known, f"{path.absolute()}, line {_line_of(key, text)}"), 2)
    return _defaults(program, values)


def _unknown(key: str, value: object, known: list[str], where: str) -> str:
    shown = key if len(key) <= KEY_CHARACTERS_SHOWN else f"{key[:KEY_CHARACTERS_SHOWN]}…"
    if isinstance(value, dict):
        return f"There is no table {shown!r} ({where}): settings stand without one, like port = 8080."
    (closest,) = get_close_matches(key.replace("-", "_").lower(), known, 1, 0.0)
    return f"There is no setting {shown!r} ({where}); the closest is {closest}."


def _line_of(key: str, text: str) -> int:
    place = re.search(rf"^[ \t]*\[*[ \t]*[\"']?{re.escape(key)}\b", text, re.MULTILINE)
    return text.count("\n", 0, place.start()) + 1 if place else 1


def _defaults(command: object, values: dict[str, Any]) -> dict[str, Any]:
    """Nested as the commands are, which is what Typer reads defaults from."""
    if isinstance(command, TyperGroup):
        return {name: _defaults(inner, values) for name, inner in command.commands.items()}
    return {name: values[key] for name, key in _options(command) if key in values}


def _keys(command: object) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for inner in command.commands.values():
            yield from _keys(inner)
    else:
        yield from (key for _, key in _options(command))


def _options(command: object) -> Iterator[tuple[str, str]]:
    """(the name of the parameter, the key) of each option of a command."""
    for parameter in getattr(command, "params", ()):
        variable = parameter.envvar
        if isinstance(variable, str) and variable.startswith(ENVIRONMENT):
            yield parameter.name, variable.removeprefix(ENVIRONMENT).lower()
