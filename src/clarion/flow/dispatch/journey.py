"""One marked message on its way over the wire, and what its end says to the store."""

from msgspec import Struct

from clarion.carriers.interface import Answer, Parts
from clarion.core.states import Outcome, State
from clarion.store.facts import AttemptFact, Fact, PartFact, fact_of
from clarion.store.marks import Marked
from clarion.store.outcomes import Batch, LateAnswer
from clarion.store.parts import Begun

CUT_OTHERWISE = "a part of it was taken, and the carrier's URL has changed so that the others would not fit to it"


class Journey(Struct, gc=False):
    """A message from its mark to its outcome. `given` counts the parts that the wire took and that may be, or were, answered."""

    message: Marked
    parts: int
    marked_at: int = 0
    given: int = 0
    cut: bool = False
    """No further part will be given."""

    turned_away: int = 0
    """Throttling answers in a row."""

    answers: dict[int, Answer] = {}
    """By part; the carrier's own answer takes the place of `unknown`, if it comes before that was recorded."""

    begun: Begun | None = None
    """Of a message in parts: how its text is cut, and the parts that were taken in an earlier attempt; None for a single part."""

    given_up: set[int] | None = None
    """Parts that were answered `unknown`: whatever comes for them is late, and they are never given again."""

    def give_up(self, part: int) -> None:
        """The carrier did not answer for a part, or its connection is gone."""
        self.given_up = (self.given_up or set()) | {part}

    def has_given_up(self, part: int) -> bool:
        """Whether the part was answered `unknown`."""
        return self.given_up is not None and part in self.given_up

    def turn_away(self, *, last: int) -> None:
        """The carrier did not take a part now; after `last` times nothing more of the message is given for a while."""
        self.given -= 1
        self.turned_away += 1
        self.cut = self.cut or self.turned_away >= last

    @property
    def taken_before(self) -> int:
        """Parts that the carrier took in an earlier attempt."""
        return 0 if self.begun is None else len(self.begun.parts)

    @property
    def finished(self) -> bool:
        """Nothing more is to be given, and nothing given is unanswered."""
        return len(self.answers) == self.given and (self.cut or self.given + self.taken_before == self.parts)

    @property
    def outcome(self) -> Outcome:
        """What the parts come to: refused by any, unknown if any is; throttled or unreachable if some were not taken, and surely so."""
        outcomes = {answer.outcome for answer in self.answers.values()}
        for decisive in (Outcome.REFUSED, Outcome.UNKNOWN):
            if decisive in outcomes:
                return decisive
        if len(self.answers) + self.taken_before == self.parts:
            return Outcome.SENT
        return Outcome.THROTTLED if self.turned_away else Outcome.UNREACHABLE

    @property
    def refused_whole(self) -> bool:
        """No part of it was taken, or may have been: another carrier may be asked."""
        return not self.taken_before and all(answer.outcome is Outcome.REFUSED for answer in self.answers.values())

    @property
    def reason(self) -> str | None:
        """The words of the answer that decided, or why there was none."""
        for outcome in (Outcome.REFUSED, Outcome.UNKNOWN):
            for answer in self.answers.values():
                if answer.outcome is outcome:
                    return answer.reason
        taken = len(self.answers) + self.taken_before
        if taken == self.parts:
            return None
        if not taken:
            return "the carrier had no room for it" if self.turned_away else "the connection was gone before it was sent"
        rest = "the carrier had no room for the others" if self.turned_away else "the connection was gone before the others were sent"
        return f"{taken} of {self.parts} parts were taken, {rest}"


def begin(cut: Parts, before: Begun | None) -> Begun | None:
    """How a long text goes out now, with the parts that are with the carrier; None if those were cut in another way."""
    shape = f"{cut.encoding} {cut.references} {' '.join([str(len(text)) for text in cut.texts])}"
    if before is None:
        return Begun(frozenset(), shape)
    return before if before.shape == shape else None


class Ended:
    """Journeys that ended, as the facts of one transaction."""

    def __init__(self, carrier_id: int) -> None:
        self._carrier_id = carrier_id
        self.message_ids: list[int] = []
        self.facts: list[Fact] = []
        self.parts: list[PartFact] = []
        self.attempts: list[AttemptFact] = []
        self.late: list[LateAnswer] = []
        self.sent: list[tuple[Marked, str | None]] = []
        self.elsewhere: set[int] = set()
        self.continued: list[int] = []

    def add(self, journey: Journey, retry_at: int) -> None:
        """A finished journey: sent, refused or unknown; one that the carrier did not take is to be tried again at `retry_at`."""
        message = journey.message
        only = journey.answers.get(1) if journey.parts == 1 else None
        if only is not None and only.outcome is Outcome.SENT:
            self.add_sent(message, only)
            return
        self.message_ids.append(message.message_id)
        outcome, reason = journey.outcome, journey.reason
        reference = only.reference or None if only is not None else None
        if journey.begun is not None:
            shape = journey.begun.shape if outcome is not Outcome.SENT else None
            self.parts += [self._part(answer)._replace(shape=shape) for answer in journey.answers.values()]
        if outcome in {Outcome.UNREACHABLE, Outcome.THROTTLED}:
            self.attempts.append(AttemptFact(message.message_id, message.attempt, self._carrier_id, None, outcome, reason))
            self.facts.append(fact_of(message, State.RETRY, self._carrier_id, None, reason, retry_at))
            if journey.answers or journey.taken_before:
                self.continued.append(message.message_id)
            return
        self.facts.append(fact_of(message, State(outcome), self._carrier_id, reference, reason))
        if outcome is Outcome.REFUSED and journey.refused_whole:
            self.elsewhere.add(message.message_id)

    def add_cut_otherwise(self, message: Marked) -> None:
        """A message whose missing parts would not fit to those that the carrier has: they are not given, and nobody else is asked."""
        self.message_ids.append(message.message_id)
        self.facts.append(fact_of(message, State.REFUSED, self._carrier_id, reason=CUT_OTHERWISE))

    def add_sent(self, message: Marked, answer: Answer) -> None:
        """The carrier took the only part of a message."""
        self.message_ids.append(message.message_id)
        if message.attempt == 1:
            self.sent.append((message, answer.reference or None))
        else:
            self.facts.append(fact_of(message, State.SENT, self._carrier_id, answer.reference or None))

    def add_late(self, answer: Answer) -> None:
        """An answer to what was recorded as unknown: a fact all the same, of the part, or of the whole message.

        A throttling one too: its broadcast may be over by now, so what the carrier did not take is not tried again.
        """
        submission = answer.submission
        if submission.parts > 1:
            self.parts.append(self._part(answer))
        elif answer.outcome is not Outcome.UNKNOWN:
            state = State.SENT if answer.outcome is Outcome.SENT else State.REFUSED
            self.late.append(LateAnswer(submission.message_id, submission.attempt, state, answer.reference or None, answer.reason or None))

    def _part(self, answer: Answer) -> PartFact:
        submission = answer.submission
        return PartFact(
            submission.message_id,
            submission.attempt,
            submission.part,
            self._carrier_id,
            answer.reference or None,
            State.REFUSED if answer.outcome is Outcome.THROTTLED else answer.outcome,
            answer.reason or None,
        )

    @property
    def empty(self) -> bool:
        """Nothing to record."""
        return not (self.sent or self.facts or self.parts or self.late)

    def batch(self) -> Batch:
        """What `store.outcomes` records."""
        return Batch(self._carrier_id, self.facts, self.parts, self.attempts, self.late, self.sent, self.elsewhere, self.continued)
