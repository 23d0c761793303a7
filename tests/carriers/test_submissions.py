"""Submissions as the PDUs that carry them."""

import pytest
from tests.carriers.recording import long_message, message

from clarion.carriers.interface import Submission
from clarion.carriers.smpp import pdu
from clarion.carriers.smpp.pdu import Message
from clarion.carriers.smpp.submissions import SubmitEncoder, sender_address, validity_period

NOW = 1_700_000_000_000_000


def encode(submission: Submission, sender: str = "", *, umr: bool = False) -> Message:
    octets = SubmitEncoder(sender, user_message_reference=umr).encode(submission, 5, NOW)
    assert pdu.HEADER.unpack_from(octets) == (len(octets), pdu.SUBMIT_SM, 0, 5)
    read = pdu.decode_message(octets)
    assert isinstance(read, Message)
    return read


def test_a_plain_message() -> None:
    assert encode(message(1, "Hi @")) == Message("CLARION", "254700000001", b"Hi \0", 0, 0, 1, 5, 0, 1, 1)


def test_a_message_in_ucs2() -> None:
    read = encode(message(1, "Привет"))
    assert (read.data_coding, read.short_message) == (8, "Привет".encode("utf-16-be"))


@pytest.mark.parametrize("text", ["x" * 400, "€" * 200, "Ж" * 200, "😀" * 100])
def test_the_parts_of_a_long_message(text: str) -> None:
    parts = long_message(0x1FE, text)
    for number, part in enumerate(parts, 1):
        read = encode(part)
        assert read.esm_class == 0x40
        assert read.short_message[:6] == bytes((5, 0, 3, 0xFE, len(parts), number))
        assert len(read.short_message) <= 140 + (20 if read.data_coding == 0 else 0)


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("CLARION", (5, 0, b"CLARION")),
        ("My Shop 1", (5, 0, b"My Shop 1")),
        ("20880", (0, 1, b"20880")),
        ("0712345678", (0, 1, b"0712345678")),
        ("254712345678", (1, 1, b"254712345678")),
        ("+254712345678", (1, 1, b"254712345678")),
        ("+20880", (1, 1, b"20880")),
        ("+CLARION", (5, 0, b"+CLARION")),
        ("", (0, 0, b"")),
    ],
)
def test_the_type_of_a_sender(sender: str, address: tuple[int, int, bytes]) -> None:
    assert sender_address(sender) == address
    read = encode(message(1, sender=sender))
    assert (read.source_ton, read.source_npi, read.source.encode()) == address


def test_the_carriers_sender_stands_in_for_none() -> None:
    assert encode(message(1, sender=""), sender="20880").source == "20880"
    assert encode(message(1), sender="20880").source == "CLARION"


@pytest.mark.parametrize(
    ("in_s", "period"),
    [(None, ""), (90, "000000000130000R"), (86_400 + 3_661, "000001010101000R"), (-5, "000000000001000R"), (10**9, "000030000000000R")],
)
def test_validity_is_relative(in_s: int | None, period: str) -> None:
    expires_at = None if in_s is None else NOW + in_s * 1_000_000
    assert encode(message(1, expires_at=expires_at)).validity_period == period
    assert validity_period(0) == b""


def test_our_own_reference_goes_along_where_it_is_asked_for() -> None:
    assert pdu.decode_parameters(encode(message(0x12345), umr=True).parameters) == {pdu.USER_MESSAGE_REFERENCE: b"\x23\x45"}
    assert encode(message(0x12345)).parameters == b""


@pytest.mark.parametrize(
    "submission", [message(1, sender="x" * 21), message(1, sender="Café"), message(1, "x" * 300), message(1, "Ж", encoding="gsm7")]
)
def test_what_no_submit_can_carry(submission: Submission) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SubmitEncoder("", user_message_reference=False).encode(submission, 5, NOW)


def test_what_is_remembered_between_messages_is_theirs_alone() -> None:
    encoder = SubmitEncoder("", user_message_reference=False)
    submissions = [
        message(1, "Hi"),
        message(2, "Hi", sender="20880"),
        message(3, "Ж"),
        message(4, "Hi", encoding="ucs2"),
        message(5, "Hi", expires_at=NOW + 60_000_000),
        *long_message(6, "x" * 200),
        message(7, "Hi"),
    ]
    for submission in submissions * 2:
        fresh = SubmitEncoder("", user_message_reference=False)
        assert encoder.encode(submission, 9, NOW) == fresh.encode(submission, 9, NOW)


def test_memory_of_senders_and_tails_is_bounded() -> None:
    encoder = SubmitEncoder("", user_message_reference=False)
    for number in range(3_000):
        encoder.encode(message(number, sender=f"S{number}", expires_at=NOW + number * 1_000_000), 1, NOW)
    assert len(encoder._heads) <= 1_024
    assert len(encoder._tails) <= 1_024
