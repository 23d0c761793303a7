"""One connection of a simulated SMSC: reads submits, answers them, and sends receipts, hot enough never to be the limit."""

import asyncio
import struct
from typing import TYPE_CHECKING, Final, cast

from clarion.carriers.smpp import pdu, status
from clarion.carriers.smpp.pdu import DELIVER_SM, HEADER, HEADER_OCTETS, PDU_OCTETS_MAX, SUBMIT_SM, SUBMIT_SM_RESP, Malformed, frame
from clarion.simulator.account import TextBody
from clarion.simulator.faults import DELIVERED, PLAIN
from clarion.simulator.misbehaviour import RECEIPT, Batch, Taken, misbehave

if TYPE_CHECKING:
    from clarion.simulator.account import Account
    from clarion.simulator.smsc import Smsc

REDELIVERY_S: Final = 1.0
"""A receipt that was answered with a temporary error is brought again."""

SYSTEM_ID: Final = b"clarion\0"


class SmscSession(asyncio.Protocol):
    """The SMSC's side of one connection. `number` tells connections apart in the log."""

    def __init__(self, smsc: "Smsc", number: int) -> None:
        self._smsc = smsc
        self._number = number
        self._transport: asyncio.Transport | None = None
        self.account: Account | None = None
        self._rest = b""
        self._sequence = 0
        self._submits = self.receives = self._silent = False
        self._outstanding: dict[int, bytes] = {}

    # -- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be known to the SMSC."""
        self._transport = cast("asyncio.Transport", transport)
        self._smsc.sessions.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """What was not acknowledged goes to the next connection."""
        self._smsc.sessions.discard(self)
        self._transport = None
        if self.account is not None:
            self.account.leave(self, list(self._outstanding.values()))
            self._outstanding.clear()

    def data_received(self, data: bytes) -> None:
        """Read all PDUs that are there; answer them in one write."""
        if self._silent:
            return
        buffer = self._rest + data if self._rest else data
        answers: list[bytes] = []
        submits: list[bytes] = []
        acknowledged = False
        at, end = 0, len(buffer)
        while end - at >= HEADER_OCTETS:
            length, command, command_status, sequence = HEADER.unpack_from(buffer, at)
            if not HEADER_OCTETS <= length <= PDU_OCTETS_MAX:
                self.write([*answers, frame(pdu.GENERIC_NACK, status.INVALID_LENGTH, sequence)])
                self.close()
                return
            if at + length > end:
                break
            if command == SUBMIT_SM and self._submits:
                submits.append(buffer[at : at + length])
            elif command == pdu.DELIVER_SM_RESP:
                self._on_acknowledgement(sequence, command_status)
                acknowledged = True
            else:
                answers.append(self._answer_other(buffer[at : at + length], command, sequence))
            at += length
        self._rest = buffer[at:]
        self.write(answers)
        if submits:
            self._take(submits)
        if acknowledged:
            self.send_receipts()

    # -- hot

    def _take(self, submits: list[bytes]) -> None:
        """Decide each submit's fate, answer, and queue the receipts."""
        smsc = self._smsc
        now = smsc.clock.now()
        text_at, decide, note = smsc.receipt_times(now), smsc.decide, smsc.note
        next_id, write_id, gives_receipts = smsc.next_id, smsc.write_id, smsc.settings.receipts
        batch = Batch()
        answers, receipts, plain = batch.answers, batch.receipts, 0
        for octets in submits:
            smsc.counters.submits += 1
            sequence = _SEQUENCE.unpack_from(octets, 12)[0]
            cut = _cut(octets)
            if isinstance(cut, Malformed):
                batch.refuse(cut.status, sequence)
                continue
            source, destination, wants_receipt, quote = cut
            fate = PLAIN if decide is None else decide(destination[2:-1])
            if fate.status:
                if note is not None:
                    note(octets, now, self._number, sequence, "", fate.status)
                batch.refuse(fate.status, sequence)
                continue
            message_id = next_id
            next_id += 1
            written = write_id(message_id)
            if note is not None:
                note(octets, now, self._number, sequence, written.decode(), 0)
            answer = HEADER.pack(HEADER_OCTETS + 1 + len(written), SUBMIT_SM_RESP, 0, sequence) + written + b"\0"
            if fate is PLAIN:
                answers.append(answer)
                if wants_receipt and gives_receipts:
                    plain += 1
                    receipts.append(RECEIPT % (destination, source, *smsc.receipt_text(message_id, DELIVERED, text_at, quote)))
                continue
            taken = Taken(message_id, sequence, source, destination, quote, text_at, wants_receipt and gives_receipts, answer)
            misbehave(self, smsc, fate, taken, batch)
            if fate.ends:
                break
        if plain:
            smsc.counters.receipts[DELIVERED.decode()] += plain
        smsc.counters.taken += next_id - smsc.next_id
        smsc.next_id = next_id
        smsc.flush()
        self._end_with(batch) if batch.ends else self._answer_submits(batch)

    def _answer_submits(self, batch: Batch) -> None:
        smsc, receipts = self._smsc, batch.receipts
        if batch.answers:
            smsc.schedule.after(smsc.answer_delay_s, lambda: smsc.count(batch, written=self.write(batch.answers)))
        if receipts and self.account is not None:
            account = self.account
            smsc.schedule.after(smsc.answer_delay_s + smsc.receipt_delay_s, lambda: account.send(receipts, self))

    def send_receipts(self) -> None:
        """Send waiting receipts as far as the limit of outstanding ones goes, in one write."""
        account, limit = self.account, self._smsc.settings.outstanding
        if account is None or self._transport is None or not self.receives:
            return
        waiting, outstanding, sequence = account.waiting, self._outstanding, self._sequence
        octets: list[bytes] = []
        for _ in range(min(len(waiting), limit - len(outstanding))):
            body = waiting.popleft()
            sequence = sequence + 1 if sequence < pdu.SEQUENCE_MAX else 1
            outstanding[sequence] = body
            octets += (HEADER.pack(HEADER_OCTETS + len(body), DELIVER_SM, 0, sequence), body)
        self._sequence = sequence
        self._smsc.counters.receipts_sent += len(octets) // 2 - sum(type(body) is TextBody for body in octets[1::2])
        self.write(octets)

    def _on_acknowledgement(self, sequence: int, command_status: int) -> None:
        body = self._outstanding.pop(sequence, None)
        if body is None:
            return
        if command_status in status.TEMPORARY and self.account is not None:
            account = self.account
            self._smsc.schedule.after(REDELIVERY_S, lambda: account.send([body], self))
        elif type(body) is not TextBody:
            self._smsc.counters.receipts_acknowledged += 1

    # -- ends in the middle of the window

    def _end_with(self, batch: Batch) -> None:
        """Nothing that was read with this submit is answered, its receipts come later."""
        self._smsc.count(batch, written=False)
        if batch.ends == "disconnect":
            self._smsc.counters.disconnects += 1
            self.abort()
        else:
            self._silent, self.receives = True, False
        if self.account is not None:
            self.account.send(batch.receipts)

    # -- all other PDUs

    def _answer_other(self, octets: bytes, command: int, sequence: int) -> bytes:
        if command in pdu.BINDS.values():
            return self._answer_bind(octets, command, sequence)
        if command == pdu.ENQUIRE_LINK:
            return frame(pdu.ENQUIRE_LINK_RESP, 0, sequence)
        if command == pdu.UNBIND:
            asyncio.get_running_loop().call_soon(self.close)
            return frame(pdu.UNBIND_RESP, 0, sequence)
        if command == SUBMIT_SM:
            return frame(SUBMIT_SM_RESP, status.WRONG_BIND_STATE, sequence)
        self._smsc.counters.nacks += command == pdu.GENERIC_NACK
        return b"" if command & pdu.RESPONSE else frame(pdu.GENERIC_NACK, status.INVALID_COMMAND, sequence)

    def _answer_bind(self, octets: bytes, command: int, sequence: int) -> bytes:
        request = pdu.decode_bind(octets)
        if self._smsc.leaves_bind_unanswered():
            return b""
        if isinstance(request, Malformed):
            refusal = request.status
        else:
            refusal = status.ALREADY_BOUND if self.account is not None else self._smsc.refusal_of(request)
        if refusal or isinstance(request, Malformed):
            self._smsc.counters.binds_refused += 1
            return frame(command | pdu.RESPONSE, refusal, sequence)
        self._smsc.counters.binds += 1
        self._submits = command != pdu.BIND_RECEIVER
        self.receives = command != pdu.BIND_TRANSMITTER
        self.account = self._smsc.account(request.system_id)
        self.account.join(self)
        asyncio.get_running_loop().call_soon(self.send_receipts)  # those that an earlier connection left, behind this answer
        return frame(command | pdu.RESPONSE, 0, sequence, SYSTEM_ID + pdu.encode_parameters({pdu.INTERFACE_VERSION_TAG: b"\x34"}))

    # -- the end

    def unbind(self) -> None:
        """Tell the other side that the SMSC goes away."""
        self.write([frame(pdu.UNBIND, 0, self._sequence + 1)])

    def close(self) -> None:
        """Close when everything is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def write(self, octets: list[bytes]) -> bool:
        """Give these to the transport, unless the connection is gone or half open; whether they were."""
        if not octets or self._transport is None or self._silent or self._transport.is_closing():
            return False
        self._transport.write(b"".join(octets))
        return True


_SEQUENCE = struct.Struct(">I")


def _cut(octets: bytes) -> tuple[bytes, bytes, bool, bytes] | Malformed:
    """Source and destination with their types, whether a receipt is wanted, and the first 20 octets of the text, unread."""
    try:
        service_end = octets.index(0, HEADER_OCTETS)
        source_end = octets.index(0, service_end + 3)
        destination_end = octets.index(0, source_end + 3)
        schedule_end = octets.index(0, destination_end + 4)
        at = octets.index(0, schedule_end + 1)
        wants_receipt, text_octets = octets[at + 1] & 3 == 1, octets[at + 5]
    except (ValueError, IndexError):
        return Malformed(status.INVALID_LENGTH, "a submit_sm ends in the middle of a field")
    if at + 6 + text_octets > len(octets):
        return Malformed(0x01, "sm_length says more than is there")
    quote = octets[at + 6 : at + 6 + min(20, text_octets)] if octets[at + 3] == 0 and not octets[destination_end + 1] & 0x40 else b""
    return octets[service_end + 1 : source_end + 1], octets[source_end + 1 : destination_end + 1], wants_receipt, quote
