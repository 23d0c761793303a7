"""Which texts may be keywords: sender ids of 1 to 10 characters (seed 003)."""

import re

_KEYWORD = re.compile(r"[0-9]{1,10}|(?=.*[A-Za-z])[!-Z_a-z](?:[ -Z_a-z]{0,8}[!-Z_a-z])?", re.ASCII)
"""Digits, or ASCII characters of GSM's basic alphabet (3GPP TS 23.038 6.2.1) with a letter among them: what a sender id may be."""


def is_keyword(text: str) -> bool:
    """Whether a carrier can show it as the sender."""
    return _KEYWORD.fullmatch(text) is not None
