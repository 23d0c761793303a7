"""Try a carrier once: connect, bind, unbind, and what each step brought."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clarion.carriers.interface import Answer, InboundText, Receipt
from clarion.carriers.smpp.connect import Fault, any_within, open_connection, request_bind
from clarion.carriers.smpp.session import Session
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.clock import Timer

UNBIND_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """`name` is connect, bind or unbind; `detail` is what was reached, or why it was not: the carrier's own error, where it gave one."""

    name: str
    succeeded: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The steps that were taken, in order; a failed one is the last."""

    steps: tuple[ProbeStep, ...]

    @property
    def succeeded(self) -> bool:
        """Whether the carrier can be used."""
        return all(step.succeeded for step in self.steps)


async def probe(settings: SmppSettings, timer: Timer) -> ProbeResult:
    """Connect, bind and unbind; of a pair both. Deliveries that come meanwhile stay with the carrier: nobody acknowledges them."""
    steps: list[ProbeStep] = []
    for each in replace(settings, binds=1).connections:
        if all(step.succeeded for step in steps):
            steps += await _steps(each, timer)
    return ProbeResult(tuple(steps))


async def _steps(settings: SmppSettings, timer: Timer) -> list[ProbeStep]:
    session = Session(settings, _NoClock(), timer, _NobodyListens(), 1)
    steps: list[ProbeStep] = []

    def note(name: str, fault: Fault | None, detail: str) -> bool:
        steps.append(ProbeStep(name, fault is None, detail if fault is None else fault.reason))
        return fault is None

    try:
        where = f"{settings.host}:{settings.port}{' over TLS' if settings.tls else ''}"
        if note("connect", await open_connection(session, settings, timer), where) and note(
            "bind", await request_bind(session, settings, timer), f"{settings.bind} as {settings.system_id}"
        ):
            session.request_unbind()
            silent = Fault(refused=False, reason=f"no answer to the unbind in {UNBIND_ANSWER_S:g} s")
            ended = await any_within(UNBIND_ANSWER_S, timer, session.unbind_answer, session.lost)
            note("unbind", None if ended else silent, "answered" if session.unbind_answer.done() else "closed without an answer")
    finally:
        session.drop("the probe is over")
    return steps


class _NobodyListens:
    def answered(self, answers: Sequence[Answer]) -> None:
        """Nothing was submitted."""

    def delivered(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        """Left unacknowledged."""

    def state_changed(self, state: str, reason: str) -> None:
        """A probe has no life to follow."""


class _NoClock:
    rate = 1.0

    def now(self) -> int:
        """Validity is asked for submissions only."""
        return 0
