"""What people write to stop being written to, and to be written to again."""

import re

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL"})
START_WORDS = frozenset({"START", "UNSTOP"})

_WHOLE = re.compile(r"[\W_]*([^\W_]+)[\W_]*")


def opt_out_word(text: str) -> str | None:
    """The word, in capitals, if it is the whole text: case, and what stands around it that is no letter or digit, do not count."""
    found = _WHOLE.fullmatch(text)
    word = found[1].upper() if found else ""
    return word if word in STOP_WORDS | START_WORDS else None
