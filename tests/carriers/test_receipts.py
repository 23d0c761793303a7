"""Receipts and inbound texts in the shapes that carriers give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from clarion.carriers.interface import InboundText, Receipt
from clarion.carriers.smpp import pdu
from clarion.carriers.smpp.pdu import Malformed, Message
from clarion.carriers.smpp.receipts import decode_delivery, decode_text, normalise_reference
from clarion.core.text import encode_gsm7

FULL = "id:{} sub:001 dlvrd:001 submit date:2611230101 done date:2611230102 stat:{} err:{} text:Hello"
# What Python's `smpplib` 2.2.4 writes.
RECEIPT_OF_SMPPLIB = (
    "0000009c000000050000000000000004000101323534373131323232333333000500434c4152494f4e000400000000000000006869643a30303030414243"
    "207375623a30303120646c7672643a303030207375626d697420646174653a3236313132333031303120646f6e6520646174653a32363131323330313032"
    "20737461743a554e44454c4956206572723a30333420746578743a48656c6c6f"
)


def read(
    text: bytes | str, parameters: dict[int, bytes] | None = None, esm_class: int = 4, data_coding: int = 0
) -> Receipt | InboundText | Malformed:
    octets = text.encode("latin-1") if isinstance(text, str) else text
    message = Message("254711222333", "CLARION", octets, esm_class, data_coding, parameters=pdu.encode_parameters(parameters or {}))
    return decode_delivery(pdu.frame(pdu.DELIVER_SM, 0, 9, pdu.encode_message(message)), 9)


@pytest.mark.parametrize(
    ("text", "reference", "state", "reason"),
    [
        (FULL.format("1234", "DELIVRD", "000"), "1234", "delivered", ""),
        (FULL.format("0000ABCDEF", "DELIVRD", "000"), "abcdef", "delivered", ""),
        (FULL.format("0000", "DELIVRD", "000"), "0", "delivered", ""),
        (FULL.format("1234", "UNDELIV", "034"), "1234", "undelivered", "UNDELIV err:034"),
        (FULL.format("1234", "EXPIRED", "027"), "1234", "undelivered", "EXPIRED err:027"),
        (FULL.format("1234", "DELETED", "001"), "1234", "undelivered", "DELETED err:001"),
        (FULL.format("1234", "REJECTD", "069"), "1234", "undelivered", "REJECTD err:069"),
        (FULL.format("1234", "ENROUTE", "000"), "1234", "", "ENROUTE err:000"),
        (FULL.format("1234", "ACCEPTD", "000"), "1234", "", "ACCEPTD err:000"),
        (FULL.format("1234", "UNKNOWN", "000"), "1234", "", "UNKNOWN err:000"),
        (FULL.format("1234", "FAILED", "12"), "1234", "undelivered", "FAILED err:12"),
        (FULL.format("1234", "SKIPPED", "0"), "1234", "undelivered", "SKIPPED err:0"),
        ("id:77 stat:FAIL", "77", "undelivered", "FAIL"),
        (FULL.format("1234", "Delivered", "0"), "1234", "delivered", ""),
        (FULL.format("1234", "undelivered", "12"), "1234", "undelivered", "UNDELIVERED err:12"),
        (FULL.format("9f0e8c7a-1b2c-4d5e-8f90-a1b2c3d4e5f6", "DELIVRD", ""), "9f0e8c7a-1b2c-4d5e-8f90-a1b2c3d4e5f6", "delivered", ""),
        ("ID:77 STAT:DELIVRD", "77", "delivered", ""),
        ("stat:UNDELIV err:5 id:77", "77", "undelivered", "UNDELIV err:5"),
        ("err:011 done date:2611230102 stat:REJECTD sub:001 id:0a1b", "a1b", "undelivered", "REJECTD err:011"),
        ("id: 77 sub: 001 dlvrd: 001 submit date: 2611230101 done date: 2611230102 stat: DELIVRD err: 000 text: x", "77", "delivered", ""),
        ("id:77, stat:UNDELIV, err:1", "77", "undelivered", "UNDELIV err:1"),
        ("id:77\nstat:UNDELIV\nerr:1", "77", "undelivered", "UNDELIV err:1"),
        ("id:77 submit_date:2611230101 done_date:2611230102 stat:DELIVRD", "77", "delivered", ""),
        ("id:77 sub:001 dlvrd:001 submit date:20261123010101 done date:2611230102 stat:DELIVRD err:000 Text:", "77", "delivered", ""),
        ("id:77 stat:DELIVRD err:000 text:id:99 stat:UNDELIV err:1", "77", "delivered", ""),
        ("id:77 stat:UNDELIV text:err:9", "77", "undelivered", "UNDELIV"),
        ("stat:DELIVRD", "", "delivered", ""),
        ("id:77", "77", "", ""),
        ("id: stat: err:", "", "", ""),
        ("id:77 stat:SOMETHING err:9", "77", "", "SOMETHING err:9"),
        ("", "", "", ""),
        ("nothing of a receipt", "", "", ""),
    ],
)
def test_receipts_as_text(text: str, reference: str, state: str, reason: str) -> None:
    for parameters in ({}, {0x1401: b"vendor"}):
        receipt = read(text, parameters)
        assert isinstance(receipt, Receipt)
        assert (receipt.reference, receipt.state, receipt.user_message_reference) == (reference, state, -1)
        assert receipt.reason.upper() == reason.upper()
        assert (receipt.recipient, receipt.sender, receipt.sequence) == ("254711222333", "CLARION", 9)


@pytest.mark.parametrize(
    ("text", "parameters", "esm_class", "expected"),
    [
        ("", {0x1E: b"00AB\0", 0x427: b"\x02"}, 4, ("ab", "delivered", "", -1)),
        ("", {0x1E: b"00AB", 0x427: b"\x05", 0x423: b"\x03\x00\x22"}, 4, ("ab", "undelivered", "UNDELIV err:34", -1)),
        ("", {0x1E: b"1\0", 0x427: b"\x03"}, 4, ("1", "undelivered", "EXPIRED", -1)),
        ("", {0x1E: b"1\0", 0x427: b"\x08", 0x204: b"\x12\x34"}, 4, ("1", "undelivered", "REJECTD", 0x1234)),
        ("", {0x1E: b"1\0", 0x427: b"\x06"}, 4, ("1", "", "ACCEPTD", -1)),
        ("", {0x1E: b"1\0", 0x427: b"\x07"}, 4, ("1", "", "UNKNOWN", -1)),
        ("", {0x1E: b"1\0", 0x427: b"\x09"}, 4, ("1", "undelivered", "SKIPPED", -1)),
        ("", {0x1E: b"1\0", 0x427: b"\x63"}, 4, ("1", "", "message_state 99", -1)),
        (FULL.format("99", "UNDELIV", "7"), {0x427: b"\x63"}, 4, ("99", "undelivered", "UNDELIV err:7", -1)),
        (FULL.format("99", "UNDELIV", "7"), {0x1E: b"1\0", 0x427: b"\x05"}, 4, ("1", "undelivered", "UNDELIV err:7", -1)),
        (FULL.format("99", "DELIVRD", "0"), {0x204: b"\0\x07"}, 4, ("99", "delivered", "", 7)),
        ("", {0x1E: b"1\0", 0x427: b"\x02"}, 0, ("1", "delivered", "", -1)),  # some leave esm_class at 0
        (FULL.format("99", "DELIVRD", "0"), {}, 0x20, ("99", "", "DELIVRD err:0", -1)),  # an intermediate notification is no end
        (FULL.format("99", "ENROUTE", "0"), {}, 0x20, ("99", "", "ENROUTE err:0", -1)),
        ("", {0x424: FULL.format("99", "UNDELIV", "7").encode()}, 4, ("99", "undelivered", "UNDELIV err:7", -1)),
        (b"\x05\0\x03\x01\x01\x01" + FULL.format("99", "UNDELIV", "7").encode(), {}, 0x44, ("99", "undelivered", "UNDELIV err:7", -1)),
    ],
)
def test_receipts_by_parameters(
    text: str | bytes, parameters: dict[int, bytes], esm_class: int, expected: tuple[str, str, str, int]
) -> None:
    receipt = read(text, parameters, esm_class)
    assert isinstance(receipt, Receipt)
    assert (receipt.reference, receipt.state, receipt.reason, receipt.user_message_reference) == expected


@pytest.mark.parametrize("data_coding", [0, 1, 3, 4, 8, 0xF0])
def test_receipts_in_any_data_coding(data_coding: int) -> None:
    text = FULL.format("1234", "UNDELIV", "034")
    receipt = read(text[:60].encode("utf-16-be") if data_coding == 8 else text.encode(), data_coding=data_coding)
    assert isinstance(receipt, Receipt)
    assert receipt.reference == "1234"
    assert data_coding == 8 or receipt.reason == "UNDELIV err:034"


def test_a_receipt_of_another_program() -> None:
    octets = bytes.fromhex(RECEIPT_OF_SMPPLIB)
    assert decode_delivery(octets, 4) == Receipt("abc", "254711222333", "CLARION", "undelivered", "UNDELIV err:034", -1, octets, 4)


@pytest.mark.parametrize(("written", "stored"), [("", ""), ("0", "0"), ("000", "0"), ("00Ab0", "ab0"), ("ABC", "abc"), ("-0", "-0")])
def test_references_are_stored_in_one_form(written: str, stored: str) -> None:
    assert normalise_reference(written) == stored
    assert normalise_reference(stored) == stored


@pytest.mark.parametrize(
    ("octets", "data_coding", "text"),
    [
        (encode_gsm7("Hi @ {€} ñ"), 0, "Hi @ {€} ñ"),
        (encode_gsm7("Hi @"), 0xF1, "Hi @"),
        (encode_gsm7("Hi @"), 0xC8, "Hi @"),
        ("Привет 😀".encode("utf-16-be"), 8, "Привет 😀"),
        ("Привет".encode("utf-16-be"), 0xE0, "Привет"),
        (b"caf\xe9 @", 3, "café @"),
        (b"plain @_", 1, "plain @_"),
        (b"\x01\xff\x80", 4, "\x01\xff\x80"),
        (b"\x00\xff", 0xF5, "\ufffd\xff"),
        (b"a\0b\0\0", 3, "a\ufffdb"),
        (b"STOP\0", 1, "STOP"),
        ("a\0b\0".encode("utf-16-be"), 8, "a\ufffdb"),
    ],
)
def test_inbound_texts_by_data_coding(octets: bytes, data_coding: int, text: str) -> None:
    assert decode_text(octets, data_coding) == text
    inbound = read(octets, esm_class=0, data_coding=data_coding)
    assert inbound == InboundText(9, "254711222333", "CLARION", text, data_coding, octets)
    assert read(b"", {0x424: octets}, 0, data_coding) == inbound


@pytest.mark.parametrize(("alphabet", "text"), [("gsm7", "¿§"), ("latin1", "`_"), ("ascii", "`_")])
def test_data_coding_0_is_the_carriers_own_alphabet(alphabet: str, text: str) -> None:
    """The same octets; only 0 is the carrier's to define."""
    for data_coding, expected in ((0, text), (3, "`_"), (0xF0, "¿§")):
        octets = pdu.encode_message(Message("1", "2", b"`_", 0, data_coding))
        inbound = decode_delivery(pdu.frame(pdu.DELIVER_SM, 0, 9, octets), 9, alphabet)
        assert isinstance(inbound, InboundText)
        assert (inbound.text, inbound.raw) == (expected, b"`_")


@pytest.mark.parametrize(
    ("header", "parameters", "part", "parts", "reference"),
    [
        ("050003fe0302", {}, 2, 3, 0xFE),
        ("0608041234 0302".replace(" ", ""), {}, 2, 3, 0x1234),
        ("0b05041b00000000032a0201", {}, 1, 2, 0x2A),  # behind a port element
        ("04050300 01".replace(" ", ""), {}, 1, 1, 0),  # no concatenation
        ("050003fe0300", {}, 1, 1, 0),  # part 0 of 3
        ("050003fe0304", {}, 1, 1, 0),  # part 4 of 3
        ("ff0003fe", {}, 1, 1, 0),  # longer than the message
        ("", {0x20C: b"\x01\x02", 0x20E: b"\x03", 0x20F: b"\x02"}, 2, 3, 0x102),
        ("", {0x20E: b"\x03", 0x20F: b"\x02"}, 1, 1, 0),  # SAR without its reference
    ],
)
def test_parts_of_long_inbound_texts(header: str, parameters: dict[int, bytes], part: int, parts: int, reference: int) -> None:
    octets = bytes.fromhex(header) + b"Hi"
    inbound = read(octets, parameters, 0x40 if header else 0)
    assert isinstance(inbound, InboundText)
    assert (inbound.part, inbound.parts, inbound.part_reference) == (part, parts, reference)
    assert inbound.raw == octets
    assert inbound.text == ("" if header.startswith("ff") else "Hi")


@pytest.mark.parametrize("data_coding", [0, 8])
@pytest.mark.parametrize("text", ["id:77 stat:UNDELIV err:5\0", "id:77\0stat:UNDELIV\0err:5", "\0id:\x0077\0 stat:UNDELIV err:5\0 text:\0"])
def test_zeros_in_a_receipt_end_its_fields(text: str, data_coding: int) -> None:
    receipt = read(text.encode("utf-16-be" if data_coding == 8 else "latin-1"), data_coding=data_coding)
    assert isinstance(receipt, Receipt)
    assert (receipt.reference, receipt.state, receipt.reason) == ("77", "undelivered", "UNDELIV err:5")


def test_nothing_that_a_carrier_writes_grows_without_end() -> None:
    """A reference shows that it was too long; the others are cut."""
    long = "7" * 5_000
    octets = {0x424: f"id:{long} stat:UNDELIV{'A' * 5_000} err:{long}".encode()}
    message = Message("2" * 20, "3" * 20, b"", 4, parameters=pdu.encode_parameters(octets))
    whole = pdu.encode_message(message).replace(b"2" * 20, b"2" * 200).replace(b"3" * 20, b"3" * 200)
    receipt = decode_delivery(pdu.frame(pdu.DELIVER_SM, 0, 9, whole), 9)
    assert isinstance(receipt, Receipt)
    assert (receipt.reference, receipt.recipient, receipt.sender) == ("7" * 65, "2" * 64, "3" * 64)
    assert receipt.reason == f"UNDELIV{'A' * 25} err:{'7' * 32}"
    assert normalise_reference(long) == normalise_reference(normalise_reference(long)) == "7" * 65


def test_sar_parameters_of_more_parts_than_an_octet_counts_are_none() -> None:
    inbound = read(b"Hi", {0x20C: b"\1\2", 0x20E: b"\xff\xff", 0x20F: b"\xf0\0"}, 0)
    assert isinstance(inbound, InboundText)
    assert (inbound.part, inbound.parts) == (1, 1)


def test_what_looks_like_a_receipt_but_is_sent_by_a_phone_is_a_text() -> None:
    assert isinstance(read(FULL.format("1234", "DELIVRD", "000"), esm_class=0), InboundText)


@pytest.mark.parametrize("text", ["Yes please", "1", ""])
def test_a_text_beside_an_id_is_a_text(text: str) -> None:
    """Kannel's test SMSC puts a receipted_message_id into what phones send; without a state nobody could use it as a receipt."""
    inbound = read(text, {0x1E: b"77\0"}, esm_class=0)
    assert isinstance(inbound, InboundText)
    assert inbound.text == text
    assert isinstance(read("id:77 stat:DELIVRD", {0x1E: b"77\0"}, esm_class=0), Receipt)
    assert isinstance(read("", {0x1E: b"77\0"}), Receipt)


def test_a_delivery_that_lies_about_its_length_is_malformed() -> None:
    octets = bytearray(pdu.frame(pdu.DELIVER_SM, 0, 9, pdu.encode_message(Message("1", "2", b"Hi", 4))))
    octets[-3] = 200
    assert isinstance(decode_delivery(bytes(octets), 9), Malformed)


@given(st.binary(max_size=254), st.binary(max_size=80), st.integers(0, 255), st.integers(0, 255))
def test_no_delivery_raises(text: bytes, parameters: bytes, esm_class: int, data_coding: int) -> None:
    message = Message("1", "2", text, esm_class, data_coding, parameters=parameters)
    delivery = decode_delivery(pdu.frame(pdu.DELIVER_SM, 0, 9, pdu.encode_message(message)), 9)
    assert isinstance(delivery, Receipt | InboundText)
    assert not any("\0" in value for value in (astuple(delivery) if isinstance(delivery, Receipt) else delivery) if isinstance(value, str))


@given(st.text(st.sampled_from("id:stat err\n text:sub0123DELIVRD"), max_size=120))
def test_no_receipt_text_raises(text: str) -> None:
    receipt = read(text)
    assert isinstance(receipt, Receipt)
    assert receipt.state in {"", "delivered", "undelivered"}
