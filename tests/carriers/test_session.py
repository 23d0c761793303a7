"""One connection, octet by octet, on a transport that only remembers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.carriers.recording import Recorder, message
from tests.carriers.scripted import RememberingTransport

from clarion.carriers.smpp import SmppSettings, pdu, status
from clarion.carriers.smpp.session import UNACKNOWLEDGED_MAX, Session
from clarion.wiring.machine import SystemClock, SystemTimer

RECEIPT = pdu.encode_message(
    pdu.Message("254711222333", "CLARION", b"id:77 sub:001 dlvrd:001 submit date:1 done date:1 stat:DELIVRD err:000 text:", 4)
)


class ManualTimer(SystemTimer):
    """Time that the test moves."""

    seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


class Rig:
    """A session on a transport, with what it wrote and told."""

    def __init__(self, window: int = 10, enquire_s: float = 3_600) -> None:
        self.recorder = Recorder(acknowledges=False)
        self.transport = RememberingTransport()
        self.timer = ManualTimer()
        settings = SmppSettings(host="h", system_id="me", window=window, answer_timeout_s=60, enquire_s=enquire_s)
        self.session = Session(settings, SystemClock(), self.timer, self.recorder, 3)
        self.session.connection_made(self.transport)

    def answer(self, sequence: int, message_id: bytes = b"", command_status: int = 0) -> None:
        self.session.data_received(pdu.frame(pdu.SUBMIT_SM_RESP, command_status, sequence, message_id + b"\0"))

    def tick(self, seconds: float) -> None:
        """What `watch` does once, `seconds` later."""
        self.timer.seconds += seconds
        self.session._give_up(self.timer.seconds)
        self.session._enquire(self.timer.seconds)

    @property
    def written(self) -> list[tuple[int, int, int]]:
        """Command, status and sequence of every PDU written."""
        octets, found = b"".join(self.transport.writes), []
        while octets:
            length, *rest = pdu.HEADER.unpack_from(octets)
            found.append((rest[0], rest[1], rest[2]))
            octets = octets[length:]
        return found


async def test_the_window_is_kept_and_one_submit_is_one_write() -> None:
    rig = Rig(window=10)
    assert rig.session.submit([message(number) for number in range(25)]) == 10
    assert rig.session.submit([message(99)]) == 0
    assert len(rig.transport.writes) == 1
    assert rig.written == [(pdu.SUBMIT_SM, 0, sequence) for sequence in range(1, 11)]
    rig.answer(4)
    rig.answer(9)
    assert rig.session.free == 2
    assert [answer.submission.message_id for answer in rig.recorder.answers] == [3, 8]
    assert rig.session.submit([message(number) for number in range(10, 25)]) == 2


async def test_each_submission_is_answered_once_whatever_comes() -> None:
    rig = Rig()
    rig.session.submit([message(1), message(2), message(3)])
    rig.answer(2, b"00AB")
    rig.answer(2, b"00AB")
    rig.answer(17, b"99")
    rig.answer(3, command_status=status.THROTTLED)
    rig.session.data_received(pdu.frame(pdu.GENERIC_NACK, status.INVALID_COMMAND, 1))
    rig.session.data_received(pdu.frame(pdu.GENERIC_NACK, status.INVALID_COMMAND, 1))
    assert [(answer.submission.message_id, answer.outcome.value, answer.reference, answer.reason) for answer in rig.recorder.answers] == [
        (2, "sent", "ab", ""),
        (3, "throttled", "", "ESME_RTHROTTLED (0x00000058)"),
        (1, "refused", "", "ESME_RINVCMDID (0x00000003)"),
    ]


async def test_answers_are_told_before_deliveries_and_once_for_a_read() -> None:
    rig = Rig()
    rig.session.submit([message(1), message(2)])
    answers = [pdu.frame(pdu.SUBMIT_SM_RESP, 0, sequence, b"77\0") for sequence in (1, 2)]
    rig.session.data_received(pdu.frame(pdu.DELIVER_SM, 0, 1, RECEIPT) + answers[0] + pdu.frame(pdu.DELIVER_SM, 0, 2, RECEIPT) + answers[1])
    assert rig.recorder.order == ["answer", "answer", "delivery", "delivery"]


@pytest.mark.parametrize("size", [1, 2, 7, 15, 16, 17, 100])
async def test_pdus_may_come_in_pieces_of_any_size(size: int) -> None:
    rig = Rig(window=200)
    rig.session.submit([message(number) for number in range(20)])
    octets = b"".join(
        pdu.frame(pdu.SUBMIT_SM_RESP, 0, sequence, b"%d\0" % sequence) + pdu.frame(pdu.DELIVER_SM, 0, sequence, RECEIPT)
        for sequence in range(1, 21)
    )
    for at in range(0, len(octets), size):
        rig.session.data_received(octets[at : at + size])
    assert [answer.reference for answer in rig.recorder.answers] == [str(sequence) for sequence in range(1, 21)]
    assert [receipt.sequence & 0xFFFFFFFF for receipt in rig.recorder.receipts] == list(range(1, 21))


async def test_an_answer_that_does_not_come_is_unknown_and_may_still_come_late() -> None:
    rig = Rig(window=2)
    rig.session.submit([message(1)])
    rig.tick(1)
    rig.session.submit([message(2)])
    rig.tick(30)
    rig.answer(99)
    rig.tick(29.5)
    assert not rig.recorder.answers
    rig.tick(1)
    assert [(answer.submission.message_id, answer.outcome.value, answer.reason) for answer in rig.recorder.answers] == [
        (1, "unknown", "no answer in 60 s")
    ]
    assert rig.session.free == 1
    rig.answer(2, b"22")
    rig.answer(1, b"11")
    rig.answer(1, b"11")
    rig.tick(120)
    assert [(answer.submission.message_id, answer.reference) for answer in rig.recorder.answers] == [(1, ""), (2, "22"), (1, "11")]


async def test_sequences_begin_again_and_timers_know() -> None:
    rig = Rig()
    rig.session._sequence = pdu.SEQUENCE_MAX - 2
    rig.session.submit([message(1), message(2), message(3)])
    rig.tick(1)
    rig.session.submit([message(4)])
    assert [sequence for _, _, sequence in rig.written] == [pdu.SEQUENCE_MAX - 1, pdu.SEQUENCE_MAX, 1, 2]
    rig.tick(60)
    assert [answer.submission.message_id for answer in rig.recorder.answers] == [1, 2, 3]
    rig.answer(2, b"4")
    assert rig.recorder.answers[-1].submission.message_id == 4


async def test_what_smpp_cannot_carry_is_refused_after_it_was_given() -> None:
    rig = Rig(window=3)
    assert rig.session.submit([message(1), message(2, sender="x" * 21), message(3, "x", parts=300)]) == 3
    assert not rig.recorder.answers
    assert rig.session.free == 2
    await SystemTimer().sleep(0)
    assert [(answer.submission.message_id, answer.outcome.value) for answer in rig.recorder.answers] == [(2, "refused"), (3, "refused")]
    assert "sender" in rig.recorder.answers[0].reason
    assert rig.recorder.answers[1].reason


async def test_a_silent_carrier_is_asked_and_dropped() -> None:
    rig = Rig(enquire_s=30)
    rig.session.data_received(pdu.frame(pdu.ENQUIRE_LINK, 0, 5))
    rig.tick(1)
    rig.tick(29)
    assert rig.written == [(pdu.ENQUIRE_LINK_RESP, 0, 5)]
    rig.tick(1)
    assert rig.written[1:] == [(pdu.ENQUIRE_LINK, 0, 1)]
    rig.session.data_received(pdu.frame(pdu.ENQUIRE_LINK_RESP, 0, 1))
    rig.tick(5)
    rig.tick(30)
    assert rig.written[2:] == [(pdu.ENQUIRE_LINK, 0, 2)]
    rig.session.submit([message(1)])
    rig.tick(9)
    assert not rig.session.lost.done()
    rig.tick(1)
    assert rig.session.lost.result() == "no answer to enquire_link in 10 s"
    assert rig.recorder.outcomes == ["unknown"]
    assert rig.transport.closed


async def test_octets_that_never_become_a_pdu_are_no_sign_of_life() -> None:
    """A length that lies swallows the answers to enquire_link too; the connection must not stay deaf until it is full."""
    rig = Rig(enquire_s=30)
    rig.session.data_received(pdu.HEADER.pack(60_000, pdu.ENQUIRE_LINK, 0, 5))
    rig.tick(1)
    rig.tick(30)
    assert rig.written == [(pdu.ENQUIRE_LINK, 0, 1)]
    rig.session.data_received(pdu.frame(pdu.ENQUIRE_LINK_RESP, 0, 1))
    rig.tick(10)
    assert rig.session.lost.result() == "no answer to enquire_link in 10 s"


@pytest.mark.parametrize("length", [0, 1, 15, 65_537, 0x48545450, 0xFFFFFFFF])
async def test_lengths_that_lie_end_the_connection(length: int) -> None:
    rig = Rig()
    rig.session.submit([message(1), message(2)])
    rig.session.data_received(pdu.frame(pdu.SUBMIT_SM_RESP, 0, 1, b"1\0") + length.to_bytes(4, "big") + b"\0" * 12)
    assert rig.recorder.outcomes == ["sent", "unknown"]
    assert "garbage from the carrier" in rig.session.lost.result()
    assert rig.transport.closed
    assert rig.session.submit([message(3)]) == 0


async def test_other_pdus_are_answered_as_the_specification_says() -> None:
    rig = Rig()
    for command in (0x00000003, 0x80000103, pdu.ALERT_NOTIFICATION, pdu.SUBMIT_SM, 0x12345678):
        rig.session.data_received(pdu.frame(command, 0, 8))
    nacks = [(pdu.GENERIC_NACK, status.INVALID_COMMAND, 8)] * 3
    assert rig.written == nacks
    rig.session.data_received(pdu.frame(pdu.UNBIND, 0, 9))
    assert rig.written == [*nacks, (pdu.UNBIND_RESP, 0, 9)]
    assert rig.transport.closed
    assert rig.session.free == 0


async def test_a_delivery_that_nobody_can_read_is_refused_for_good() -> None:
    rig = Rig()
    rig.session.data_received(pdu.frame(pdu.DELIVER_SM, 0, 8, b"\0\1\1254") + pdu.frame(pdu.DELIVER_SM, 0, 9, RECEIPT))
    assert rig.written == [(pdu.DELIVER_SM_RESP, status.RECEIVER_REJECTS, 8)]
    assert len(rig.recorder.receipts) == 1


async def test_what_comes_by_data_sm_is_answered_by_its_own_kind() -> None:
    rig = Rig()
    payload = {pdu.MESSAGE_PAYLOAD: b"id:77 stat:UNDELIV err:5", pdu.USER_MESSAGE_REFERENCE: b"\0\7"}
    phone = b"\0\1\1" + b"254711222333\0"
    receipt = phone + b"\5\0CLARION\0\4\0\0" + pdu.encode_parameters(payload)
    text = phone + b"\0\1" + b"20880\0\0\0\x08" + pdu.encode_parameters({pdu.MESSAGE_PAYLOAD: "Привет".encode("utf-16-be")})
    for sequence, (command, body) in enumerate(
        ((pdu.DATA_SM, receipt), (pdu.DELIVER_SM, RECEIPT), (pdu.DATA_SM, text), (pdu.DATA_SM, text[:20])), 5
    ):
        rig.session.data_received(pdu.frame(command, 0, sequence, body))
    assert rig.written == [(pdu.DATA_SM_RESP, status.RECEIVER_REJECTS, 8)]
    first, second = rig.recorder.receipts
    assert (first.reference, first.recipient, first.sender, first.state, first.reason, first.user_message_reference) == (
        "77",
        "254711222333",
        "CLARION",
        "undelivered",
        "UNDELIV err:5",
        7,
    )
    (inbound,) = rig.recorder.texts
    assert (inbound.sender, inbound.recipient, inbound.text) == ("254711222333", "20880", "Привет")
    assert rig.session.owes == 3
    rig.session.acknowledge([first.sequence, second.sequence, inbound.sequence])
    assert sorted(rig.written[1:]) == sorted([(pdu.DATA_SM_RESP, 0, 5), (pdu.DELIVER_SM_RESP, 0, 6), (pdu.DATA_SM_RESP, 0, 7)])
    assert rig.session.owes == 0


async def test_acknowledgements_of_this_connection_only_in_one_write() -> None:
    rig = Rig()
    rig.session.data_received(b"".join(pdu.frame(pdu.DELIVER_SM, 0, sequence, RECEIPT) for sequence in (5, 6, 7)))
    sequences = [receipt.sequence for receipt in rig.recorder.receipts]
    rig.session.acknowledge([(2 << 32) | 5, *sequences])
    assert rig.written == [(pdu.DELIVER_SM_RESP, 0, sequence) for sequence in (5, 6, 7)]
    assert len(rig.transport.writes) == 1
    assert rig.session.owes == 0


async def test_numbers_out_of_nowhere_are_answered_with_themselves() -> None:
    """Of deliveries: nothing, more than 3.4 allows, one twice. Of answers and enquiries: whatever was never asked."""
    rig = Rig()
    rig.session.submit([message(1)])
    numbers = [0, 0x80000000, 0xFFFFFFFF, 7, 7]
    rig.session.data_received(b"".join(pdu.frame(pdu.DELIVER_SM, 0, number, RECEIPT) for number in numbers))
    rig.session.acknowledge([receipt.sequence for receipt in rig.recorder.receipts])
    assert rig.written[1:] == [(pdu.DELIVER_SM_RESP, 0, number) for number in numbers]
    for number in (0, 2, 0x7FFFFFFF, 0xFFFFFFFF):
        rig.answer(number, b"77")
        for command in (pdu.ENQUIRE_LINK_RESP, pdu.UNBIND_RESP, pdu.GENERIC_NACK, pdu.BINDS["transceiver"] | pdu.RESPONSE, 0x80000103):
            rig.session.data_received(pdu.frame(command, status.SYSTEM_ERROR, number))
    assert (rig.recorder.answers, rig.session.unanswered, rig.transport.closed) == ([], 1, False)
    rig.answer(1, b"77")
    assert rig.recorder.outcomes == ["sent"]


async def test_reading_stops_while_too_much_is_unacknowledged() -> None:
    rig = Rig(enquire_s=30)
    for start in range(0, UNACKNOWLEDGED_MAX + 1, 100):
        rig.session.data_received(b"".join(pdu.frame(pdu.DELIVER_SM, 0, start + sequence, RECEIPT) for sequence in range(100)))
    assert not rig.transport.reading
    for _ in range(4):
        rig.tick(1_000)
    assert not rig.session.lost.done(), "who does not read must not complain of silence"
    sequences = [receipt.sequence for receipt in rig.recorder.receipts]
    rig.session.acknowledge(sequences[: UNACKNOWLEDGED_MAX // 4])
    assert not rig.transport.reading
    rig.session.acknowledge(sequences[UNACKNOWLEDGED_MAX // 4 :])
    assert rig.transport.reading


async def test_the_end_of_the_connection_answers_what_is_open() -> None:
    rig = Rig()
    rig.session.submit([message(1), message(2)])
    rig.session.connection_lost(ConnectionResetError("reset by peer"))
    rig.session.connection_lost(None)
    assert [(answer.outcome.value, answer.reason) for answer in rig.recorder.answers] == [
        ("unknown", "connection lost: reset by peer"),
        ("unknown", "connection lost: reset by peer"),
    ]
    assert rig.session.submit([message(3)]) == 0


_commands = st.sampled_from([0x80000004, 0x5, 0x80000000, 0x15, 0x80000015, 0x6, 0x80000006, 0x80000009, 0x9, 0x103, 0xB, 0x102, 0xDEAD])
_pdus = st.builds(pdu.frame, _commands, st.integers(0, 0xFFFFFFFF), st.integers(0, 12), st.binary(max_size=60))


@given(st.lists(st.one_of(_pdus, st.binary(max_size=40)), max_size=8))
async def test_nothing_that_a_carrier_sends_raises(pieces: list[bytes]) -> None:
    rig = Rig()
    rig.session.submit([message(number) for number in range(5)])
    for piece in pieces:
        if not rig.transport.closed:
            rig.session.data_received(piece)
    rig.session.connection_lost(None)
    answered = [answer.submission.message_id for answer in rig.recorder.answers]
    assert sorted(answered) == list(range(5)), "each submission is answered exactly once"
