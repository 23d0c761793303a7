"""What the tests of binds share: somebody who listens, somebody who waits, and messages to send."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from clarion.carriers.interface import Answer, InboundText, Receipt, Submission
from clarion.carriers.smpp import SmppBind, parse_url
from clarion.carriers.smpp.parts import cut
from clarion.core.text import measure
from clarion.wiring.machine import SystemClock, SystemRandom, SystemTimer

LIMIT_S = 30.0
TEXTS = (
    "Hello",
    "Everything of the basic table: @£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà",
    "The extension table: ^{}\\[~]|€",
    "Привет, мир",
    "Emoji 😀 and more 🎉",
)


@dataclass
class Recorder:
    """Keeps everything in the order of its coming; acknowledges deliveries unless told not to."""

    acknowledges: bool = True
    answers: list[Answer] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    texts: list[InboundText] = field(default_factory=list)
    states: list[tuple[str, str]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    bind: SmppBind | None = None

    def answered(self, answers: Sequence[Answer]) -> None:
        self.answers += answers
        self.order += ["answer"] * len(answers)

    def delivered(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        for delivery in deliveries:
            (self.receipts if isinstance(delivery, Receipt) else self.texts).append(delivery)  # type: ignore[arg-type]
        self.order += ["delivery"] * len(deliveries)
        if self.acknowledges and self.bind is not None:
            self.bind.acknowledge([delivery.sequence for delivery in deliveries])

    def state_changed(self, state: str, reason: str) -> None:
        self.states.append((state, reason))
        self.order.append(state)

    @property
    def outcomes(self) -> list[str]:
        return [answer.outcome.value for answer in self.answers]


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for a condition, so generously that a slow machine makes no difference."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what or 'the condition'} did not come about in {LIMIT_S:g} s")
        await asyncio.sleep(0.005)


@asynccontextmanager
async def running_bind(
    port: int, recorder: Recorder, options: str = "", *, wait: bool = True, scheme: str = "smpp", host: str = "127.0.0.1"
) -> AsyncIterator[SmppBind]:
    """A bind to this port for the length of the block; bound when the block begins, if it is waited for."""
    settings = parse_url(f"{scheme}://clarion:secret@{host}:{port}?{options}")
    bind = recorder.bind = SmppBind(settings, SystemClock(), SystemTimer(), SystemRandom(1), recorder, "test")
    running = asyncio.create_task(bind.run())
    try:
        if wait:
            await until(lambda: bind.state == "bound", "bound")
        yield bind
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def submit_all(bind: SmppBind, submissions: Sequence[Submission]) -> None:
    """Give them all, as fast as the window opens."""
    at = 0
    while at < len(submissions):
        await until(lambda: bind.free, "a free place in the window")
        at += bind.submit(submissions[at : at + bind.free])


def message(number: int, text: str = "Hello", **changes: object) -> Submission:
    """A submission of one part, whose recipient ends in its number."""
    values = {
        "message_id": number,
        "attempt": 1,
        "sender": "CLARION",
        "recipient": 254_700_000_000 + number,
        "text": text,
        "encoding": measure(text).encoding,
        "part": 1,
        "parts": 1,
        "part_reference": 0,
        "expires_at": None,
    }
    return Submission(**{**values, **changes})  # type: ignore[arg-type]


def long_message(number: int, text: str, options: str = "", **changes: object) -> list[Submission]:
    """The submissions of all its parts, as a carrier with these options takes them."""
    size = measure(text)
    encoding, texts, references = cut(parse_url(f"smpp://me@h?{options}"), text, size.encoding, size.segments)
    return [
        message(number, part, encoding=encoding, part=index, parts=len(texts), part_reference=number % references, **changes)
        for index, part in enumerate(texts, 1)
    ]
