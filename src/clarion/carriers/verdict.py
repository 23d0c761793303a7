"""What a bind's answers say against its carrier: failures of its own, throttling without end, silence. Never a no to one message."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clarion.carriers.meter import NEVER_SENT, NO_ANSWER

FAILURES: Final = frozenset({NO_ANSWER, "ESME_RSYSERR", "ESME_RINVBNDSTS"})
"""It could not do its work, whatever the message was."""

THROTTLING: Final = frozenset({"ESME_RTHROTTLED", "ESME_RMSGQFUL", "ESME_RX_T_APPN"})
"""It takes messages later: a failure only if it takes none at all."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """When answers are enough to go by."""

    answers: int = 10
    """Fewer say nothing."""

    span_s: float = 5.0
    """What lies so close together is one event, such as a broken connection with a whole window on it."""

    spans: int = 2
    """Bad ones in a row until it counts."""

    stale_s: float = 60.0
    """Few answers over so long a time are forgotten."""

    silent_s: float = 15.0
    """So many submits are unanswered, and nothing was answered for so long: the answer timer of most carriers is a minute."""


class Verdict:
    """Follows the counts of one bind. `trouble` is a sentence about the carrier, "" as long as nothing speaks against it."""

    def __init__(self, bounds: Bounds, now: float) -> None:
        self._bounds = bounds
        self._counts: Counter[str] | None = None
        self._latest: Counter[str] = Counter()
        self._since = self._heard_at = now
        self._bad = 0
        self.trouble = ""
        self.proven = False
        """Whether a span was good since the last `begin_anew`."""

    def begin_anew(self, now: float, *, on_probation: bool) -> None:
        """Judge by what comes from now on; of a carrier on probation the first bad span is enough."""
        self._counts, self._since, self._heard_at = self._latest, now, now
        self.trouble, self.proven = "", False
        self._bad = self._bounds.spans - 1 if on_probation else 0

    def look(self, answers: Mapping[str, int], unanswered: int, now: float) -> None:
        """Take note of the answers so far, by status as `Meter.answers` has them."""
        counts = Counter(answers)
        if unanswered < self._bounds.answers or counts != self._latest:
            self._latest, self._heard_at = counts, now
        if self._counts is None:
            self._counts, self._since = counts, now
        if now - self._heard_at >= self._bounds.silent_s:
            self.trouble = f"{unanswered} submits are unanswered, and nothing was answered for {self._bounds.silent_s:.0f} s"
            return
        span = counts - self._counts
        if span.total() < self._bounds.answers:
            if now - self._since >= self._bounds.stale_s:
                self._counts, self._since = counts, now
            return
        if now - self._since < self._bounds.span_s:
            return
        self._counts, self._since = counts, now
        if complaint := complaint_of(span):
            self._bad += 1
            self.trouble = complaint if self._bad >= self._bounds.spans else self.trouble
        else:
            self._bad, self.trouble, self.proven = 0, "", True


def complaint_of(span: Mapping[str, int]) -> str:
    """What these answers, by status, say against the carrier: most are failures of its own, or all of them throttling; "" if neither."""
    failed = sum(count for status, count in span.items() if status in FAILURES)
    throttled = sum(count for status, count in span.items() if status in THROTTLING)
    total = sum(count for status, count in span.items() if status != NEVER_SENT)
    if failed * 2 > total - throttled or (throttled and failed + throttled == total):
        kinds = FAILURES | THROTTLING
        told = sorted(((count, status) for status, count in span.items() if status in kinds), reverse=True)
        return f"{failed + throttled} of {total} submits failed: " + ", ".join(
            f"{count} {'without an answer' if status == NO_ANSWER else status}" for count, status in told
        )
    return ""
