"""Which routes or prices a number has: those of the longest prefix that it begins with."""

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

# The recipients of a broadcast begin alike, so few beginnings make nearly all look-ups; this many are some hundred kilobytes.
_REMEMBERED_MAX = 4096


class LongestPrefix(Generic[T]):
    """Values by prefix, made once and never changed. The empty prefix fits every number.

    The lists it gives are shared between calls: read them, do not change them.
    """

    __slots__ = ("_lengths", "_longest", "_remembered", "_values")

    def __init__(self, pairs: Iterable[tuple[str, T]]) -> None:
        """From (prefix digits, value) pairs; values of one prefix keep their order. Raises ValueError if a prefix is not of digits."""
        self._values: dict[str, list[T]] = {}
        for prefix, value in pairs:
            if prefix and not (prefix.isascii() and prefix.isdecimal()):
                raise ValueError(f"a prefix is digits without a plus, not {prefix!r}")
            self._values.setdefault(prefix, []).append(value)
        self._lengths = sorted({len(prefix) for prefix in self._values}, reverse=True)
        self._longest = max(self._lengths, default=0)
        self._remembered: dict[str, tuple[list[T], list[T]]] = {}

    def find(self, digits: int) -> list[T]:
        """The values of the longest prefix that fits; none if no prefix does."""
        return self._fitting(digits)[0]

    def candidates(self, digits: int) -> list[T]:
        """The values of all prefixes that fit, those of the longest first: where to turn when the first ones fail."""
        return self._fitting(digits)[1]

    def _fitting(self, digits: int) -> tuple[list[T], list[T]]:
        beginning = str(digits)[: self._longest]
        found = self._remembered.get(beginning)
        if found is None:
            prefixes = (beginning[:length] for length in self._lengths if length <= len(beginning))
            lists = [self._values[prefix] for prefix in prefixes if prefix in self._values]
            found = (lists[0] if lists else [], [value for values in lists for value in values])
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[beginning] = found
        return found
