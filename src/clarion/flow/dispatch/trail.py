"""Where on the wire messages went and when, by ranges, for whoever follows one: memory here, rows once a second.

Ids, sequences and marks mostly go on one by one, so a hundred messages are one range. It is no truth that anything depends on: a
process that is killed takes its last second's with it.
"""

from collections.abc import Mapping, Sequence

from clarion.carriers.interface import Place, Submission
from clarion.flow.dispatch.journey import Journey
from clarion.store.submits import RANGE_MAX, Submit

RANGE_MICROS = 1_000_000
"""A range that lasts longer would say too little of when."""

SEQUENCES = 0x7FFF_FFFF
"""They begin again at 1 (SMPP 3.4, 5.1.4)."""


class Trail:
    """What one bind was given since the last `drain`."""

    def __init__(self) -> None:
        self._ranges: list[Submit] = []

    def add(self, submissions: Sequence[Submission], place: Place, journeys: Mapping[int, Journey], now: int) -> None:
        """`submissions` were given in one write, the last of them at `place`."""
        count, first, last = len(submissions), submissions[0], submissions[-1]
        sequence = (place.sequence - count) % SEQUENCES + 1
        marked_at = journeys[first.message_id].marked_at
        if (
            count <= RANGE_MAX
            and first.parts == last.parts == 1
            and first.attempt == last.attempt
            and marked_at == journeys[last.message_id].marked_at
            and [each.message_id for each in submissions] == list(range(first.message_id, first.message_id + count))
        ):
            self._put(Submit(first.message_id, last.message_id, first.attempt, place.connection, sequence, 1, marked_at, now, now), 1)
            return
        for offset, each in enumerate(submissions):
            begun = sequence + offset - each.part + 1
            marked_at = journeys[each.message_id].marked_at
            one = Submit(each.message_id, each.message_id, each.attempt, place.connection, begun, each.parts, marked_at, now, now)
            self._put(one, each.part)

    def drain(self) -> list[Submit]:
        """What there is, once."""
        ranges, self._ranges = self._ranges, []
        return ranges

    def _put(self, new: Submit, part: int) -> None:
        """Let the last range go on, if this is what follows it."""
        old = self._ranges[-1] if self._ranges else None
        if (
            old is not None
            and old[2:4] == new[2:4]
            and old[5:7] == new[5:7]
            and new.sequence == old.sequence + (new.first_id - old.first_id) * old.parts
            and (new.first_id == old.last_id + 1 or (new.first_id == old.last_id and part > 1))
            and new.last_id - old.first_id < RANGE_MAX
            and new.until_at - old.submitted_at < RANGE_MICROS
        ):
            self._ranges[-1] = old._replace(last_id=new.last_id, until_at=new.until_at)
        else:
            self._ranges.append(new)
