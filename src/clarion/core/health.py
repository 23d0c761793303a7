"""Whether a carrier works, as one process sees it: out, probed and well again, with rests between, so that it never flaps.

Seconds are of a real, monotonic timer, which the caller reads. What is decided here is written by whoever comes first and then holds
for all processes.
"""

from dataclasses import dataclass
from typing import NamedTuple

from clarion.core.routes import Health

BOUND_AGAIN = "bound again"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for."""

    unbound_s: float = 10.0
    """Without any bind: a connection that breaks is back before; a carrier that is restarted is not."""

    rest_s: tuple[float, float] = (10.0, 60.0)
    """First and longest rest of a carrier that is out, bound all the time; each outage in a row doubles it."""

    probing_s: float = 300.0
    """Of probing without an answer to judge by, good or bad."""

    steady_s: float = 600.0
    """One that was well for so long begins to count its outages anew."""


class Seen(NamedTuple):
    """A carrier in the database at one moment.

    `held`: a living process has one of its binds; `bound`: one over which messages can be sent is bound; `working`: such a one whose
    answers say nothing against the carrier. `trouble` is what those of the others say, `reason` why it is not bound.
    """

    carrier_id: int
    name: str
    health: Health
    outages: int
    held: bool = False
    bound: bool = False
    working: bool = False
    trouble: str = ""
    reason: str = ""


class Change(NamedTuple):
    """A carrier's health becomes another. `outages` counts those in a row."""

    seen: Seen
    health: Health
    reason: str
    outages: int


class Course:
    """What one process has seen of a carrier until now."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._health: Health | None = None
        self._since = 0.0
        self._down_since: float | None = None
        self._up_since: float | None = None

    def look(self, seen: Seen, now: float, *, proven: bool) -> Change | None:
        """The change that is due, if any. `proven`: answers since the health became what it is speak for the carrier."""
        if seen.health is not self._health:
            self._health, self._since, self._down_since, self._up_since = seen.health, now, None, None
        if seen.health is Health.OUT:
            return self._look_out(seen, now)
        if reason := self._outage(seen, now):
            steady = seen.health is Health.WELL and now - self._since >= self._patience.steady_s
            return Change(seen, Health.OUT, reason, 1 if steady else seen.outages + 1)
        if seen.health is Health.PROBING and seen.working and (proven or now - self._since >= self._patience.probing_s):
            return Change(seen, Health.WELL, "it takes messages again", seen.outages)
        return None

    def _outage(self, seen: Seen, now: float) -> str:
        """Why it counts as out, "" while it does not. Without a process that holds a bind nobody has tried."""
        if seen.working or not seen.held:
            self._down_since = None
            return ""
        if seen.bound:
            return seen.trouble
        if self._down_since is None:
            self._down_since = now
        if now - self._down_since < self._patience.unbound_s:
            return ""
        return f"not bound: {seen.reason}" if seen.reason else "not bound"

    def _look_out(self, seen: Seen, now: float) -> Change | None:
        if not seen.bound:
            self._up_since = None
            return None
        if self._up_since is None:
            self._up_since = now
        first_s, longest_s = self._patience.rest_s
        if now - self._up_since < min(first_s * 2.0 ** max(0, seen.outages - 1), longest_s):
            return None
        # A bind is a trial in itself; answers can only be tried with messages.
        if seen.trouble:
            return Change(seen, Health.PROBING, seen.trouble, seen.outages)
        return Change(seen, Health.WELL, BOUND_AGAIN, seen.outages)
