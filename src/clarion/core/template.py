"""Texts with places for values: `{name}` as Teekrr writes them, `{{name}}` as Teli does."""

import re
from collections.abc import Mapping
from typing import Final

_PLACES: Final = {
    "{": re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_. -]{0,63}?)\s*\}"),
    "{{": re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_. -]{0,63}?)\s*\}\}"),
}


class MissingVariable(LookupError):
    """A recipient has no value for a place of the text."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no value for {{{name}}}")
        self.name = name


class Template:
    """A text, read once and filled in for each recipient. What is no place (a lone brace, other words) is sent as it stands."""

    def __init__(self, text: str, opening: str = "{") -> None:
        pieces = _PLACES[opening].split(text)
        self.text = text
        self._literals = pieces[::2]
        self.variables = tuple(pieces[1::2])
        """The names of its places in their order, one that comes twice twice."""

    def render(self, values: Mapping[str, object]) -> str:
        """The text for these values: texts, numbers, true and false.

        Raises MissingVariable for an absent or null one, and for what is no value, an array or an object: a gap in a text is worse than
        no text.
        """
        if not self.variables:
            return self.text
        filled = [self._literals[0]]
        for name, literal in zip(self.variables, self._literals[1:], strict=True):
            value = values.get(name)
            if not isinstance(value, str):
                value = _words(name, value)
            filled.append(value)
            filled.append(literal)
        return "".join(filled)


def _words(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float):
        raise MissingVariable(name)
    return str(value)
