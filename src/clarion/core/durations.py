"""Lengths of time as people write them: `30m`, `72h`, `3d`."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WRITTEN = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)


def parse_duration(text: str) -> int | None:
    """Seconds of a whole number and its unit, s, m, h or d; None for anything else."""
    found = _WRITTEN.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2]]


def write_duration(seconds: int) -> str:
    """In the largest unit that needs no fraction, but hours up to three days: `72h` is what a contract says."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0 and (unit != "d" or seconds > 3 * _UNITS["d"]):
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
