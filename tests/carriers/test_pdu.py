"""The codec against octets of other programs and of the specification, against itself, and against garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.carriers.smpp import pdu, status
from clarion.carriers.smpp.pdu import BindRequest, Malformed, Message
from clarion.core.states import Outcome

# SMPP 3.4, section 3.2.2, the sample PDU; then what npm `smpp` 0.5.1 and Python's `smpplib` 2.2.4 write.
BIND_OF_THE_SPECIFICATION = "0000002f000000020000000000000001534d50503354455354007365637265743038005355424d4954310000010100"
BIND_OF_NPM = "00000027000000090000000000000001636c6172696f6e0073656372657400564d410034000000"
SUBMIT_OF_NPM = (
    "0000003f000000040000000000000007000500434c4152494f4e000101323534373131323232333333000000000000010000000b48692000201b281b651b29"
)
SUBMIT_PART_OF_NPM = (
    "0000005400000004000000000000000800000132303838300001013235343731313232323333330040000000303030303031"
    "303230333034303030520001000800120500032a0201041f04400438043204350442"
)
DELIVER_OF_NPM = (
    "0000004f000000050000000000000003000101323534373131323232333333000500434c4152494f4e000400000000000000000000"
    "1e0005616263310004270001020423000303000502040002004d"
)
SUBMIT_OF_SMPPLIB = "00000039000000040000000000000003000500434c4152494f4e000101323534373131323232333333000000000000010000000548656c6c6f"


@pytest.mark.parametrize(
    ("octets", "sequence", "command", "request_"),
    [
        (BIND_OF_THE_SPECIFICATION, 1, pdu.BIND_TRANSMITTER, BindRequest("SMPP3TEST", "secret08", "SUBMIT1", 0, 1, 1, "")),
        (BIND_OF_NPM, 1, pdu.BIND_TRANSCEIVER, BindRequest("clarion", "secret", "VMA")),
    ],
)
def test_binds_of_others_both_ways(octets: str, sequence: int, command: int, request_: BindRequest) -> None:
    assert pdu.decode_bind(bytes.fromhex(octets)) == request_
    assert pdu.frame(command, 0, sequence, pdu.encode_bind(request_)).hex() == octets


@pytest.mark.parametrize(
    ("octets", "command", "sequence", "message"),
    [
        (
            SUBMIT_OF_NPM,
            pdu.SUBMIT_SM,
            7,
            Message("CLARION", "254711222333", b"Hi \0 \x1b(\x1be\x1b)", 0, 0, 1, 5, 0, 1, 1),
        ),
        (
            SUBMIT_PART_OF_NPM,
            pdu.SUBMIT_SM,
            8,
            Message(
                "20880",
                "254711222333",
                b"\x05\0\x03\x2a\x02\x01" + "Привет".encode("utf-16-be"),
                0x40,
                8,
                1,
                0,
                1,
                1,
                1,
                validity_period="000001020304000R",
            ),
        ),
        (
            DELIVER_OF_NPM,
            pdu.DELIVER_SM,
            3,
            Message(
                "254711222333",
                "CLARION",
                b"",
                4,
                0,
                0,
                1,
                1,
                5,
                0,
                parameters=pdu.encode_parameters({0x1E: b"abc1\0", 0x427: b"\x02", 0x423: b"\x03\0\x05", 0x204: b"\0\x4d"}),
            ),
        ),
        (SUBMIT_OF_SMPPLIB, pdu.SUBMIT_SM, 3, Message("CLARION", "254711222333", b"Hello", 0, 0, 1, 5, 0, 1, 1)),
    ],
)
def test_messages_of_others_both_ways(octets: str, command: int, sequence: int, message: Message) -> None:
    assert pdu.decode_message(bytes.fromhex(octets)) == message
    assert pdu.frame(command, 0, sequence, pdu.encode_message(message)).hex() == octets


@pytest.mark.parametrize(
    ("octets", "command", "command_status", "sequence"),
    [
        ("00000010000000150000000000000009", pdu.ENQUIRE_LINK, 0, 9),
        ("00000010800000000000000300000009", pdu.GENERIC_NACK, status.INVALID_COMMAND, 9),
        ("0000001000000006000000000000000a", pdu.UNBIND, 0, 10),
        ("00000010800000040000005800000007", pdu.SUBMIT_SM_RESP, status.THROTTLED, 7),
    ],
)
def test_headers_alone(octets: str, command: int, command_status: int, sequence: int) -> None:
    assert pdu.frame(command, command_status, sequence).hex() == octets


@pytest.mark.parametrize(
    ("body", "message_id"), [(b"00ABC\0", "00ABC"), (b"", ""), (b"\0", ""), (b"abc", "abc"), (b"7\0\x02\x10\0\x01\x34", "7")]
)
def test_message_ids_of_answers(body: bytes, message_id: str) -> None:
    assert pdu.message_id_of(pdu.frame(pdu.SUBMIT_SM_RESP, 0, 7, body)) == message_id


def _characters(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=most)


_octet = st.integers(0, 255)
_messages = st.builds(
    Message,
    source=_characters(20),
    destination=_characters(20),
    short_message=st.binary(max_size=254),
    esm_class=_octet,
    data_coding=_octet,
    registered_delivery=_octet,
    source_ton=_octet,
    source_npi=_octet,
    destination_ton=_octet,
    destination_npi=_octet,
    service_type=_characters(5),
    protocol_id=_octet,
    priority_flag=_octet,
    schedule_delivery_time=_characters(16),
    validity_period=_characters(16),
    replace_if_present=_octet,
    default_message_id=_octet,
    parameters=st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=300), max_size=4).map(pdu.encode_parameters),
)


@given(_messages, st.integers(0, pdu.SEQUENCE_MAX))
def test_what_was_written_is_read_again(message: Message, sequence: int) -> None:
    octets = pdu.frame(pdu.DELIVER_SM, 0, sequence, pdu.encode_message(message))
    assert pdu.HEADER.unpack_from(octets) == (len(octets), pdu.DELIVER_SM, 0, sequence)
    assert pdu.decode_message(octets) == message


@given(st.builds(BindRequest, _characters(15), _characters(8), _characters(12), _octet, _octet, _octet, _characters(40)))
def test_binds_are_read_again(request: BindRequest) -> None:
    assert pdu.decode_bind(pdu.frame(pdu.BIND_RECEIVER, 0, 1, pdu.encode_bind(request))) == request


@given(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=300)), st.binary(max_size=3))
def test_parameters_are_read_again_and_a_torn_tail_is_dropped(parameters: dict[int, bytes], tail: bytes) -> None:
    assert pdu.decode_parameters(pdu.encode_parameters(parameters) + tail) == parameters


def test_parameters_end_at_the_first_that_lies() -> None:
    assert pdu.decode_parameters(bytes.fromhex("001e0002616204270fff01")) == {0x1E: b"ab"}


@given(_messages, st.data())
def test_a_message_cut_anywhere_is_malformed_or_shorter(message: Message, data: st.DataObject) -> None:
    whole = pdu.frame(pdu.DELIVER_SM, 0, 1, pdu.encode_message(message))
    mandatory = len(whole) - len(message.parameters)
    cut = data.draw(st.integers(pdu.HEADER_OCTETS, len(whole)))
    read = pdu.decode_message(whole[:cut])
    if cut < mandatory:
        assert isinstance(read, Malformed)
    else:
        assert isinstance(read, Message)
        assert read.short_message == message.short_message


@given(st.binary(max_size=400))
def test_garbage_is_a_value_never_an_exception(octets: bytes) -> None:
    whole = pdu.frame(pdu.SUBMIT_SM, 0, 1, octets)
    assert isinstance(pdu.decode_message(whole), Message | Malformed)
    assert isinstance(pdu.decode_bind(whole), BindRequest | Malformed)
    assert isinstance(pdu.message_id_of(whole), str)


@pytest.mark.parametrize(
    "message",
    [
        Message(source="x" * 21),
        Message(destination="x" * 21),
        Message(short_message=b"x" * 255),
        Message(service_type="x" * 6),
        Message(validity_period="x" * 17),
        Message(source="a\0b"),
    ],
)
def test_what_does_not_fit_is_not_written(message: Message) -> None:
    with pytest.raises(ValueError, match="at most"):
        pdu.encode_message(message)


@pytest.mark.parametrize(
    ("command_status", "outcome", "words"),
    [
        (0x00, Outcome.SENT, "ESME_ROK (0x00000000)"),
        (0x08, Outcome.THROTTLED, "ESME_RSYSERR (0x00000008)"),
        (0x0B, Outcome.REFUSED, "ESME_RINVDSTADR (0x0000000b)"),
        (0x14, Outcome.THROTTLED, "ESME_RMSGQFUL (0x00000014)"),
        (0x45, Outcome.REFUSED, "ESME_RSUBMITFAIL (0x00000045)"),
        (0x58, Outcome.THROTTLED, "ESME_RTHROTTLED (0x00000058)"),
        (0xFF, Outcome.REFUSED, "ESME_RUNKNOWNERR (0x000000ff)"),
        (0x401, Outcome.REFUSED, "vendor status (0x00000401)"),
        (0x77777777, Outcome.REFUSED, "reserved status (0x77777777)"),
    ],
)
def test_what_a_status_does_to_a_submission(command_status: int, outcome: Outcome, words: str) -> None:
    assert status.outcome_of(command_status) is outcome
    assert status.describe(command_status) == words
