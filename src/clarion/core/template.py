"""Texts with places for values: `{name}` as Teekrr writes them, `{{name}}` as Teli does."""

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Final

_PLACES: Final = {
    "{": re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_. -]{0,63}?)\s*\}"),
    "{{": re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_. -]{0,63}?)\s*\}\}"),
}

VALUE_CHARACTERS_MAX = 10_000
"""No more of a value is put into a text, which is then far too long to be sent: a long value in many places would be gigabytes."""

PLACES_MAX = 100
"""What a face takes; more have no use in a text that can be sent."""


def unmatched_brace(text: str) -> str | None:
    """Which brace of a text has no partner, mostly one of a place that was mistyped; None if all have."""
    open_ = 0
    for brace in re.findall("[{}]", text):
        open_ += 1 if brace == "{" else -1
        if open_ < 0:
            return "}"
    return "{" if open_ else None


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
        self.variables = tuple(pieces[1::2])
        """The names of its places in their order, one that comes twice twice."""
        self._values_of = _getter(self.variables)
        # Formatting in C takes half the time of joining pieces, and a broadcast renders thousands.
        self._format = f"%.{VALUE_CHARACTERS_MAX}s".join(literal.replace("%", "%%") for literal in pieces[::2])

    def render(self, values: Mapping[str, object]) -> str:
        """The text for these values: texts, numbers, true and false.

        Raises MissingVariable for an absent or null one, and for what is no value, an array or an object: a gap in a text is worse than
        no text.
        """
        if not self.variables:
            return self.text
        try:
            found = self._values_of(values)
        except KeyError as missing:
            raise MissingVariable(missing.args[0]) from None
        for value in found:
            if type(value) is not str:
                return self._format % tuple(map(_words, self.variables, found))
        return self._format % found


def _getter(names: tuple[str, ...]) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
    """Reads several values at once; raises KeyError. `itemgetter` of a single name gives its value and no tuple."""
    return itemgetter(*names) if len(names) > 1 else lambda values: tuple([values[name] for name in names])


def _words(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float):
        raise MissingVariable(name)
    return str(value)
