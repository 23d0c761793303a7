"""Where the messages of one bind are, from their mark to the commit of their outcome."""

from collections import Counter, deque
from dataclasses import dataclass, field

from clarion.carriers.interface import Bind, Submission
from clarion.flow.dispatch.journey import Ended, Journey, begin
from clarion.store.marks import Marked, Taken
from clarion.store.parts import Begun

LANES = 3


@dataclass(slots=True)
class Desk:
    """Where the messages of one bind are."""

    hand: tuple[deque[Submission], ...] = field(default_factory=lambda: tuple(deque() for _ in range(LANES)))
    journeys: dict[int, Journey] = field(default_factory=dict)
    """Messages marked whose outcome is not committed, by id: the doubt."""

    in_flight: Counter[int] = field(default_factory=Counter)
    """The same, counted by organization."""

    def waiting(self) -> int:
        """Submissions in hand."""
        return sum(map(len, self.hand))

    def journey_of(self, submission: Submission) -> Journey | None:
        """The one that this submission belongs to; None for an attempt that was recorded, even where the message is on its next."""
        journey = self.journeys.get(submission.message_id)
        return journey if journey is not None and journey.message.attempt == submission.attempt else None

    def take(self, taken: Taken, bind: Bind, marked_at: int, cut_otherwise: Ended) -> None:
        """What was marked, in parts where it is long. What cannot be cut as it once was is ended, in `cut_otherwise`."""
        for message in taken.messages:
            if message.segments == 1:
                self.journeys[message.message_id] = Journey(message, 1, marked_at)
                self.hand[message.lane].append(message)
            else:
                self._take_parts(message, taken.begun.get(message.message_id), bind, marked_at, cut_otherwise)
        self.in_flight.update([message.organization_id for message in taken.messages])

    def _take_parts(self, message: Marked, before: Begun | None, bind: Bind, marked_at: int, cut_otherwise: Ended) -> None:
        """A text of several segments, as this carrier takes it, less the parts that it has."""
        encoding, texts, references = cut = bind.parts(message.text, message.encoding, message.segments)
        journey = self.journeys[message.message_id] = Journey(message, 1, marked_at)
        begun = begin(cut, before)
        if begun is None:
            cut_otherwise.add_cut_otherwise(message)
            return
        if len(texts) > 1:
            journey.parts, journey.begun = len(texts), begun
        lane = self.hand[message.lane]
        for part, text in enumerate(texts, 1):
            if part in begun.parts:
                continue
            lane.append(
                Submission(
                    message.message_id,
                    message.attempt,
                    message.sender,
                    message.recipient,
                    text,
                    encoding,
                    part,
                    journey.parts,
                    message.message_id % references,
                    message.expires_at,
                )
            )
