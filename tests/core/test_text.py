"""GSM-7, UCS-2 and segments."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clarion.core.text import (
    BASIC,
    EXTENSION,
    GSM7,
    UCS2,
    Size,
    decode_gsm7,
    decode_ucs2,
    encode_gsm7,
    encode_ucs2,
    measure,
    split,
)

BASIC_CHARACTERS = BASIC.replace("\x1b", "")
EXTENSION_CHARACTERS = "".join(EXTENSION.values())

gsm7_texts = st.text(st.sampled_from(BASIC_CHARACTERS + EXTENSION_CHARACTERS * 4), max_size=700)
long_gsm7_texts = st.builds(
    "".join,
    st.lists(st.one_of(st.integers(1, 160).map("a".__mul__), st.sampled_from(EXTENSION_CHARACTERS)), max_size=30),
)
whole_texts = st.one_of(
    gsm7_texts,
    long_gsm7_texts,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.text(st.sampled_from("aЖ😀€"), max_size=300),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Size(GSM7, 1, 0)),
        ("a" * 160, Size(GSM7, 1, 160)),
        ("a" * 161, Size(GSM7, 2, 161)),
        ("a" * 306, Size(GSM7, 2, 306)),
        ("a" * 307, Size(GSM7, 3, 307)),
        ("€" * 80, Size(GSM7, 1, 160)),
        ("€" * 81, Size(GSM7, 2, 162)),
        # 153 is odd: each part of pairs alone carries 76 of them, 152 septets.
        ("€" * 152, Size(GSM7, 2, 304)),
        ("€" * 153, Size(GSM7, 3, 306)),
        ("a" * 152 + "€" + "a" * 152, Size(GSM7, 3, 306)),
        ("a" * 151 + "€" + "a" * 153, Size(GSM7, 2, 306)),
        ("@£$¥ àéù ΔΦΓ", Size(GSM7, 1, 12)),
        ("à", Size(GSM7, 1, 1)),
        ("Ç", Size(GSM7, 1, 1)),
        ("ç", Size(UCS2, 1, 1)),
        ("€", Size(GSM7, 1, 2)),
        ("`", Size(UCS2, 1, 1)),
        ("\x1b", Size(UCS2, 1, 1)),
        ("\0", Size(UCS2, 1, 1)),
        ("\t", Size(UCS2, 1, 1)),
        ("line\r\nline", Size(GSM7, 1, 10)),
        ("\f", Size(GSM7, 1, 2)),
        ("ç" * 70, Size(UCS2, 1, 70)),
        ("ç" * 71, Size(UCS2, 2, 71)),
        ("ç" * 134, Size(UCS2, 2, 134)),
        ("ç" * 135, Size(UCS2, 3, 135)),
        ("😀" * 35, Size(UCS2, 1, 70)),
        ("😀" * 36, Size(UCS2, 2, 72)),
        # 67 is odd: each part of pairs alone carries 33 of them, 66 units.
        ("😀" * 66, Size(UCS2, 2, 132)),
        ("😀" * 67, Size(UCS2, 3, 134)),
        ("ç" * 66 + "😀" + "ç" * 66, Size(UCS2, 3, 134)),
        ("ç" * 65 + "😀" + "ç" * 67, Size(UCS2, 2, 134)),
        ("\ud83d", Size(UCS2, 1, 1)),
        ("\ud83d\ude00", Size(UCS2, 1, 2)),
    ],
)
def test_measure(text: str, expected: Size) -> None:
    assert measure(text) == expected


def test_an_escape_pair_at_the_border_goes_to_the_next_part() -> None:
    assert split("a" * 152 + "€" + "b" * 20, GSM7) == ["a" * 152, "€" + "b" * 20]
    assert split("a" * 151 + "€" + "b" * 20, GSM7) == ["a" * 151 + "€", "b" * 20]


def test_an_emoji_at_the_border_goes_to_the_next_part() -> None:
    assert split("ж" * 66 + "😀" + "я" * 20, UCS2) == ["ж" * 66, "😀" + "я" * 20]
    assert split("ж" * 65 + "😀" + "я" * 20, UCS2) == ["ж" * 65 + "😀", "я" * 20]


@given(whole_texts)
@example("a" * 152 + "€" * 77)
@example("ж" + "😀" * 70)
def test_parts_are_the_text_fit_and_are_counted(text: str) -> None:
    size = measure(text)
    parts = split(text, size.encoding)
    encode, width, alone, share = (encode_gsm7, 1, 160, 153) if size.encoding == GSM7 else (encode_ucs2, 2, 70, 67)
    lengths = [len(encode(part)) // width for part in parts]

    assert "".join(parts) == text
    assert size.segments == len(parts)
    assert size.units == sum(lengths)
    assert max(lengths) <= (alone if len(parts) == 1 else share)
    # Only a pair that did not fit leaves a unit free, and no part is empty but that of an empty text.
    assert all(length >= share - 1 for length in lengths[:-1])
    assert (lengths[-1] > 0) == (text != "")
    assert size.segments >= (1 if size.units <= alone else math.ceil(size.units / share))


@given(st.text(max_size=300))
def test_gsm7_is_exactly_its_alphabet(text: str) -> None:
    in_alphabet = set(text) <= set(BASIC_CHARACTERS + EXTENSION_CHARACTERS)
    assert (measure(text).encoding == GSM7) == in_alphabet
    if not in_alphabet:
        with pytest.raises(UnicodeEncodeError):
            encode_gsm7(text)


def test_the_table_of_the_standard() -> None:
    """Spot checks against 3GPP TS 23.038, so that a character moved in the table is noticed."""
    assert len(BASIC) == 128
    assert len(set(BASIC)) == 128
    septets = {"@": 0x00, "$": 0x02, "Ç": 0x09, "\n": 0x0A, "\r": 0x0D, "Δ": 0x10, "_": 0x11, "Ξ": 0x1A, "É": 0x1F, "¤": 0x24}
    septets |= {"¡": 0x40, "A": 0x41, "Z": 0x5A, "Ä": 0x5B, "§": 0x5F, "¿": 0x60, "a": 0x61, "z": 0x7A, "ä": 0x7B, "à": 0x7F}
    septets |= {" ": 0x20, "0": 0x30, "?": 0x3F, "£": 0x01, "¥": 0x03, "ß": 0x1E, "Å": 0x0E, "Ø": 0x0B}
    for character, septet in septets.items():
        assert encode_gsm7(character) == bytes([septet]), character
    assert encode_gsm7("^{}\\[~]|€\f") == bytes.fromhex("1b14 1b28 1b29 1b2f 1b3c 1b3d 1b3e 1b40 1b65 1b0a")


@pytest.mark.parametrize("character", BASIC_CHARACTERS + EXTENSION_CHARACTERS)
def test_every_character_comes_back(character: str) -> None:
    data = encode_gsm7(f"x{character}@")
    assert decode_gsm7(data) == f"x{character}@"
    assert measure(character) == Size(GSM7, 1, len(data) - 2)


@given(gsm7_texts)
def test_gsm7_comes_back(text: str) -> None:
    data = encode_gsm7(text)
    assert max(data, default=0) < 0x80
    assert decode_gsm7(data) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\x00A", "@A"),
        (b"\x1b", " "),
        (b"A\x1b\x1bB", "A B"),
        (b"\x1bA", "A"),  # nothing at 0x41 of the extension table: the basic character
        (b"\x1b\x00", "@"),
        (b"\x1b\x65", "€"),
        (b"\x80\xffA", "\ufffd\ufffdA"),
        (b"\x1b\xe5", " \ufffd"),
        (b"\x9b\x1b\x65", "\ufffd€"),
        (b"\x9b", "\ufffd"),
        (b"\xe5", "\ufffd"),
    ],
)
def test_decoding_gsm7_is_tolerant(data: bytes, text: str) -> None:
    assert decode_gsm7(data) == text


@given(st.binary(max_size=200))
def test_decoding_never_fails(data: bytes) -> None:
    decoded = decode_gsm7(data)
    assert len(decoded) <= len(data)
    assert set(decoded) <= set(BASIC_CHARACTERS + EXTENSION_CHARACTERS + "\ufffd")
    decode_ucs2(data).encode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_ucs2_comes_back(text: str) -> None:
    assert decode_ucs2(encode_ucs2(text)) == text


def test_surrogates_alone_are_replaced() -> None:
    assert encode_ucs2("a\ud83d\ude00b") == "a\ufffd\ufffdb".encode("utf-16-be")
    assert split("a\ud83d", UCS2) == ["a\ufffd"]
    assert decode_ucs2(b"\x00a\xd8\x3d") == "a\ufffd"
    assert decode_ucs2(b"\x00a\xd8\x3d\x00b") == "a\ufffdb"
    assert decode_ucs2(b"\x00a\x00") == "a\ufffd"


@given(st.text(st.characters(), max_size=300))
def test_any_text_measures_as_it_splits(text: str) -> None:
    size = measure(text)
    assert size.segments == len(split(text, size.encoding))


def test_a_text_that_is_not_gsm7_is_not_split_as_gsm7() -> None:
    with pytest.raises(UnicodeEncodeError):
        split("Ж", GSM7)
