"""What goes wrong, as a sentence for people: what it was, and the next step."""

import re
from typing import NamedTuple

import typer

_LONG_WORD = re.compile(r"(\S{100})\S{200,}")
"""Paths are longer than a hundred characters at times; three hundred are nobody's."""


class Failure(Exception):
    """A command cannot do what it was asked. The message is one or two sentences; `exit_code` is 2 for what was typed wrongly."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class Explained(NamedTuple):
    """An error as it is shown, behind `Error: `."""

    sentence: str
    exit_code: int


def explain(error: Exception) -> Explained | None:
    """The sentence for an error that people can do something about; None for a defect, which must be seen whole."""
    if isinstance(error, Failure):
        return Explained(str(error), error.exit_code)
    if isinstance(error, typer.TyperException):
        return _explain_usage(error)
    if isinstance(error, typer.Abort):
        return Explained("Stopped; nothing was changed.", 1)
    from clarion.carriers.smpp.settings import CarrierUrlError
    from clarion.core.money import InvalidAmount, UnknownCurrency
    from clarion.store.errors import StoreError

    if isinstance(error, CarrierUrlError | InvalidAmount | UnknownCurrency):
        return Explained(sentence(str(error)), 2)
    if isinstance(error, StoreError):
        return Explained(sentence(str(error)), 1)
    return None


def sentence(text: str) -> str:
    """With a full stop: most errors inside are clauses. Their first word may be a name, so it stays as it is."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def shortened(text: str) -> str:
    """Words of no length that anybody reads, like a whole file in the place of its name, are cut."""
    return _LONG_WORD.sub(r"\1…", text)


def _explain_usage(error: typer.TyperException) -> Explained:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "clarion"
    return Explained(f"{sentence(error.format_message())} `{command} --help` shows how.", error.exit_code)
