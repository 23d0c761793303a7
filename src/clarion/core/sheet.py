"""Rows of recipients as people keep them in files: comma or semicolon (or tab) between cells, names of the columns in the first line.

A row is one line. CSV lets a cell in quotes go over several, but in a list of recipients a quote that does not end is a mistake, and what
it swallows are other people's rows: they would be lost, and their numbers sent to somebody as a value.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

RECIPIENT_COLUMNS = ("recipient", "phone", "mobile", "number", "phone_number", "mobile_number", "msisdn", "telephone")
"""What the column with the recipients is called, in this order of preference; capitals, blanks and dashes do not matter."""

DELIMITERS = ",;\t"

LINE_CHARACTERS_MAX = 1 << 20
"""No row is as long: a line that never ends, because the file is none of text, need not be read to its end."""

INVALID_UTF8 = "invalid_utf8"
UNREADABLE = "unreadable"
UNMATCHED_QUOTE = "unmatched_quote"
TOO_MANY_CELLS = "too_many_cells"


class NoHeader(ValueError):
    """The first line names no column with recipients; the message is a sentence for people."""


class Row(NamedTuple):
    """A line with anything in it. `values` are the cells that were asked for and are not empty.

    `fault` is why it cannot be used: one of the four words of this file.
    """

    line: int
    recipient: str
    values: Mapping[str, object]
    fault: str | None = None


class Sheet:
    """A header that was read, and the rows behind it."""

    def __init__(self, lines: Iterable[str]) -> None:
        """`lines` with their ends, decoded with `surrogateescape`, cut off at `LINE_CHARACTERS_MAX`. Raises `NoHeader`."""
        self._lines = iter(lines)
        self._before = 0
        header = self._first_line()
        # The one that finds the recipients, or else the most columns: the names may have the other one in quotes.
        self._delimiter = max(DELIMITERS, key=lambda delimiter: _worth(header, delimiter))
        self.columns = tuple(_names(header, self._delimiter))
        """The names of all columns, in their order."""
        places = _places(self.columns)
        self._place = places[0]
        self.recipient_columns = tuple(self.columns[place] for place in places)
        """Those that can have the recipients: the first one is read."""

    def rows(self, wanted: Sequence[str] = ()) -> Iterator[Row]:
        """One after the other; `wanted` are the columns whose cells are kept. Lines with nothing in them are left out."""
        places = [(name, self.columns.index(name)) for name in wanted]
        for line, text in enumerate(self._lines, self._before + 1):
            if len(text) >= LINE_CHARACTERS_MAX:
                yield Row(line, "", {}, UNREADABLE)
                continue
            try:
                # A reader of its own, and one kind of end, which only a quote that is open leaves in a cell.
                cells = next(csv.reader((text.rstrip("\r\n") + "\n",), delimiter=self._delimiter))
            except csv.Error:
                yield Row(line, "", {}, UNREADABLE)
                continue
            if any(cells):
                yield self._row(line, cells, places, is_matched=text.count('"') % 2 == 0 and not cells[-1].endswith("\n"))

    def _row(self, line: int, cells: list[str], places: list[tuple[str, int]], *, is_matched: bool) -> Row:
        recipient = cells[self._place].strip() if self._place < len(cells) else ""
        if not _is_unicode(cells):
            return Row(line, recipient.encode(errors="replace").decode(), {}, INVALID_UTF8)
        if not is_matched:
            return Row(line, recipient, {}, UNMATCHED_QUOTE)
        # A comma in a text without quotes would put every later value under another name.
        if any(cells[len(self.columns) :]):
            return Row(line, recipient, {}, TOO_MANY_CELLS)
        return Row(line, recipient, {name: cells[place] for name, place in places if place < len(cells) and cells[place].strip()})

    def _first_line(self) -> str:
        for line in self._lines:
            self._before += 1
            if line.strip():
                return line.removeprefix("\ufeff")
        raise NoHeader("There is nothing in it.")


def _names(header: str, delimiter: str) -> list[str]:
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error as error:
        raise NoHeader(f"The first line cannot be read: {error}.") from None
    return [name.strip().encode(errors="replace").decode() for name in names]


def _worth(header: str, delimiter: str) -> tuple[bool, int]:
    names = _names(header, delimiter)
    return any(_plain(name) in RECIPIENT_COLUMNS for name in names), len(names)


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _places(columns: Sequence[str]) -> list[int]:
    names = [_plain(column) for column in columns]
    places = [place for wanted in RECIPIENT_COLUMNS for place, name in enumerate(names) if name == wanted]
    if places:
        return places
    found = ", ".join(repr(column[:40]) for column in columns[:10])
    raise NoHeader(f"Its first line must name a column {', '.join(RECIPIENT_COLUMNS[:3])} or {RECIPIENT_COLUMNS[3]}; it has {found}.")


def _is_unicode(cells: Sequence[str]) -> bool:
    text = "".join(cells)
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
