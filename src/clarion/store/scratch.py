"""What a rehearsal remembers of numbers that it has seen: a file of this process alone, gone with it, so that memory stays flat."""

import json
import sqlite3
from collections.abc import Sequence
from types import TracebackType


class SeenNumbers:
    """A set of numbers on disk."""

    def __init__(self) -> None:
        # SQLite's name for a temporary file that is deleted when it is closed.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("CREATE TABLE seen (number INTEGER PRIMARY KEY)")

    def __enter__(self) -> "SeenNumbers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def add(self, numbers: Sequence[int]) -> set[int]:
        """Those of them that were there before."""
        statement = "INSERT INTO seen SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING RETURNING number"
        new = {number for (number,) in self._connection.execute(statement, (json.dumps(list(numbers)),))}
        return set(numbers) - new
