"""Long messages of which a carrier took some parts: they go on with the parts that are missing, on the same carrier (section 3).

Parts that were taken move to the next attempt with their message, so that the parts of an attempt are always all that is known of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import rows

TAKEN = frozenset({State.SENT, State.UNDELIVERED, State.DELIVERED})
"""States of a part that a carrier took: a receipt says so too."""

_TAKEN = ", ".join(f"'{State(state)}'" for state in sorted(TAKEN))


class Begun(NamedTuple):
    """What of a message is with its carrier: the numbers of the parts, and how the text was cut then."""

    parts: frozenset[int]
    shape: str | None


def begun(connection: Connection, carrier_id: int, attempts: Mapping[int, int]) -> dict[int, Begun]:
    """Of these messages (with the attempt that each is in) those of which this carrier has parts."""
    found: dict[int, dict[int, str | None]] = defaultdict(dict)
    for message_id, part, shape in rows.execute(
        connection,
        "SELECT p.message_id, p.part, p.shape FROM v JOIN parts p ON p.message_id = v.message_id AND p.attempt = v.attempt"
        f" WHERE p.carrier_id = :carrier_id AND p.state IN ({_TAKEN})",
        v=({"message_id": "bigint", "attempt": "smallint"}, sorted(attempts.items())),
        carrier_id=carrier_id,
    ):
        found[message_id][part] = shape
    return {message_id: Begun(frozenset(shapes), next(iter(shapes.values()))) for message_id, shapes in found.items()}


def carry_over(connection: Connection, message_ids: Sequence[int]) -> None:
    """Take the parts that were taken along to the attempt that is to come, for those of these messages that are to be tried again."""
    rows.execute(
        connection,
        "UPDATE parts SET attempt = d.attempt FROM v JOIN deliveries d ON d.message_id = v.id WHERE parts.message_id = v.id"
        f" AND parts.attempt = d.attempt - 1 AND d.state = 'retry' AND parts.state IN ({_TAKEN})",
        v=({"id": "bigint"}, [(message_id,) for message_id in sorted(set(message_ids))]),
    )
