"""What the store has to know of a carrier's URL: a carrier is its URL, and whoever connects reads the rest of it."""

from urllib.parse import parse_qsl, urlsplit


def only_receives(url: str) -> bool:
    """Whether nothing can be sent over it: it binds as a receiver."""
    return _option(url, "bind") == "receiver"


def submits(url: str, slot: int) -> bool:
    """Whether messages can be sent over this one of its connections: of a pair every other one only receives."""
    return not (only_receives(url) or (_option(url, "bind") == "pair" and slot % 2))


def one_receipt(url: str) -> bool:
    """Whether a long message has one receipt that says how all of it ended: it goes out whole, or the last part's stands for all."""
    return _option(url, "receipt") == "last" or _option(url, "long") == "payload"


def own_sender(url: str) -> str:
    """What stands in for the sender of a message that names none; "" where the carrier itself chooses."""
    return _option(url, "sender") or ""


def _option(url: str, name: str) -> str | None:
    try:
        # An unquoted plus is none of a query's blanks here: `sender=+254…` is what people write.
        return dict(parse_qsl(urlsplit(url).query.replace("+", "%2B"))).get(name)
    except ValueError:
        return None
