"""Times as people write them: ISO 8601, with a zone or in a zone of their own."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WITH_TIME = re.compile(r"\S{8,10}[Tt ]\S{2,}", re.ASCII)
CHARACTERS_MAX = 64


def parse_moment(text: str, zone: str) -> int | None:
    """Microseconds UTC of an ISO 8601 date with a time; None for anything else. Without an offset it is read in `zone` (IANA).

    A local time that does not exist (clocks go forward) moves forward by the gap; one that comes twice (clocks go back) is the first.
    """
    if len(text) > CHARACTERS_MAX or not _WITH_TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is None:
            # With fold 0 a time in a gap has the offset from before it, which is just that move forward.
            moment = moment.replace(tzinfo=ZoneInfo(zone), fold=0)
        return (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def write_moment(at: int) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-03-29T01:30:00.000Z`. `at` in microseconds."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
