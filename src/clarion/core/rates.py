"""How fast something may go: a token bucket in segments for what is sent, a sliding window for requests.

Both are given the time, in seconds that only grow (`Timer.monotonic`); a time before the last one counts as the last one.
"""

from collections import deque
from typing import NamedTuple

UNLIMITED = 1 << 62
"""What is available of a bucket without a rate."""

# A wait that was computed and slept must be enough, but a clock of 10^6 seconds is exact to 10^-10 only, which at 10^5 a second
# is 10^-5 of a token. What is taken is subtracted in full, so neither tolerance adds up.
_TOLERANCE_TOKENS = 1e-4
_TOLERANCE_S = 1e-6


class TokenBucket:
    """`rate_per_second` segments, at most `burst` saved up. It begins full. Rate 0 is no limit.

    A message of more segments than the burst passes when the bucket is full, and leaves a debt that is paid before the next.
    """

    __slots__ = ("_burst", "_rate_per_second", "_tokens", "_updated")

    def __init__(self, rate_per_second: float, burst: float) -> None:
        """Raises ValueError if the rate is negative or the burst is not positive."""
        self._rate_per_second, self._burst = _checked(rate_per_second, burst)
        self._tokens = self._burst
        self._updated = float("-inf")

    @property
    def rate_per_second(self) -> float:
        return self._rate_per_second

    def take(self, units: int, now: float) -> bool:
        """Take them all or none."""
        if self._rate_per_second == 0:
            return True
        self._fill(now)
        if self._tokens + _TOLERANCE_TOKENS < min(units, self._burst):
            return False
        self._tokens -= units
        return True

    def wait_s(self, units: int, now: float) -> float:
        """Seconds until `take` will succeed if nobody else takes; 0 if it would at once."""
        if self._rate_per_second == 0:
            return 0.0
        self._fill(now)
        missing = min(units, self._burst) - self._tokens
        return 0.0 if missing <= _TOLERANCE_TOKENS else missing / self._rate_per_second

    def available(self, now: float) -> int:
        """Whole segments that may be taken one by one; 0 while there is a debt, UNLIMITED without a rate."""
        if self._rate_per_second == 0:
            return UNLIMITED
        self._fill(now)
        return max(0, int(self._tokens + _TOLERANCE_TOKENS))

    def set_rate(self, rate_per_second: float, now: float, burst: float | None = None) -> None:
        """Go on at another rate: what was saved up until now, or owed, stays."""
        rate_per_second, burst = _checked(rate_per_second, self._burst if burst is None else burst)
        self._fill(now)
        self._rate_per_second, self._burst = rate_per_second, burst
        self._tokens = min(self._tokens, burst)

    def _fill(self, now: float) -> None:
        if now <= self._updated:
            return
        saved = (now - self._updated) * self._rate_per_second if self._rate_per_second else self._burst
        self._tokens = min(self._burst, self._tokens + saved)
        self._updated = now


def _checked(rate_per_second: float, burst: float) -> tuple[float, float]:
    if not rate_per_second >= 0:
        message = f"a rate is 0 (no limit) or more, not {rate_per_second}"
        raise ValueError(message)
    if not burst > 0:
        message = f"a burst is more than 0, not {burst}"
        raise ValueError(message)
    return float(rate_per_second), float(burst)


class Admission(NamedTuple):
    """`remaining` more are admitted at this instant. `retry_after_s` is the time until the next slot, 0 if this one was admitted."""

    allowed: bool
    remaining: int
    retry_after_s: float


class SlidingWindow:
    """At most `limit` requests in any `span_s` seconds, exactly: it keeps the times of those admitted, so never more than `limit`.

    A refused request takes no slot, or a client that keeps asking would never be let in again.
    """

    __slots__ = ("_admitted", "_limit", "_span_s")

    def __init__(self, limit: int, span_s: float) -> None:
        """Raises ValueError unless both are positive."""
        if limit < 1 or not span_s > 0:
            message = f"a window admits at least 1 in more than 0 seconds, not {limit} in {span_s}"
            raise ValueError(message)
        self._limit = limit
        self._span_s = span_s
        self._admitted: deque[float] = deque()

    def admit(self, now: float) -> Admission:
        """Count a request, or say how long to wait."""
        admitted = self._admitted
        self._forget(now)
        if len(admitted) >= self._limit:
            return Admission(allowed=False, remaining=0, retry_after_s=admitted[0] + self._span_s - now)
        admitted.append(max(now, admitted[-1]) if admitted else now)
        return Admission(allowed=True, remaining=self._limit - len(admitted), retry_after_s=0.0)

    def is_idle(self, now: float) -> bool:
        """Whether it remembers nothing, and a new window would answer the same."""
        self._forget(now)
        return not self._admitted

    def _forget(self, now: float) -> None:
        admitted = self._admitted
        horizon = now - self._span_s + _TOLERANCE_S
        while admitted and admitted[0] <= horizon:
            admitted.popleft()
