"""The SMSC's own record of what it was given: the witness of every test of what reached the wire."""

import os
from pathlib import Path

import msgspec

from clarion.carriers.smpp.pdu import Malformed, decode_message, decode_parameters
from clarion.carriers.smpp.receipts import inbound_text


class SubmitLog:
    """Appends a JSON line for each submit. What was read from a socket at once is written at once, past any buffer of ours."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if the file cannot be opened for appending."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lines: list[bytes] = []

    def note(self, octets: bytes, at: int, bind: int, sequence: int, message_id: str, status: int) -> None:
        """Keep a whole submit_sm for the next `flush`. `at` in microseconds; `message_id` is empty where it was refused."""
        message = decode_message(octets)
        if isinstance(message, Malformed):
            return
        text = inbound_text(message, decode_parameters(message.parameters), sequence)
        record: dict[str, str | int | float] = {
            "at": at / 1e6,
            "bind": bind,
            "sequence": sequence,
            "source": message.source,
            "destination": message.destination,
            "text": text.text,
            "id": message_id,
            "status": status,
        }
        if text.parts > 1:
            record |= {"ref": text.part_reference, "total": text.parts, "part": text.part}
        self._lines.append(msgspec.json.encode(record))

    def flush(self) -> None:
        """Write what was noted."""
        if self._lines:
            os.write(self._file, b"\n".join(self._lines) + b"\n")
            self._lines.clear()

    def close(self) -> None:
        """Write what was noted, and no more."""
        self.flush()
        os.close(self._file)
