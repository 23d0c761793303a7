"""A carrier's id for a message, in the forms in which its receipts may write it."""

from collections.abc import Callable

REFERENCE_CHARACTERS_MAX = 64
"""SMPP's limit (4.4.2). Beyond some thousands of digits Python refuses to read a number at all."""

FORMS: dict[str, Callable[[str], str | None]] = {
    "literal": lambda reference: reference if len(reference) <= REFERENCE_CHARACTERS_MAX else None,
    "hex_to_decimal": lambda reference: str(int(reference, 16)) if _is_hexadecimal(reference) else None,
    "decimal_to_hex": lambda reference: f"{int(reference):x}" if _is_decimal(reference) else None,
}
"""How the id of a receipt may become that of the answer; none fits an id that is longer than SMPP allows."""


def _is_hexadecimal(reference: str) -> bool:
    return 0 < len(reference) <= REFERENCE_CHARACTERS_MAX and all(character in "0123456789abcdef" for character in reference)


def _is_decimal(reference: str) -> bool:
    return len(reference) <= REFERENCE_CHARACTERS_MAX and reference.isascii() and reference.isdigit()
