"""The samples of a server's event loop: how late it came to what was due."""

import struct
from pathlib import Path

PERIOD_S = 0.01
"""Two samples see every step that is longer than it."""

SAMPLE = struct.Struct("<dd")
"""When (seconds, monotonic, which all processes of a machine share) and how late (seconds)."""


def read_lag_ms(path: Path, begin: float, end: float) -> list[float]:
    """The samples between two instants, in milliseconds."""
    octets = path.read_bytes()
    whole = octets[: len(octets) // SAMPLE.size * SAMPLE.size]
    return [late * 1000 for at, late in SAMPLE.iter_unpack(whole) if begin <= at <= end]
