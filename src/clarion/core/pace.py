"""Pace: at most so many messages of a broadcast a minute, spread over the minute, as one number that survives every process.

That number is the time until which the messages let go so far are paid for (GCRA, as in ITU-T I.371, Annex A): each pays for one
minute divided by the pace, and the next may go when its time has come. What was missed is made up for one second, and no further.
"""

from typing import NamedTuple

MINUTE = 60_000_000
"""In microseconds, as all times here."""

SAVED_MICROS = 1_000_000
"""Whoever lets messages go looks at least this often, so that no look that came late costs anything; an hour without a carrier does."""

GATHER_MICROS = 250_000
"""A quick pace lets messages go by this much at once: each time is a commit and a mark."""

PER_MINUTE_MAX = 6_000_000


class Allowance(NamedTuple):
    """`messages` may go now. `next_at` is when to look again if they all do; `paid_until` what n of them cost: see `spend`."""

    messages: int
    paid_until: int
    next_at: int


def allowance(per_minute: int, paid_until: int | None, now: int, unused: int) -> Allowance:
    """What may go at this moment. `paid_until` None: nothing went yet. `unused` were let go and have not gone: they count as saved up."""
    each = MINUTE // per_minute
    gathered = max(1, per_minute * GATHER_MICROS // MINUTE)
    earliest = now - max(0, SAVED_MICROS - unused * MINUTE // per_minute)
    # No later than one message ahead either: the pace may have been raised, or the clock set back.
    begun = now + (1 - gathered) * MINUTE // per_minute if paid_until is None else paid_until
    paid_until = min(max(begun, earliest), now + each)
    messages = 0 if paid_until > now else 1 + (now - paid_until) * per_minute // MINUTE
    if messages < gathered:
        return Allowance(0, paid_until, 1 + spend(per_minute, paid_until, gathered - 1))
    return Allowance(messages, paid_until, 1 + spend(per_minute, paid_until, messages + gathered - 1))


def spend(per_minute: int, paid_until: int, messages: int) -> int:
    """Until when is paid once so many more have gone."""
    return paid_until + messages * MINUTE // per_minute


def read_pace(text: str) -> int | None:
    """`600/min` or `10/s` as messages a minute, `off` as None. Raises ValueError, saying how it is written."""
    words = text.strip().lower()
    if words == "off":
        return None
    count, _, unit = words.partition("/")
    seconds = {"min": 60, "minute": 60, "m": 60, "s": 1, "second": 1, "h": 3600, "hour": 3600}.get(unit.strip())
    if seconds is None or not (count.strip().isascii() and count.strip().isdigit()) or len(count) > len(str(PER_MINUTE_MAX)):
        raise ValueError(f"A pace is written as 600/min, 10/s or off, not {text!r}")
    per_minute, rest = divmod(int(count) * 60, seconds)
    if rest or not 1 <= per_minute <= PER_MINUTE_MAX:
        raise ValueError(f"A pace is a whole number of messages a minute from 1 to {PER_MINUTE_MAX:,}, not {text!r}")
    return per_minute
