"""A bind that keeps itself up: connect, bind, stay, and again after it was lost (the `Bind` of `carriers.interface`)."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from clarion.carriers.interface import BindEvents, Parts, Place, Submission
from clarion.carriers.meter import Counted, Meter
from clarion.carriers.smpp.connect import Fault, any_within, open_connection, request_bind
from clarion.carriers.smpp.parts import cut
from clarion.carriers.smpp.session import Session
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.clock import Clock, Random, Timer

RETRY_FIRST_S: Final = 0.1
"""A carrier that restarts, or our own restart, is bound again before anybody notices."""

RETRY_MAX_S: Final = 30.0
REFUSED_FIRST_S: Final = 1.0
"""A refusal is mostly a wrong password, which carriers lock out when it is tried often; the first retry is for a carrier that has
not noticed yet that our last connection is gone."""

REFUSED_MAX_S: Final = 60.0
SETTLED_S: Final = 5.0
"""A connection that was up so long, or brought an answer, is no part of a row of failures."""

UNBIND_ANSWER_S: Final = 1.0
POLL_S: Final = 0.01


class SmppBind:
    """One bind of a carrier. `label` names it in logs. `run` is started once and ended by `close` or by cancelling it."""

    def __init__(
        self,
        settings: SmppSettings,
        clock: Clock,
        timer: Timer,
        random: Random,
        events: BindEvents,
        label: str,
        meter: Meter | None = None,
    ) -> None:
        self.settings = settings
        self.label = label
        self.window = settings.window
        self.state = "closed"
        self._clock = clock
        self._timer = timer
        self._random = random
        self.meter = meter or Meter()
        self._events: BindEvents = Counted(events, self.meter, timer)
        self._session: Session | None = None
        self._generation = 0
        self._failures = 0
        self._refused = False
        self._keeping: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"SmppBind({self.label}: {self.settings!r}, {self.state})"

    @property
    def free(self) -> int:
        """How many submissions `submit` takes now; 0 unless bound."""
        session = self._session
        return session.free if session is not None and self.state == "bound" and self.can_submit else 0

    @property
    def unanswered(self) -> int:
        """Submissions that the carrier has and did not answer."""
        return self._session.unanswered if self._session is not None else 0

    @property
    def place(self) -> Place:
        """Where the last submission went, read before anything else is written."""
        return Place(self._generation, self._session.sequence if self._session is not None else 0)

    @property
    def can_submit(self) -> bool:
        """False for a receiver."""
        return self.settings.bind != "receiver"

    def adjust(self, settings: SmppSettings) -> None:
        """Go on under another window, in the middle of a connection too: the carrier does not know ours."""
        self.settings = settings
        self.window = settings.window
        if self._session is not None:
            self._session.adjust(settings)

    def parts(self, text: str, encoding: str, segments: int) -> Parts:
        """A long text as this carrier takes it."""
        return cut(self.settings, text, encoding, segments)

    def submit(self, submissions: Sequence[Submission]) -> int:
        """Give the first n to the transport and return n. One that SMPP cannot carry is given too, and soon answered `refused`."""
        session = self._session
        given = session.submit(submissions) if session is not None and self.state == "bound" and self.can_submit else 0
        if given:
            self.meter.submitted(submissions, given, self._timer.monotonic())
        return given

    def acknowledge(self, sequences: Sequence[int]) -> None:
        """Answer these deliveries as taken."""
        if self._session is not None:
            self._session.acknowledge(sequences)

    async def run(self) -> None:
        """Keep the connection up until `close` or cancellation."""
        self._keeping = asyncio.create_task(self._keep_up(), name=f"bind {self.label}")
        try:
            await asyncio.wait({self._keeping})
            if not self._keeping.cancelled():
                self._keeping.result()
        finally:
            self._keeping.cancel()
            self._leave("the bind was closed")

    async def close(self, wait_s: float) -> None:
        """Wait for open answers and acknowledgements, unbind, close. What is unanswered then is answered `unknown` first."""
        session = self._session
        if session is not None and self.state == "bound":
            session.stop_submitting()
            until = self._timer.monotonic() + wait_s
            while session.owes and not session.lost.done() and self._timer.monotonic() < until:
                await self._timer.sleep(POLL_S)
            session.request_unbind()
            await any_within(UNBIND_ANSWER_S, self._timer, session.unbind_answer, session.lost)
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        self._leave("the bind was closed")

    async def _keep_up(self) -> None:
        self._change("connecting", "")
        while True:
            fault = await self._stay_bound()
            self._change("refused" if fault.refused else "connecting", fault.reason)
            await self._timer.sleep(self._pause_s(refused=fault.refused))

    async def _stay_bound(self) -> Fault:
        """One connection from its beginning to its end, and why it ended."""
        self._generation += 1
        session = Session(self.settings, self._clock, self._timer, self._events, self._generation)
        # From here on, because the first deliveries come with the answer to the bind and may be acknowledged at once.
        self._session = session
        try:
            fault = await open_connection(session, self.settings, self._timer) or await request_bind(session, self.settings, self._timer)
            if fault is not None:
                return fault
            bound_at = self._timer.monotonic()
            self._change("bound", "")
            watching = asyncio.create_task(session.watch())
            try:
                reason = await asyncio.shield(session.lost)
            finally:
                watching.cancel()
            if session.answered_any or self._timer.monotonic() - bound_at >= SETTLED_S:
                self._failures = 0
            return Fault(refused=False, reason=reason)
        finally:
            self._session = None
            session.drop("the bind was closed")

    def _pause_s(self, *, refused: bool) -> float:
        """Twice as long at each failure in a row, and half of it by chance, so that binds do not come back all at once."""
        if refused != self._refused:  # another trouble: a carrier that comes back may refuse once, and is not to wait for it long
            self._refused, self._failures = refused, 0
        first_s, most_s = (REFUSED_FIRST_S, REFUSED_MAX_S) if refused else (RETRY_FIRST_S, RETRY_MAX_S)
        pause_s = min(first_s * (1 << min(self._failures, 16)), most_s)
        self._failures += 1
        return pause_s * (0.5 + self._random.random() / 2)

    def _leave(self, reason: str) -> None:
        if self._session is not None:
            self._session.drop(reason)
            self._session = None
        if self.state != "closed":
            self._change("closed", reason)

    def _change(self, state: str, reason: str) -> None:
        self.state = state
        self._events.state_changed(state, reason)
