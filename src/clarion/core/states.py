"""The life cycle of a message: its states, their ranks, and what each transition does to money.

States only move forward by the pair (attempt, rank) (law 3 of the design). A `retry` row carries the number of the attempt
that is to come, so every later fact of that attempt ranks above it.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a message stands. `waiting` has no row in `deliveries`; nor has a first attempt that is on its way."""

    WAITING = "waiting"
    RETRY = "retry"
    MARKED = "marked"
    UNKNOWN = "unknown"
    SENT = "sent"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNDETERMINED = "undetermined"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"


RANK: dict[str, int] = {
    State.WAITING: 0,
    State.RETRY: 5,
    State.MARKED: 10,
    State.UNKNOWN: 20,
    State.SENT: 30,
    State.CANCELLED: 80,
    State.SUPPRESSED: 80,
    State.EXPIRED: 80,
    State.REFUSED: 80,
    State.UNDETERMINED: 80,
    State.UNDELIVERED: 85,
    State.DELIVERED: 90,
}

COUNTED = tuple(state for state in State if state is not State.WAITING)
"""States that a chunk keeps a counter of; what no counter holds is waiting, or on its way to the wire."""

UNSETTLED = frozenset({State.WAITING, State.RETRY, State.MARKED})
"""While a message is in one of these, its broadcast is not completed. `unknown` counts as handed over."""

HELD = UNSETTLED | {State.UNKNOWN}
"""While a message is in one of these, its price is still in the broadcast's hold."""

CHARGED = frozenset({State.SENT, State.UNDELIVERED, State.DELIVERED})
"""Reaching one of these from a held state charges the price: a carrier has taken all parts."""

RELEASED = frozenset({State.CANCELLED, State.SUPPRESSED, State.EXPIRED, State.REFUSED, State.UNDETERMINED})
"""Reaching one of these from a held state gives the price back."""


class Outcome(StrEnum):
    """How one attempt ended (law 2): only the last one leaves open whether the carrier has the message."""

    SENT = "sent"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


class Money(StrEnum):
    """What a transition does to the price of its message."""

    KEEP = "keep"
    CHARGE = "charge"
    RELEASE = "release"


def money_of(old: str, new: str) -> Money:
    """What moving a message from `old` to `new` does to its price. What a later receipt lifts is not charged."""
    if old not in HELD:
        return Money.KEEP
    if new in CHARGED:
        return Money.CHARGE
    return Money.RELEASE if new in RELEASED else Money.KEEP
