"""What one bind has done, counted: plain numbers that grow by whole batches, so that counting costs the wire nothing."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from clarion.carriers.interface import Answer, BindEvents, InboundText, Receipt, Submission
from clarion.core.clock import Timer
from clarion.core.states import Outcome

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""A carrier next door answers in a few milliseconds, one behind a tunnel in some hundred, one in trouble in seconds."""

STATUSES_MAX: Final = 64
"""A carrier may make statuses up; beyond so many they are counted together."""

INTERMEDIATE: Final = ("ENROU", "ACCEP")
"""With these begin the words for a message that is on its way (SMPP 3.4, 5.2.28)."""

NO_ANSWER: Final = "none"
NEVER_SENT: Final = "not_sent"
OTHER: Final = "other"

_STATUS = re.compile(r"(ESME_\w+)?.* ?\((0x[0-9a-f]{8})\)")
_REASON = attrgetter("reason")


class Meter:
    """Counts of one bind of a carrier, over all its connections. `slot` counts a carrier's binds from 0."""

    def __init__(self, carrier: str = "", slot: int = 0) -> None:
        self.carrier = carrier
        self.slot = slot
        self.connects = 0
        self.losses = 0
        self.refusals = 0
        self.submits = 0
        self.answers: Counter[str] = Counter()
        """By the name of the carrier's status: see `status_of`."""

        self.receipts: Counter[str] = Counter()
        self.texts = 0
        self.round_trips = [0] * (len(BUCKETS_S) + 1)
        self.round_trips_s = 0.0
        self._statuses: dict[str, str] = {}
        self._probe: Submission | None = None
        self._probed_at = 0.0

    def submitted(self, submissions: Sequence[Submission], count: int, now: float) -> None:
        """The wire took the first `count`. The last one's answer is waited for, unless another one's is."""
        self.submits += count
        if self._probe is None:
            self._probe, self._probed_at = submissions[count - 1], now

    def answered(self, answers: Sequence[Answer], now: float) -> None:
        """Count answers by status, and the time of the one that is waited for."""
        for reason, count in Counter(map(_REASON, answers)).items():
            self.answers[self._statuses.get(reason) or self._status(reason, answers)] += count
        probe = self._probe
        if probe is None:
            return
        for answer in answers:
            if answer.submission is probe:
                self._probe = None
                if self._statuses[answer.reason] not in {NO_ANSWER, NEVER_SENT}:
                    self.round_trips[bisect_left(BUCKETS_S, now - self._probed_at)] += 1
                    self.round_trips_s += now - self._probed_at
                return

    def delivered(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        """Count receipts by what they say, and inbound texts."""
        counts = Counter(each.state or _open(each) if isinstance(each, Receipt) else None for each in deliveries)
        self.texts += counts.pop(None, 0)
        self.receipts.update({state: count for state, count in counts.items() if state is not None})

    def changed(self, before: str, state: str) -> None:
        """The connection is another than it was."""
        self.connects += state == "bound"
        self.losses += before == "bound" and state != "closed"
        self.refusals += state == "refused"

    def _status(self, reason: str, answers: Sequence[Answer]) -> str:
        """Looked up once for each reason: they are the words of statuses, and few others."""
        outcome = next(answer.outcome for answer in answers if answer.reason == reason)
        status = status_of(outcome, reason)
        if len(self._statuses) >= STATUSES_MAX:
            self._statuses = {known: name for known, name in self._statuses.items() if name in {status, "ESME_ROK"}}
        if status not in self.answers and len(self.answers) >= STATUSES_MAX:
            status = OTHER
        self._statuses[reason] = status
        return status


def _open(receipt: Receipt) -> str:
    """Of a receipt that is no end: whether the message goes on, or nobody knows."""
    return "intermediate" if receipt.reason.startswith(INTERMEDIATE) else "unknown"


def status_of(outcome: Outcome, reason: str) -> str:
    """`ESME_RTHROTTLED`, `0x00000401` where it has no name, `none` without an answer, `not_sent` for what no PDU can carry."""
    if outcome is Outcome.SENT:
        return "ESME_ROK"
    if outcome is Outcome.UNKNOWN:
        return NO_ANSWER
    found = _STATUS.fullmatch(reason)
    return NEVER_SENT if found is None else found[1] or found[2]


class Counted:
    """`BindEvents` that count what passes."""

    def __init__(self, events: BindEvents, meter: Meter, timer: Timer) -> None:
        self._events = events
        self._meter = meter
        self._timer = timer
        self._state = "closed"

    def answered(self, answers: Sequence[Answer]) -> None:
        """Of `BindEvents`."""
        self._meter.answered(answers, self._timer.monotonic())
        self._events.answered(answers)

    def delivered(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        """Of `BindEvents`."""
        self._meter.delivered(deliveries)
        self._events.delivered(deliveries)

    def state_changed(self, state: str, reason: str) -> None:
        """Of `BindEvents`."""
        before, self._state = self._state, state
        self._meter.changed(before, state)
        self._events.state_changed(state, reason)
