"""Sender ids: names and numbers that a text is from."""


def same_sender(sender: str) -> str:
    """One spelling for what is one sender: phones show names in any case, and a number with or without its plus."""
    return sender.removeprefix("+").lower()
