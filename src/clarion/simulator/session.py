"""One connection of a simulated SMSC: reads submits, answers them, and sends receipts, hot enough never to be the limit."""

import asyncio
import struct
from typing import TYPE_CHECKING, Final, cast

from clarion.carriers.smpp import pdu, status
from clarion.carriers.smpp.pdu import DELIVER_SM, HEADER, HEADER_OCTETS, PDU_OCTETS_MAX, SUBMIT_SM, SUBMIT_SM_RESP, Malformed, frame
from clarion.simulator.faults import PLAIN, Fate

if TYPE_CHECKING:
    from clarion.simulator.account import Account
    from clarion.simulator.smsc import Smsc

EARLY_S: Final = 0.05
"""How long the answer is kept back behind an early receipt: enough for the other side to see the receipt alone."""

REDELIVERY_S: Final = 1.0
"""A receipt that was answered with a temporary error is brought again."""

SYSTEM_ID: Final = b"clarion\0"


class SmscSession(asyncio.Protocol):
    """The SMSC's side of one connection. `number` tells connections apart in the log."""

    def __init__(self, smsc: "Smsc", number: int) -> None:
        self._smsc = smsc
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._account: Account | None = None
        self._rest = b""
        self._sequence = 0
        self._submits = self.receives = False
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
        if self._account is not None:
            self._account.leave(self, list(self._outstanding.values()))
            self._outstanding.clear()

    def data_received(self, data: bytes) -> None:
        """Read all PDUs that are there; answer them in one write."""
        buffer = self._rest + data if self._rest else data
        answers: list[bytes] = []
        submits: list[bytes] = []
        acknowledged = False
        at, end = 0, len(buffer)
        while end - at >= HEADER_OCTETS:
            length, command, command_status, sequence = HEADER.unpack_from(buffer, at)
            if not HEADER_OCTETS <= length <= PDU_OCTETS_MAX:
                self._write([*answers, frame(pdu.GENERIC_NACK, status.INVALID_LENGTH, sequence)])
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
        self._write(answers)
        if submits:
            self._take(submits)
        if acknowledged:
            self.send_receipts()

    # -- hot

    def _take(self, submits: list[bytes]) -> None:
        """Decide each submit's fate, answer, and queue the receipts."""
        smsc = self._smsc
        counters = smsc.counters
        now = smsc.clock.now()
        text_at, decide, note = smsc.receipt_times(now), smsc.decide, smsc.note
        next_id, write_id, gives_receipts = smsc.next_id, smsc.write_id, smsc.settings.receipts
        answers: list[bytes] = []
        receipts: list[bytes] = []
        for octets in submits:
            counters.submits += 1
            sequence = _SEQUENCE.unpack_from(octets, 12)[0]
            cut = _cut(octets)
            if isinstance(cut, Malformed):
                answers.append(frame(SUBMIT_SM_RESP, cut.status, sequence))
                continue
            source, destination, wants_receipt, quote = cut
            fate = PLAIN if decide is None else decide(destination[2:-1])
            if fate.status:
                self._refuse(fate, octets, now, sequence, answers)
                continue
            message_id = next_id
            next_id += 1
            written = write_id(message_id)
            counters.taken += 1
            if note is not None:
                note(octets, now, self._number, sequence, written.decode(), 0)
            answer = HEADER.pack(HEADER_OCTETS + 1 + len(written), SUBMIT_SM_RESP, 0, sequence) + written + b"\0"
            if wants_receipt and fate.receipt and gives_receipts:
                receipt = _RECEIPT % (destination, source, *smsc.receipt_text(message_id, fate.receipt, text_at, quote))
                if fate.early or fate.late:
                    self._send_aside(fate, receipt)
                else:
                    receipts += [receipt, receipt] if fate.twice else [receipt]
            if smsc.breaks():
                smsc.next_id = next_id
                self._break(receipts)
                return
            if fate.answered and not fate.early:
                answers.append(answer)
            elif fate.answered:
                smsc.schedule.after(smsc.answer_delay_s + EARLY_S, lambda late=answer: self._write([late]))  # type: ignore[misc]
        smsc.next_id = next_id
        smsc.flush()
        self._answer_submits(answers, receipts)

    def _answer_submits(self, answers: list[bytes], receipts: list[bytes]) -> None:
        smsc = self._smsc
        smsc.schedule.after(smsc.answer_delay_s, lambda: self._write(answers))
        if receipts and self._account is not None:
            account = self._account
            smsc.schedule.after(smsc.answer_delay_s + smsc.receipt_delay_s, lambda: account.send(receipts, self))

    def send_receipts(self) -> None:
        """Send waiting receipts as far as the limit of outstanding ones goes, in one write."""
        account, limit = self._account, self._smsc.settings.outstanding
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
        self._smsc.counters.receipts_sent += len(octets) // 2
        self._write(octets)

    def _on_acknowledgement(self, sequence: int, command_status: int) -> None:
        body = self._outstanding.pop(sequence, None)
        if body is None:
            return
        if command_status in status.TEMPORARY and self._account is not None:
            account = self._account
            self._smsc.schedule.after(REDELIVERY_S, lambda: account.send([body], self))
        else:
            self._smsc.counters.receipts_acknowledged += 1

    # -- fates out of the ordinary

    def _refuse(self, fate: Fate, octets: bytes, now: int, sequence: int, answers: list[bytes]) -> None:
        smsc = self._smsc
        if fate.status == status.THROTTLED:
            smsc.counters.throttled += 1
        else:
            smsc.counters.refused += 1
        if smsc.note is not None:
            smsc.note(octets, now, self._number, sequence, "", fate.status)
        answers.append(frame(SUBMIT_SM_RESP, fate.status, sequence))

    def _send_aside(self, fate: Fate, receipt: bytes) -> None:
        smsc, account = self._smsc, self._account
        if account is None:
            return
        late_s = smsc.answer_delay_s + smsc.receipt_delay_s + smsc.settings.receipt_late_ms / 1000
        again = [receipt, receipt] if fate.twice else [receipt]
        smsc.schedule.after(late_s if fate.late else 0, lambda: account.send(again, self))

    def _break(self, receipts: list[bytes]) -> None:
        """Gone in the middle of the window: nothing that was read with this submit is answered, its receipts come later."""
        self._smsc.flush()
        self._smsc.counters.disconnects += 1
        if self._account is not None:
            self._account.waiting.extend(receipts)
        self.abort()

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
        return b"" if command & pdu.RESPONSE else frame(pdu.GENERIC_NACK, status.INVALID_COMMAND, sequence)

    def _answer_bind(self, octets: bytes, command: int, sequence: int) -> bytes:
        request = pdu.decode_bind(octets)
        if isinstance(request, Malformed):
            refusal = request.status
        else:
            refusal = status.ALREADY_BOUND if self._account is not None else self._smsc.refusal_of(request)
        if refusal or isinstance(request, Malformed):
            self._smsc.counters.binds_refused += 1
            return frame(command | pdu.RESPONSE, refusal, sequence)
        self._smsc.counters.binds += 1
        self._submits = command != pdu.BIND_RECEIVER
        self.receives = command != pdu.BIND_TRANSMITTER
        self._account = self._smsc.account(request.system_id)
        self._account.join(self)
        asyncio.get_running_loop().call_soon(self.send_receipts)  # those that an earlier connection left, behind this answer
        return frame(command | pdu.RESPONSE, 0, sequence, SYSTEM_ID + pdu.encode_parameters({pdu.INTERFACE_VERSION_TAG: b"\x34"}))

    # -- the end

    def unbind(self) -> None:
        """Tell the other side that the SMSC goes away."""
        self._write([frame(pdu.UNBIND, 0, self._sequence + 1)])

    def close(self) -> None:
        """Close when everything is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, octets: list[bytes]) -> None:
        if octets and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(octets))


_SEQUENCE = struct.Struct(">I")

_RECEIPT: Final = b"\0%b%b\x04\0\0\0\0\0\0\0\0%c%b"
"""A deliver_sm of esm_class 4 from the recipient to the sender, with addresses as the submit had them; then length and text."""


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
