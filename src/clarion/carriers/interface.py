"""What a bind is to the rest of the house: it takes submissions, answers each exactly once, and brings deliveries.

A bind knows the wire and nothing of broadcasts, money or the database. `flow.dispatch` gives it at most `free` submissions at a
time; how each one ended comes back through `BindEvents.answered`, receipts and inbound texts through `BindEvents.delivered`, and
what was delivered is acknowledged to the carrier only when `acknowledge` is called, which is after it was committed.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from clarion.core.states import Outcome
from clarion.core.submission import Receipt, Submission

__all__ = ["Answer", "Bind", "BindEvents", "InboundText", "Parts", "Place", "Receipt", "Submission"]


class Parts(NamedTuple):
    """A text as a carrier takes it: the parts in order, their encoding, and below what their reference is to stay."""

    encoding: str
    texts: list[str]
    references: int


class Answer(Struct, frozen=True, gc=False):
    """How a submission ended. `reference` is the carrier's id, lower case without leading zeros, empty if it gave none.

    A submission that was answered `unknown` (time-out, connection lost) may be answered a second time, when the carrier's
    answer comes late: facts are recorded whenever they come.
    """

    submission: Submission
    outcome: Outcome
    reference: str
    reason: str


class InboundText(NamedTuple):
    """A text that somebody sent to us. `text` is decoded, `raw` is what came, `part*` as in `Submission`."""

    sequence: int
    sender: str
    recipient: str
    text: str
    data_coding: int
    raw: bytes
    part: int = 1
    parts: int = 1
    part_reference: int = 0


class Place(NamedTuple):
    """Where on the wire something went: `connection` counts those of a bind from 1, `sequence` is the PDU's own number."""

    connection: int
    sequence: int


class BindEvents(Protocol):
    """Who is told what a bind learns. All are called on the event loop, quickly, and never raise."""

    def answered(self, answers: Sequence[Answer]) -> None: ...

    def delivered(self, deliveries: Sequence[Receipt | InboundText]) -> None: ...

    def state_changed(self, state: str, reason: str) -> None:
        """`connecting`, `bound`, `refused` (the carrier's own no, in `reason`) or `closed`."""
        ...


class Bind(Protocol):
    """One connection to a carrier, which keeps itself up: it connects, binds, and binds again after it was lost."""

    window: int
    """Submissions that may be given and not answered."""

    state: str

    @property
    def free(self) -> int:
        """How many submissions `submit` takes at this instant; 0 unless bound."""
        ...

    @property
    def can_submit(self) -> bool:
        """False for a receiver."""
        ...

    def parts(self, text: str, encoding: str, segments: int) -> Parts:
        """A long text as this carrier takes it: never more parts than the `segments` that were counted and paid for."""
        ...

    def submit(self, submissions: Sequence[Submission]) -> int:
        """Give the first n to the transport and return n: all of them, unless that is more than `free` or the connection is down.

        What was not given was never near the wire: the caller keeps it.
        """
        ...

    @property
    def place(self) -> Place:
        """Where the last submission went: those given together with it have the numbers before."""
        ...

    def acknowledge(self, sequences: Sequence[int]) -> None:
        """Answer these deliveries to the carrier as taken. Those of a connection that is gone are passed over."""
        ...

    async def run(self) -> None:
        """Keep the connection up until `close` or cancellation."""
        ...

    async def close(self, wait_s: float) -> None:
        """Wait up to `wait_s` for open answers, unbind, close. Anything then unanswered is answered `unknown` first."""
        ...
