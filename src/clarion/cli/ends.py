"""How a broadcast's messages ended, as people and as programs read it."""

from typing import TYPE_CHECKING, Any

from clarion.cli.output import print_table

if TYPE_CHECKING:
    from clarion.store.ends import Ends


def fields(ends: "Ends") -> dict[str, Any]:
    """For programs. `other_messages` and `other_attempts` have reasons that are too rare to be listed."""
    return {
        "reasons": [end._asdict() for end in ends.reasons],
        "other_messages": ends.other_messages,
        "attempts": [failed._asdict() for failed in ends.attempts],
        "other_attempts": ends.other_attempts,
        "carriers": [used._asdict() for used in ends.carriers],
    }


def show(ends: "Ends") -> None:
    """Tables for people; none that would be empty."""
    if ends.carriers:
        rows = [
            (used.carrier, *(f"{count:,}" for count in (used.messages, used.taken, used.delivered, used.earlier_attempts)))
            for used in ends.carriers
        ]
        print_table(["Carrier", ">Messages", ">Taken", ">Delivered", ">Attempts before another"], rows, "")
    if ends.reasons:
        rows = [(end.state, end.carrier or "", end.reason or "not told", f"{end.messages:,}") for end in ends.reasons]
        if ends.other_messages:
            rows.append(("", "", "other reasons", f"{ends.other_messages:,}"))
        print_table(["State", "Carrier", "Why", ">Messages"], rows, "")
    if ends.attempts:
        rows = [(failed.outcome, failed.carrier or "", failed.reason or "not told", f"{failed.attempts:,}") for failed in ends.attempts]
        if ends.other_attempts:
            rows.append(("", "", "other reasons", f"{ends.other_attempts:,}"))
        print_table(["Tried before", "Carrier", "Why", ">Attempts"], rows, "")
