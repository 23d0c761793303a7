"""Texts that people sent to us, kept as they came; one that came in parts is kept whole too, once all of them are there."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.text import REPLACEMENT
from clarion.store import rows


class Inbound(NamedTuple):
    """A text, or a part of one: `recipient` is our number, `raw` what the carrier sent.

    Part 0 is the whole that its `parts` made, and has nothing raw of its own.
    """

    recipient: str
    sender: str
    text: str
    data_coding: int
    raw: bytes
    part: int
    parts: int
    part_reference: int


_COLUMNS = {
    "recipient": "text",
    "sender": "text",
    "text": "text",
    "data_coding": "smallint",
    "raw": "bytea",
    "part": "smallint",
    "parts": "smallint",
    "part_reference": "int",
}


JOIN_MICROS = 86_400_000_000
"""Phones use their references again: older parts belong to another text."""

JOIN_ROWS = 10_000
"""How many texts back the other parts are looked for. They come within seconds; a day of replies to a campaign is not read for each."""


def keep(connection: Connection, carrier_id: int, texts: Sequence[Inbound], now: int) -> list[Inbound]:
    """Store inbound texts, and the whole of those whose last missing part is among them; returns these."""
    parts = [text for text in texts if text.parts > 1]
    if parts:
        # Two binds may bring two parts at once: one of them has to see both.
        lock = rows.for_update(connection)
        rows.all(connection, f"SELECT id FROM carriers WHERE id = :carrier_id{lock}", carrier_id=carrier_id)
    _insert(connection, carrier_id, texts, now)
    joined = _joined(connection, carrier_id, parts, now) if parts else []
    _insert(connection, carrier_id, joined, now)
    return joined


def _insert(connection: Connection, carrier_id: int, texts: Sequence[Inbound], now: int) -> None:
    rows.execute(
        connection,
        f"INSERT INTO inbound (carrier_id, {', '.join(_COLUMNS)}, received_at)"
        f" SELECT :carrier_id, {', '.join(_COLUMNS)}, :now FROM v WHERE true",
        v=(_COLUMNS, texts),
        carrier_id=carrier_id,
        now=now,
    )


_Key = tuple[str, str, int, int]
"""Recipient, sender, reference and number of parts: what the parts of one text have in common (3GPP TS 23.040, 9.2.3.24.1)."""

_KEY = {"recipient": "text", "sender": "text", "part_reference": "int", "parts": "smallint"}
_SAME = (
    f"SELECT {', '.join(_KEY)}, part, text, data_coding, raw FROM inbound WHERE id > (SELECT max(id) FROM inbound) - {JOIN_ROWS}"
    f" AND carrier_id = :carrier_id AND received_at > :since AND ({', '.join(_KEY)}) IN (SELECT {', '.join(_KEY)} FROM v) ORDER BY id"
)


def _joined(connection: Connection, carrier_id: int, parts: Sequence[Inbound], now: int) -> list[Inbound]:
    """The texts of which every part is there since they were last whole. A part that came twice counts as it came last."""
    keys = sorted({_key(part) for part in parts})
    there: dict[_Key, dict[int, tuple[str, int, bytes]]] = defaultdict(dict)
    found = rows.execute(connection, _SAME, v=(_KEY, keys), carrier_id=carrier_id, since=now - JOIN_MICROS)
    for *key, part, text, data_coding, raw in found:
        if part == 0:
            there.pop(tuple(key), None)
        else:
            there[tuple(key)][part] = (text, data_coding, raw)
    whole = []
    for key in keys:
        recipient, sender, reference, count = key
        if len(there[key]) == count:
            text = _in_one((there[key][part][0], there[key][part][2]) for part in range(1, count + 1))
            whole.append(Inbound(recipient, sender, text, there[key][1][1], b"", 0, count, reference))
    return whole


def _in_one(parts: Iterable[tuple[str, bytes]]) -> str:
    """The text of parts in order, of which each has its octets: an emoji that was cut in two between them is only there."""
    whole, before = "", b""
    for text, raw in parts:
        pair = _cut_pair(before, raw) if whole.endswith(REPLACEMENT) and text.startswith(REPLACEMENT) else ""
        whole = whole[:-1] + pair + text[1:] if pair else whole + text
        before = raw
    return whole


def _cut_pair(before: bytes, after: bytes) -> str:
    """The character whose halves end the one and begin the other, behind a header if there is one; or nothing."""
    for begin in (0, after[0] + 1):
        character = (before[-2:] + after[begin : begin + 2]).decode("utf-16-be", "replace")
        if len(character) == 1 and character != REPLACEMENT:
            return character
    return ""


def _key(part: Inbound) -> _Key:
    return part.recipient, part.sender, part.part_reference, part.parts
