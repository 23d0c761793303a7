"""A real SMPP server on loopback that plays a carrier, well or badly: for trying Clarion, for its tests and its figures."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from clarion.carriers.smpp import pdu, status
from clarion.core.clock import MICROS_PER_SECOND, Clock, Timer
from clarion.simulator.account import Account
from clarion.simulator.counters import Counters
from clarion.simulator.faults import DELIVERED, EXPIRED, REJECTED, UNDELIVERED, Chance, Fate, Faults
from clarion.simulator.log import SubmitLog
from clarion.simulator.misbehaviour import Batch, text_bodies
from clarion.simulator.schedule import Schedule
from clarion.simulator.session import SmscSession
from clarion.simulator.settings import SmscSettings

PADDED_DIGITS: Final = 20
"""How wide ids are that have zeros before them."""

ERRORS: Final = {DELIVERED: b"000", UNDELIVERED: b"034", EXPIRED: b"027", REJECTED: b"069"}
"""What carriers like to write behind `err:`."""

CLOSE_S: Final = 1.0
"""How long a stop waits for the other side to answer an unbind."""


class Smsc:
    """An SMSC. `start` it, ask `counters` what happened, `stop` it.

    Message ids go on from the clock's microseconds, so that an SMSC started again never gives an id that it gave before.
    """

    def __init__(self, settings: SmscSettings, clock: Clock, timer: Timer) -> None:
        """Raises OSError if the log file cannot be opened."""
        self.settings = settings
        self.clock = clock
        self.counters = Counters()
        self.schedule = Schedule(timer)
        self.sessions: set[SmscSession] = set()
        self.answer_delay_s = settings.answer_delay_ms / 1000
        self.receipt_delay_s = settings.receipt_delay_ms / 1000
        self.next_id = clock.now() if settings.first_id is None else settings.first_id
        self.write_id: Callable[[int], bytes] = (b"%x" if settings.message_id_form == "hex" else b"%d").__mod__
        self._write_other_id = _receipt_id_writer(settings.receipt_id_form, self.write_id)
        self._write_receipt_id = self._write_other_id if settings.receipt_id_form_share == 1 else self.write_id
        self.faults = Faults(settings, timer, Chance(settings.seed))
        self.decide: Callable[[bytes], Fate] | None = self.faults.fate if settings.has_faults else None
        self._log = SubmitLog(settings.log_file) if settings.log_file else None
        self.note = self._log.note if self._log else None
        self._timer = timer
        self._accounts: defaultdict[str, Account] = defaultdict(Account)
        self._binds_unanswered = 0
        self._connections = 0
        self._minute = (-1, b"")
        self._server: asyncio.Server | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and return the port: a free one for 0. Raises OSError if it is taken."""
        self._server = await asyncio.get_running_loop().create_server(self._accept, host, port)
        self._running = asyncio.create_task(self.schedule.run(), name="simulated SMSC")
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Unbind whoever is there, close, and write the log's last lines."""
        if self._server is not None:
            self._server.close()
        for session in list(self.sessions):
            session.unbind()
        until = self._timer.monotonic() + CLOSE_S
        while self.sessions and self._timer.monotonic() < until:
            await self._timer.sleep(0.01)
        self.disconnect()
        while self.sessions:
            await self._timer.sleep(0)
        if self._running is not None:
            self._running.cancel()
        if self._log is not None:
            self._log.close()

    def disconnect(self) -> None:
        """Break every connection at once, as a fault does."""
        for session in list(self.sessions):
            session.abort()

    def send_text(self, system_id: str, source: str, destination: str, text: str) -> int:
        """Bring a text from a phone to a customer, in as many parts as it takes; returns how many."""
        bodies = text_bodies(source, destination, text, self.next_id)
        self.next_id += 1
        self._accounts[system_id].send(bodies)
        self.counters.texts_sent += len(bodies)
        return len(bodies)

    # -- what the sessions ask

    def refusal_of(self, request: pdu.BindRequest) -> int:
        """The command_status that a bind gets; 0 lets it in."""
        settings = self.settings
        if settings.bind_status and (not settings.bind_refused_first or self.counters.faults["bind_refused"] < settings.bind_refused_first):
            self.counters.faults["bind_refused"] += 1
            return settings.bind_status
        if settings.system_id and request.system_id != settings.system_id:
            return status.INVALID_SYSTEM_ID
        return status.INVALID_PASSWORD if settings.password and request.password != settings.password else status.OK

    def account(self, system_id: str) -> Account:
        """What is kept for this customer."""
        return self._accounts[system_id]

    def leaves_bind_unanswered(self) -> bool:
        """Whether a bind that has come is passed over in silence."""
        if self._binds_unanswered >= self.settings.bind_unanswered_first:
            return False
        self._binds_unanswered += 1
        self.counters.binds_refused += 1
        self.counters.faults["bind_unanswered"] += 1
        return True

    def count(self, batch: Batch, *, written: bool) -> None:
        """Count what a read brought: its answers and garbage only if they were written, before the connection went."""
        counters, throttled = self.counters, batch.refusals.count(status.THROTTLED)
        counters.throttled += throttled
        counters.refused += len(batch.refusals) - throttled
        if not written:
            return
        counters.answers[status.OK] += len(batch.answers) - len(batch.refusals) - len(batch.garbage)
        counters.answers.update(batch.refusals)
        counters.garbage += len(batch.garbage)
        counters.faults.update(f"garbage_{kind}" for kind in batch.garbage)

    def receipt_times(self, now: int) -> bytes:
        """`YYMMDDhhmm` of this instant, made once a minute."""
        minute = now // (60 * MICROS_PER_SECOND)
        if minute != self._minute[0]:
            self._minute = (minute, datetime.fromtimestamp(minute * 60, UTC).strftime("%y%m%d%H%M").encode())
        return self._minute[1]

    def receipt_text(self, message_id: int, state: bytes, at: bytes, quote: bytes, *, other_id: bool = False) -> tuple[int, bytes]:
        """The length and the text of a receipt (SMPP 3.4, appendix B), with the id in its usual form or the `other_id` of a share."""
        text = _RECEIPT_TEXT % (
            self._write_other_id(message_id) if other_id else self._write_receipt_id(message_id),
            1 if state == DELIVERED else 0,
            at,
            at,
            state,
            ERRORS.get(state, b"000"),
            quote,
        )
        return len(text), text

    def flush(self) -> None:
        """Let readers of the log see what was read."""
        if self._log is not None:
            self._log.flush()

    def _accept(self) -> SmscSession:
        self._connections += 1
        return SmscSession(self, self._connections)


_RECEIPT_TEXT: Final = b"id:%b sub:001 dlvrd:%03d submit date:%b done date:%b stat:%b err:%b text:%b"


def _receipt_id_writer(form: str, as_answered: Callable[[int], bytes]) -> Callable[[int], bytes]:
    if form in {"decimal", "hex"}:
        return (b"%d" if form == "decimal" else b"%x").__mod__
    if form == "upper":
        return lambda message_id: as_answered(message_id).upper()
    return as_answered if form == "same" else lambda message_id: as_answered(message_id).rjust(PADDED_DIGITS, b"0")
