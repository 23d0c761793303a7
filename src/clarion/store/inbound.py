"""Texts that people sent to us, kept as they came."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import rows


class Inbound(NamedTuple):
    """A text, or a part of one: `recipient` is our number, `raw` what the carrier sent."""

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


def keep(connection: Connection, carrier_id: int, texts: Sequence[Inbound], now: int) -> None:
    """Store inbound texts."""
    rows.execute(
        connection,
        f"INSERT INTO inbound (carrier_id, {', '.join(_COLUMNS)}, received_at)"
        f" SELECT :carrier_id, {', '.join(_COLUMNS)}, :now FROM v WHERE true",
        v=(_COLUMNS, texts),
        carrier_id=carrier_id,
        now=now,
    )
