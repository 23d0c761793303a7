"""Submissions as the PDUs that carry them."""

import pytest
from tests.carriers.recording import long_message, message

from clarion.carriers.interface import Submission
from clarion.carriers.smpp import parse_url, pdu
from clarion.carriers.smpp.pdu import Message
from clarion.carriers.smpp.submissions import SubmitEncoder, sender_address, validity_period
from clarion.core.text import measure

NOW = 1_700_000_000_000_000


def encoder_for(options: str = "") -> SubmitEncoder:
    return SubmitEncoder(parse_url(f"smpp://me@h?{options}"))


def encode(submission: Submission, options: str = "") -> Message:
    octets = encoder_for(options).encode(submission, 5, NOW)
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


@pytest.mark.parametrize("text", ["x" * 400, "€" * 200, "Ж" * 190, "😀" * 95, "x" * 459])
def test_sixteen_bit_references_where_no_part_more_is_needed(text: str) -> None:
    """459 septets are three parts of 153 and would be four of 152: those go with eight bits."""
    segments = measure(text).segments
    parts = long_message(0x1FE, text, "long=udh16")
    assert len(parts) == segments
    for number, part in enumerate(parts, 1):
        read = encode(part, "long=udh16")
        wide = text != "x" * 459
        header = bytes((6, 8, 4, 1, 0xFE, segments, number)) if wide else bytes((5, 0, 3, 0xFE, segments, number))
        assert read.short_message.startswith(header)
        assert (len(read.short_message) - len(header)) * (7 if read.data_coding == 0 else 8) <= (140 - len(header)) * 8
        assert read.esm_class == 0x40
    assert "".join(part.text for part in parts) == text


def test_sar_parameters_number_the_parts() -> None:
    for number, part in enumerate(long_message(0x1FE, "x" * 400, "long=sar"), 1):
        read = encode(part, "long=sar&umr=1")
        assert (read.esm_class, read.short_message) == (0, part.text.encode())
        assert pdu.decode_parameters(read.parameters) == {
            pdu.SAR_REFERENCE: b"\x01\xfe",
            pdu.SAR_TOTAL: b"\3",
            pdu.SAR_PART: bytes([number]),
            pdu.USER_MESSAGE_REFERENCE: b"\x01\xfe",
        }
    assert encode(message(1), "long=sar").parameters == b""


@pytest.mark.parametrize(
    ("text", "in_payload"), [("x" * 160, False), ("x" * 161, True), ("Ж" * 70, False), ("Ж" * 71, True), ("Ж" * 600, True), ("Hi", False)]
)
def test_a_payload_holds_what_is_longer_than_a_segment(text: str, in_payload: bool) -> None:
    (whole,) = long_message(1, text, "long=payload")
    read = encode(whole, "long=payload")
    octets = text.encode("utf-16-be" if "Ж" in text else "ascii")
    assert read.esm_class == 0
    assert read.short_message == (b"" if in_payload else octets)
    assert pdu.decode_parameters(read.parameters) == ({pdu.MESSAGE_PAYLOAD: octets} if in_payload else {})


@pytest.mark.parametrize(
    ("text", "alphabet", "coding", "octets"),
    [
        ("Hi @ é {", "latin1", 0, "Hi @ é {".encode("latin-1")),
        ("Hi @ {", "ascii", 0, b"Hi @ {"),
        ("Hi é", "ascii", 3, b"Hi \xe9"),
        ("5 €", "latin1", 8, "5 €".encode("utf-16-be")),
        ("5 €", "ascii", 8, "5 €".encode("utf-16-be")),
        ("Δ" * 70, "latin1", 8, ("Δ" * 70).encode("utf-16-be")),
        ("Привет", "latin1", 8, "Привет".encode("utf-16-be")),
        ("çê", "latin1", 8, "çê".encode("utf-16-be")),  # counted in UCS-2, and sent so
    ],
)
def test_a_carriers_own_alphabet(text: str, alphabet: str, coding: int, octets: bytes) -> None:
    read = encode(message(1, text), f"alphabet={alphabet}")
    assert (read.data_coding, read.short_message) == (coding, octets)


@pytest.mark.parametrize("text", ["Δ" * 71, "Δ" * 160, "Δ" * 161 + "x" * 100, "x" * 200 + "€"])
@pytest.mark.parametrize("long", ["udh8", "udh16", "sar", "payload"])
def test_what_would_cost_more_in_ucs2_is_refused_whole(text: str, long: str) -> None:
    options = f"alphabet=latin1&long={long}"
    (whole,) = long_message(1, text, options)
    with pytest.raises(ValueError, match="the carrier's alphabet, latin1, cannot write this text, and UCS-2 takes more segments"):
        encode(whole, options)


def test_what_costs_no_more_in_ucs2_goes_so() -> None:
    text = "€" * 100  # 200 septets or 100 units: two segments either way
    parts = long_message(1, text, "alphabet=latin1")
    read = [encode(part, "alphabet=latin1") for part in parts]
    assert [each.data_coding for each in read] == [8, 8]
    assert b"".join(each.short_message[6:] for each in read).decode("utf-16-be") == text


@pytest.mark.parametrize(
    ("options", "sender", "source", "destination"),
    [
        ("source_ton=3&source_npi=8", "20880", (3, 8), (1, 1)),
        ("source_ton=3&source_npi=8", "+254712345678", (3, 8), (1, 1)),
        ("source_ton=0", "254712345678", (0, 1), (1, 1)),
        ("source_ton=3&source_npi=8", "CLARION", (5, 0), (1, 1)),
        ("source_ton=3&source_npi=8", "", (0, 0), (1, 1)),
        ("dest_ton=2&dest_npi=0", "CLARION", (5, 0), (2, 0)),
    ],
)
def test_the_types_of_addresses_can_be_set(options: str, sender: str, source: tuple[int, int], destination: tuple[int, int]) -> None:
    read = encode(message(1, sender=sender), options)
    assert (read.source_ton, read.source_npi) == source
    assert (read.destination_ton, read.destination_npi) == destination


def test_a_receipt_for_the_last_part_alone() -> None:
    parts = long_message(1, "x" * 400, "receipt=last")
    assert [encode(part, "receipt=last").registered_delivery for part in parts] == [0, 0, 1]
    assert [encode(part).registered_delivery for part in parts] == [1, 1, 1]
    assert encode(message(1), "receipt=last").registered_delivery == 1


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
    assert encode(message(1, sender=""), options="sender=20880").source == "20880"
    assert encode(message(1), options="sender=20880").source == "CLARION"


@pytest.mark.parametrize(
    ("in_s", "period"),
    [(None, ""), (90, "000000000130000R"), (86_400 + 3_661, "000001010101000R"), (-5, "000000000001000R"), (10**9, "000030000000000R")],
)
def test_validity_is_relative(in_s: int | None, period: str) -> None:
    expires_at = None if in_s is None else NOW + in_s * 1_000_000
    assert encode(message(1, expires_at=expires_at)).validity_period == period
    assert validity_period(0) == b""


def test_our_own_reference_goes_along_where_it_is_asked_for() -> None:
    assert pdu.decode_parameters(encode(message(0x12345), options="umr=1").parameters) == {pdu.USER_MESSAGE_REFERENCE: b"\x23\x45"}
    assert encode(message(0x12345)).parameters == b""


@pytest.mark.parametrize(
    "submission", [message(1, sender="x" * 21), message(1, sender="Café"), message(1, "x" * 300), message(1, "Ж", encoding="gsm7")]
)
def test_what_no_submit_can_carry(submission: Submission) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encoder_for().encode(submission, 5, NOW)


def test_what_is_remembered_between_messages_is_theirs_alone() -> None:
    encoder = encoder_for()
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
        fresh = encoder_for()
        assert encoder.encode(submission, 9, NOW) == fresh.encode(submission, 9, NOW)


def test_memory_of_senders_and_tails_is_bounded() -> None:
    encoder = encoder_for()
    for number in range(3_000):
        encoder.encode(message(number, sender=f"S{number}", expires_at=NOW + number * 1_000_000), 1, NOW)
    assert len(encoder._heads) <= 1_024
    assert len(encoder._tails) <= 1_024
