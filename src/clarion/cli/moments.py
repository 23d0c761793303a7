"""Points in time as people type them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from clarion.cli.failures import Failure

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(flag: str, text: str, zone: str) -> int:
    """A date or a time of ISO 8601 as microseconds UTC; without a zone it is read in `zone`. Raises Failure."""
    try:
        when = datetime.fromisoformat(text)
        aware = when if when.tzinfo is not None else when.replace(tzinfo=ZoneInfo(zone))
        return (aware - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise Failure(f"{flag} wants a date or a time, like 2027-01-31 or 2027-01-31T18:00+03:00, not {text!r}.", 2) from None
