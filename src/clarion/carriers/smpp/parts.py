"""A long text as one carrier takes it: in which alphabet, in which parts. Segments were counted, and paid, when it was accepted."""

from typing import Final

from clarion.carriers.interface import Parts
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.text import GSM7, UCS2, split

LATIN1: Final = "latin1"
"""data_coding 3 (SMPP 3.4, 5.2.19), beside the two alphabets that texts are counted in."""

CODECS: Final = {"latin1": "latin-1", "ascii": "ascii"}
"""What a carrier may mean by data_coding 0, the SMSC's own alphabet, instead of GSM-7."""

ONE_OCTET: Final = 256
TWO_OCTETS: Final = 65_536


def cut(settings: SmppSettings, text: str, encoding: str, segments: int) -> Parts:
    """The parts of a text of several segments. What they cannot be is one part, which `SubmitEncoder` refuses with the reason."""
    fitting = alphabet_for(settings.alphabet, text) if encoding == GSM7 else encoding
    if fitting == UCS2 != encoding and len(split(text, UCS2)) > segments:
        return Parts(encoding, [text], ONE_OCTET)
    if settings.long == "payload":
        return Parts(fitting, [text], ONE_OCTET)
    # A carrier puts its own alphabet into septets on the air: it is cut where GSM-7 is.
    counted = UCS2 if fitting == UCS2 else GSM7
    if settings.long == "udh16":
        wide = split(text, counted, wide=True)
        if len(wide) <= segments:
            return Parts(fitting, wide, TWO_OCTETS)
    return Parts(fitting, split(text, counted), TWO_OCTETS if settings.long == "sar" else ONE_OCTET)


def alphabet_for(alphabet: str, text: str) -> str:
    """The encoding for a text of GSM-7 characters: `gsm7` is the carrier's own alphabet, whichever that is."""
    if alphabet == GSM7 or _is_of(CODECS[alphabet], text):
        return GSM7
    return LATIN1 if alphabet == "ascii" and _is_of(CODECS[LATIN1], text) else UCS2


def _is_of(codec: str, text: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
