"""One connection to a carrier, from its bind to its end: the window, the answers, the deliveries, and the timers of both sides.

Nothing that a carrier sends raises out of here: a connection that cannot be understood is dropped, with a reason.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

from clarion.carriers.interface import Answer, BindEvents, InboundText, Receipt, Submission
from clarion.carriers.smpp import pdu, status
from clarion.carriers.smpp.pdu import (
    DELIVER_SM,
    DELIVER_SM_RESP,
    HEADER,
    HEADER_OCTETS,
    PDU_OCTETS_MAX,
    SEQUENCE_MAX,
    SUBMIT_SM_RESP,
    Malformed,
    frame,
    length_fault,
    message_id_of,
)
from clarion.carriers.smpp.receipts import decode_data_delivery, decode_delivery, normalise_reference
from clarion.carriers.smpp.settings import SmppSettings
from clarion.carriers.smpp.submissions import SubmitEncoder
from clarion.core.clock import Clock, Timer
from clarion.core.states import Outcome

UNACKNOWLEDGED_MAX: Final = 10_000
"""Deliveries in hand that nobody has committed: beyond it the socket is not read, and the carrier feels it."""

UNACKNOWLEDGED_LOW: Final = UNACKNOWLEDGED_MAX // 2
"""Reading goes on here, so that it does not stop and go at every acknowledgement."""

ENQUIRE_ANSWER_S_MAX: Final = 10.0
LATE_MAX: Final = 10_000
"""Submissions given up whose answers may still come."""

TICK_S_MAX: Final = 1.0
"""How late a timer may be noticed: timers are looked at, not set one by one for each submission."""

SENT: Final = Outcome.SENT
"""By itself, because an enumeration looks a member up each time."""

SEQUENCE_SHIFT: Final = 32
"""A delivery's sequence carries the number of its connection above the 32 bits of the wire, whose numbers begin again."""


class Session(asyncio.Protocol):
    """An ESME's side of one TCP connection. `generation` numbers the connections of a bind, from 1.

    `bind_answer` ends with the command_status that answered the bind, `lost` with the reason why the connection ended.
    """

    def __init__(self, settings: SmppSettings, clock: Clock, timer: Timer, events: BindEvents, generation: int) -> None:
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._events = events
        self._base = generation << SEQUENCE_SHIFT
        self._encoder = SubmitEncoder(settings)
        self._alphabet = settings.alphabet
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._sequence = 0
        self._open: dict[int, Submission] = {}
        self._late: dict[int, Submission] = {}
        self._marks: deque[tuple[float, int]] = deque()
        self._unacknowledged = 0
        self._by_data: set[int] = set()  # of these the deliveries that came by data_sm
        self._paused = False
        self._heard = True
        self._heard_at = self._enquired_at = 0.0
        self._reason = ""
        self._ending = False
        self._said_all = False
        loop = asyncio.get_running_loop()
        self._loop = loop
        self.bind_answer: asyncio.Future[int] = loop.create_future()
        self.unbind_answer: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.answered_any = self.speaks_text = False
        self._others: dict[int, Callable[[bytes, int, int], None]] = {
            pdu.ENQUIRE_LINK: self._on_enquire_link,
            pdu.ENQUIRE_LINK_RESP: self._ignore,
            pdu.DATA_SM: self._on_data,
            pdu.UNBIND: self._on_unbind,
            pdu.UNBIND_RESP: self._on_unbind_answer,
            pdu.GENERIC_NACK: self._on_generic_nack,
            pdu.ALERT_NOTIFICATION: self._ignore,
            pdu.OUTBIND: self._ignore,
            **dict.fromkeys((kind | pdu.RESPONSE for kind in pdu.BINDS.values()), self._on_bind_answer),
        }

    # -- what the bind asks

    @property
    def free(self) -> int:
        """Submissions that the window takes now."""
        return 0 if self._ending or self._reason else max(0, self._settings.window - len(self._open))

    @property
    def unanswered(self) -> int:
        """Submissions that were given and not answered."""
        return len(self._open)

    @property
    def sequence(self) -> int:
        """Of the last PDU that was numbered here."""
        return self._sequence

    @property
    def owes(self) -> int:
        """What is under way: submissions without an answer and deliveries without an acknowledgement."""
        return len(self._open) + self._unacknowledged

    def adjust(self, settings: SmppSettings) -> None:
        """Go on under another window."""
        self._settings = settings

    def request_bind(self) -> None:
        """Send the bind that the settings ask for."""
        settings = self._settings
        request = pdu.BindRequest(settings.system_id, settings.password, settings.system_type)
        self._write(frame(pdu.BINDS[settings.bind], 0, self._next_sequence(), pdu.encode_bind(request)))

    def submit(self, submissions: Sequence[Submission]) -> int:
        """Give as many as the window takes, in one write, and return how many."""
        transport = self._transport
        count = min(len(submissions), self.free)
        if count <= 0 or transport is None or transport.is_closing():
            return 0
        now = self._clock.now()
        encode, given, octets = self._encoder.encode, self._open, []
        sequence = self._sequence
        for submission in submissions[:count]:
            sequence = sequence + 1 if sequence < SEQUENCE_MAX else 1
            try:
                octets.append(encode(submission, sequence, now))
            except (ValueError, OverflowError) as fault:
                # Later, because the caller does not know yet that it was given.
                self._loop.call_soon(self._events.answered, [Answer(submission, Outcome.REFUSED, "", str(fault))])
            else:
                given[sequence] = submission
        self._sequence = sequence
        transport.write(b"".join(octets))
        return count

    def acknowledge(self, sequences: Sequence[int]) -> None:
        """Answer deliveries of this connection; those of an earlier one are passed over."""
        if self._by_data:
            sequences = self._acknowledge_data(sequences)
        base, pack = self._base, _DELIVER_SM_RESP.pack
        octets = [pack(_DELIVER_SM_RESP_OCTETS, DELIVER_SM_RESP, 0, sequence - base, 0) for sequence in sequences if sequence >= base]
        self._unacknowledged -= len(octets)
        self._write(b"".join(octets))
        if self._paused and self._unacknowledged <= UNACKNOWLEDGED_LOW and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def request_unbind(self) -> None:
        """Say that this is the end; `unbind_answer` tells when the carrier has agreed. Nothing is submitted after it."""
        self._ending = True
        self._write(frame(pdu.UNBIND, 0, self._next_sequence()))

    def stop_submitting(self) -> None:
        """Take no more submissions, and go on hearing answers and deliveries."""
        self._ending = True

    def drop(self, reason: str) -> None:
        """End the connection at once, for this reason. What was given and not answered is `unknown` from here on."""
        if not self._reason:
            self._reason = reason
            if self._transport is not None:
                self._transport.abort()
            self._end()

    async def watch(self) -> None:
        """Look after the timers until the connection is lost: answers that do not come, a carrier that has gone silent."""
        settings = self._settings
        tick_s = min(TICK_S_MAX, settings.answer_timeout_s / 4, settings.enquire_s / 4)
        while not self.lost.done():
            await self._timer.sleep(tick_s)
            if self._reason and self._transport is not None:
                self._transport.abort()  # closing, and the carrier does not take the last octets
            now = self._timer.monotonic()
            self._give_up(now)
            self._enquire(now)

    # -- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer what is left."""
        self._reason = self._reason or (f"connection lost: {exc}" if exc else "connection closed by the carrier")
        self._end()

    def data_received(self, data: bytes) -> None:
        """Read all PDUs that are there, and tell of their answers and deliveries once: answers first."""
        buffer = self._rest + data if self._rest else data
        answers: list[Answer] = []
        deliveries: list[Receipt | InboundText] = []
        at, end = 0, len(buffer)
        unpack = HEADER.unpack_from
        while end - at >= HEADER_OCTETS:
            length, command, command_status, sequence = unpack(buffer, at)
            if not HEADER_OCTETS <= length <= PDU_OCTETS_MAX:
                self._tell(answers, deliveries)
                self.speaks_text = pdu.is_text(buffer[at:])
                self.drop(f"garbage from the carrier: {length_fault(buffer[at:])}")
                return
            if at + length > end:
                break
            octets = buffer[at : at + length]
            at += length
            if command == SUBMIT_SM_RESP:
                self._on_answer(octets, command_status, sequence, answers)
            elif command == DELIVER_SM:
                self._on_delivery(octets, sequence, deliveries)
            else:
                if command == pdu.GENERIC_NACK and sequence in self._open:
                    self._on_answer(octets, command_status or status.SYSTEM_ERROR, sequence, answers)
                    continue
                self._tell(answers, deliveries)
                answers, deliveries = [], []
                self._others.get(command, self._on_unknown)(octets, command_status, sequence)
        self._rest = buffer[at:]
        self._heard = self._heard or at > 0  # octets alone may be all swallowed by a length that lies
        self._tell(answers, deliveries)

    # -- hot

    def _on_answer(self, octets: bytes, command_status: int, sequence: int, answers: list[Answer]) -> None:
        submission = self._open.pop(sequence, None) or self._late.pop(sequence, None)
        if submission is None:
            return  # an answer to nothing that was asked
        if command_status == status.OK:
            answers.append(Answer(submission, SENT, normalise_reference(message_id_of(octets)), ""))
        else:
            answers.append(Answer(submission, status.outcome_of(command_status), "", status.describe(command_status)))

    def _on_delivery(self, octets: bytes, sequence: int, deliveries: list[Receipt | InboundText]) -> None:
        delivery = decode_delivery(octets, self._base | sequence, self._alphabet)
        if isinstance(delivery, Malformed):
            # Nobody can ever read it: a permanent no, or the carrier brings it again and again.
            self._write(frame(DELIVER_SM_RESP, status.RECEIVER_REJECTS, sequence, b"\0"))
        else:
            deliveries.append(delivery)

    def _tell(self, answers: list[Answer], deliveries: list[Receipt | InboundText]) -> None:
        if answers:
            self.answered_any = True
            self._events.answered(answers)
        if deliveries:
            self._unacknowledged += len(deliveries)
            if self._unacknowledged > UNACKNOWLEDGED_MAX and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            self._events.delivered(deliveries)

    # -- timers

    def _give_up(self, now: float) -> None:
        """Answer `unknown` what was given longer ago than the answer timer. Each tick marks how far the sequence was."""
        marks = self._marks
        marks.append((now, self._sequence))
        timeout_s = self._settings.answer_timeout_s
        given_up: list[Answer] = []
        while marks and now - marks[0][0] >= timeout_s:
            _, mark = marks.popleft()
            for sequence in list(self._open):
                if (mark - sequence) % SEQUENCE_MAX >= SEQUENCE_MAX // 2:
                    break  # given after the mark, as is all that follows: the window is in the order of giving
                submission = self._open.pop(sequence)
                self._late[sequence] = submission
                given_up.append(Answer(submission, Outcome.UNKNOWN, "", f"no answer in {timeout_s:g} s"))
        while len(self._late) > LATE_MAX:
            del self._late[next(iter(self._late))]
        if given_up:
            self._events.answered(given_up)

    def _enquire(self, now: float) -> None:
        """Ask whether the carrier is there when it has been silent, and drop it when it does not answer."""
        if self._heard or self._paused:
            self._heard, self._heard_at, self._enquired_at = False, now, 0.0
            return
        enquire_s = self._settings.enquire_s
        wait_s = min(ENQUIRE_ANSWER_S_MAX, enquire_s)
        if self._enquired_at and now - self._enquired_at >= wait_s:
            self.drop(f"no answer to enquire_link in {wait_s:g} s")
        elif not self._enquired_at and now - self._heard_at >= enquire_s:
            self._enquired_at = now
            self._write(frame(pdu.ENQUIRE_LINK, 0, self._next_sequence()))

    # -- all other PDUs

    def _on_data(self, octets: bytes, _: int, sequence: int) -> None:
        delivery = decode_data_delivery(octets, self._base | sequence, self._alphabet)
        if isinstance(delivery, Malformed):
            self._write(frame(pdu.DATA_SM_RESP, status.RECEIVER_REJECTS, sequence, b"\0"))
        else:
            self._by_data.add(self._base | sequence)
            self._tell([], [delivery])

    def _acknowledge_data(self, sequences: Sequence[int]) -> list[int]:
        """Answer what came by data_sm; returns the others."""
        data = self._by_data.intersection(sequences)
        self._by_data -= data
        self._unacknowledged -= len(data)
        self._write(b"".join(frame(pdu.DATA_SM_RESP, 0, sequence - self._base, b"\0") for sequence in sequences if sequence in data))
        return [sequence for sequence in sequences if sequence not in data]

    def _on_bind_answer(self, _: bytes, command_status: int, __: int) -> None:
        if not self.bind_answer.done():
            self.bind_answer.set_result(command_status)

    def _on_generic_nack(self, _: bytes, command_status: int, __: int) -> None:
        if not self.bind_answer.done():
            self.bind_answer.set_result(command_status or status.BIND_FAILED)

    def _on_enquire_link(self, _: bytes, __: int, sequence: int) -> None:
        self._write(frame(pdu.ENQUIRE_LINK_RESP, 0, sequence))

    def _on_unbind(self, _: bytes, __: int, sequence: int) -> None:
        self._write(frame(pdu.UNBIND_RESP, 0, sequence))
        self._reason = self._reason or "the carrier ended the bind"
        transport = self._transport
        if transport is None:
            return
        # Closed with answers unread, the line would be reset, and our answer lost with theirs; `watch` ends what stays open.
        if transport.can_write_eof():
            self._said_all = True
            transport.write_eof()
        else:
            transport.close()

    def _on_unbind_answer(self, _: bytes, __: int, ___: int) -> None:
        if not self.unbind_answer.done():
            self.unbind_answer.set_result(None)

    def _on_unknown(self, octets: bytes, _: int, sequence: int) -> None:
        command = HEADER.unpack_from(octets)[1]
        if not command & pdu.RESPONSE:
            self._write(frame(pdu.GENERIC_NACK, status.INVALID_COMMAND, sequence))

    def _ignore(self, _: bytes, __: int, ___: int) -> None:
        """Hearing it was all."""

    # -- the end

    def _end(self) -> None:
        if self.lost.done():
            return
        left = [Answer(submission, Outcome.UNKNOWN, "", self._reason) for submission in self._open.values()]
        self._open.clear()
        if left:
            self._events.answered(left)
        self.lost.set_result(self._reason)

    def _next_sequence(self) -> int:
        self._sequence = self._sequence + 1 if self._sequence < SEQUENCE_MAX else 1
        return self._sequence

    def _write(self, octets: bytes) -> None:
        if octets and self._transport is not None and not self._said_all and not self._transport.is_closing():
            self._transport.write(octets)


_DELIVER_SM_RESP = struct.Struct(">IIIIB")
_DELIVER_SM_RESP_OCTETS: Final = _DELIVER_SM_RESP.size
