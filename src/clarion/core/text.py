"""The two alphabets of SMS and how a text is cut into segments (3GPP TS 23.038 6.2.1, 3GPP TS 23.040 9.2.3.24)."""

import codecs
import re
from typing import NamedTuple

GSM7 = "gsm7"
UCS2 = "ucs2"

# 3GPP TS 23.038 6.2.1: the character of each septet. 0x1B is the escape to the extension table and no character of its own.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# 3GPP TS 23.038 6.2.1.1: the character of each septet behind an escape. The form feed is its page break.
EXTENSION = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}

ESCAPE = 0x1B
REPLACEMENT = "\ufffd"


class Size(NamedTuple):
    """What a text takes on the air: `units` are septets (an extension character takes two) or UTF-16 units."""

    encoding: str
    segments: int
    units: int


def measure(text: str) -> Size:
    """The encoding a text needs and its segments. Only a text of GSM-7 characters alone is `gsm7`; a lone surrogate is `ucs2`."""
    if len(text) <= _GSM7_CUT.alone and _ALL_BASIC(text):
        return _GSM7_ALONE[len(text)]
    try:
        page = _paged(text)
    except UnicodeEncodeError:
        data = encode_ucs2(text)
        units = len(data) // 2
        return _UCS2_ALONE[units] if len(data) <= _UCS2_CUT.alone else Size(UCS2, len(_cut(data, _UCS2_CUT)), units)
    units = len(page) + len(page.translate(None, _BASIC_OCTETS))
    return _GSM7_ALONE[units] if units <= _GSM7_CUT.alone else Size(GSM7, len(_cut(_septets(page), _GSM7_CUT)), units)


def split(text: str, encoding: str, *, wide: bool = False) -> list[str]:
    """The parts of a text, in order: as many as `measure` counts. No part cuts an escape pair or a surrogate pair.

    `wide` leaves room for a header with a 16-bit reference in each, by which the parts may be one more. Raises UnicodeEncodeError if the
    encoding is `gsm7` and the text is not. A lone surrogate comes out as U+FFFD, as it is sent.
    """
    if encoding == GSM7:
        return [decode_gsm7(part) for part in _cut(encode_gsm7(text), _GSM7_WIDE if wide else _GSM7_CUT)]
    return [decode_ucs2(part) for part in _cut(encode_ucs2(text), _UCS2_WIDE if wide else _UCS2_CUT)]


def encode_gsm7(text: str) -> bytes:
    """One septet an octet, unpacked, as SMPP carries data_coding 0. Raises UnicodeEncodeError on a character GSM-7 does not have."""
    return _septets(_paged(text))


def decode_gsm7(data: bytes) -> str:
    """Septets, one an octet, as text. Never fails.

    As TS 23.038 6.2.1.1 asks of a receiver, an escape before a septet that the extension table leaves empty is passed over, and
    a second escape, or one with nothing behind it, is a space. An octet above 0x7F is no septet and becomes U+FFFD.
    """
    if ESCAPE in data or not data.isascii():
        data = _ESCAPED.sub(_page_octet, data)
    return codecs.charmap_decode(data, "strict", _DECODING_TABLE)[0]


def encode_ucs2(text: str) -> bytes:
    """UTF-16, big end first, as SMPP carries data_coding 8. A lone surrogate is sent as U+FFFD."""
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError:
        return _SURROGATE.sub(REPLACEMENT, text).encode("utf-16-be")


def decode_ucs2(data: bytes) -> str:
    """UTF-16, big end first, as text. Never fails: half a pair or half a unit becomes U+FFFD."""
    return data.decode("utf-16-be", "replace")


class _Cut(NamedTuple):
    """How many octets a message of one part and a part of several hold, and which octets begin a pair of units."""

    alone: int
    share: int
    width: int
    pair_heads: frozenset[int]


# 140 octets are 160 septets or 70 UTF-16 units; the 6 octets of a header with an 8-bit reference leave 153 or 67.
_GSM7_CUT = _Cut(alone=160, share=153, width=1, pair_heads=frozenset({ESCAPE}))
_UCS2_CUT = _Cut(alone=140, share=134, width=2, pair_heads=frozenset(range(0xD8, 0xDC)))

# The 7 octets of a header with a 16-bit reference leave 152 or 66.
_GSM7_WIDE = _GSM7_CUT._replace(share=152)
_UCS2_WIDE = _UCS2_CUT._replace(share=132)

# Most texts are one segment, most of those of basic characters alone: no more is done for them than must be.
_GSM7_ALONE = tuple(Size(GSM7, 1, units) for units in range(161))
_UCS2_ALONE = tuple(Size(UCS2, 1, units) for units in range(71))
_ALL_BASIC = re.compile("[" + re.escape(BASIC.replace("\x1b", "")) + "]*").fullmatch


def _cut(data: bytes, cut: _Cut) -> list[bytes]:
    if len(data) <= cut.alone:
        return [data]
    parts = []
    start = 0
    while start < len(data):
        end = start + cut.share
        if end < len(data) and data[end - cut.width] in cut.pair_heads:
            end -= cut.width
        parts.append(data[start:end])
        start = end
    return parts


# Inside, a text passes through a code page of one octet a character, for which Python has a coder in C: a basic character at its
# septet, an extension character at its septet + 0x80. That coder is quick only if 0 stands for U+0000, so `@` lives at
# escape + 0x80, which no extension character can have, and a 0 in the page is a U+0000, which GSM-7 does not know.
_ABOVE = 0x80
_AT = _ABOVE | ESCAPE
_PAGE = {septet: character for septet, character in enumerate(BASIC) if septet not in {0, ESCAPE}}
_PAGE |= {_ABOVE | septet: character for septet, character in EXTENSION.items()}
_PAGE |= {0: "\0", _AT: "@"}
_UNDEFINED = "\ufffe"
_ENCODING_MAP = codecs.charmap_build("".join(_PAGE.get(octet, _UNDEFINED) for octet in range(256)))

_BASIC_OCTETS = bytes({*range(_ABOVE), _AT})
_SEPTETS = [(bytes([_AT]), b"\0"), *((bytes([_ABOVE | septet]), bytes([ESCAPE, septet])) for septet in EXTENSION)]


def _paged(text: str) -> bytes:
    page = codecs.charmap_encode(text, "strict", _ENCODING_MAP)[0]
    if 0 in page:
        place = page.index(0)
        raise UnicodeEncodeError(GSM7, text, place, place + 1, "character maps to <undefined>")
    return page


def _septets(page: bytes) -> bytes:
    if not page.isascii():
        # Eleven searches that mostly find nothing take half the time of one expression with a function.
        for octet, septets in _SEPTETS:
            page = page.replace(octet, septets)
    return page


# Decoding uses the same page but for `@`, whose septet needs no detour; an escape that leads nowhere has been made a space by then.
_DECODING_TABLE = "".join(BASIC[0] if octet == 0 else _PAGE.get(octet, REPLACEMENT) for octet in range(256))
_ESCAPED = re.compile(rb"\x1b([\x00-\x7f]?)|[\x80-\xff]")
_NO_SEPTET = b"\xff"


def _page_octet(found: re.Match[bytes]) -> bytes:
    behind = found[1]
    if behind is None:
        return _NO_SEPTET
    if behind in {b"", b"\x1b"}:
        return b" "
    return bytes([_ABOVE | behind[0]]) if behind[0] in EXTENSION else behind


_SURROGATE = re.compile("[\ud800-\udfff]")
