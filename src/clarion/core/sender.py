"""Sender ids: names and numbers that a text is from."""


def same_sender(sender: str) -> str:
    """One spelling for what is one sender: phones show names in any case, and a number with or without its plus."""
    return sender.removeprefix("+").lower()


SHORT_DIGITS_MAX = 8
"""A short code has no more digits; what is longer is somebody's number."""

SENDER_KINDS = ("names", "numbers", "short")
"""What carriers tell apart: names (letters), numbers, short codes."""


def kind_of(sender: str) -> str:
    """The one of `SENDER_KINDS` that a sender is; "" where there is none."""
    digits = sender.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()):
        return "names" if sender else ""
    return "short" if digits == sender and len(digits) <= SHORT_DIGITS_MAX else "numbers"


def parse_kinds(text: str) -> tuple[str, ...] | None:
    """The kinds of a list like `names,short`, in their order here; None for `any`. Raises ValueError with a sentence for people."""
    words = {word.strip() for word in text.split(",")}
    if words == {"any"}:
        return None
    if not words <= set(SENDER_KINDS):
        raise ValueError(f"{text!r} is no kind of sender: write any, or some of {', '.join(SENDER_KINDS)} with commas between")
    return tuple(kind for kind in SENDER_KINDS if kind in words)
