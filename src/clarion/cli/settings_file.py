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
    for key in values:
        if key not in known:
            raise Failure(f"{path}, line {_line_of(key, text)}: there is no setting {key!r}. {_suggestion(key, known)}", 2)
    return _defaults(program, values)


def _suggestion(key: str, known: list[str]) -> str:
    near = get_close_matches(key.replace("-", "_"), known, 3, 0.7)
    return f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known)}."


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
