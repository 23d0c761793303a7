"""How the messages of a broadcast ended, over which carriers, and why; counted by the database within the range of their ids."""

from collections import defaultdict
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import rows
from clarion.store.views import BroadcastView

REASONS_MAX = 20
"""Carriers make their reasons up: more than a person reads are summed up."""


class End(NamedTuple):
    """So many messages are in this state for this reason; `carrier` is that of their last attempt, None where none had them."""

    state: str
    carrier: str | None
    reason: str
    messages: int


class Failed(NamedTuple):
    """So many attempts, each followed by another one, came to nothing on this carrier for this reason."""

    carrier: str | None
    outcome: str
    reason: str
    attempts: int


class Used(NamedTuple):
    """A carrier: the messages whose last attempt was with it, how many of them it took and delivered, and the attempts before others'."""

    carrier: str
    messages: int
    taken: int
    delivered: int
    earlier_attempts: int


class Ends(NamedTuple):
    """The commonest first. The `other_` are in neither list: beyond `REASONS_MAX`."""

    reasons: list[End]
    other_messages: int
    attempts: list[Failed]
    other_attempts: int
    carriers: list[Used]


def ends(connection: Connection, view: BroadcastView) -> Ends:
    """Of the messages that have one: sent and delivered ones are in `carriers` alone, recipients refused at accept are `rejected`."""
    names = dict(rows.all(connection, "SELECT id, name FROM carriers"))
    found = rows.all(connection, _ENDS, first=view.first_id, last=view.last_id, limit=REASONS_MAX, broadcast_id=view.id)
    tried = rows.all(connection, _ATTEMPTS, first=view.first_id, last=view.last_id, limit=REASONS_MAX)
    reasons = [End(state, names.get(carrier_id), reason, int(n)) for kind, state, carrier_id, reason, n in found if kind == "reason"]
    attempts = [
        Failed(names.get(carrier_id), outcome, reason, int(n)) for kind, outcome, carrier_id, reason, n in tried if kind == "reason"
    ]
    messages: dict[int | None, dict[str, int]] = defaultdict(dict)
    for kind, state, carrier_id, _, n in found:
        if kind == "sum":
            messages[carrier_id][state] = int(n)
    before = {carrier_id: int(n) for kind, _, carrier_id, _, n in tried if kind == "sum"}
    failed = sum(n for states in messages.values() for state, n in states.items() if state not in _WELL) + view.rejected
    used = [
        Used(
            names[carrier_id],
            sum(messages[carrier_id].values()),
            sum(messages[carrier_id].get(state, 0) for state in _TAKEN),
            messages[carrier_id].get(State.DELIVERED, 0),
            before.get(carrier_id, 0),
        )
        for carrier_id in sorted({carrier_id for carrier_id in (*messages, *before) if carrier_id is not None})
    ]
    return Ends(
        sorted(reasons, key=lambda end: -end.messages),
        failed - sum(end.messages for end in reasons),
        attempts,
        sum(before.values()) - sum(each.attempts for each in attempts),
        sorted(used, key=lambda each: -each.messages),
    )


_WELL = (State.SENT, State.DELIVERED)
_TAKEN = (*_WELL, State.UNDELIVERED)

_ENDS = (
    "WITH found AS MATERIALIZED (SELECT state, carrier_id, coalesce(reason, '') AS reason, count(*) AS n FROM deliveries"
    " WHERE message_id BETWEEN :first AND :last GROUP BY state, carrier_id, coalesce(reason, ''))"
    " SELECT * FROM (SELECT 'reason', state, carrier_id, reason, n FROM found WHERE state NOT IN ('sent', 'delivered')"
    " ORDER BY n DESC, state, reason LIMIT :limit) AS reasons"
    " UNION ALL SELECT 'sum', state, carrier_id, '', sum(n) FROM found GROUP BY state, carrier_id"
    " UNION ALL SELECT * FROM (SELECT 'reason', 'rejected', CAST(NULL AS bigint), reason, count(*) AS n FROM rejects"
    " WHERE broadcast_id = :broadcast_id GROUP BY reason ORDER BY count(*) DESC, reason LIMIT :limit) AS rejected"
)
"""One pass over the broadcast's rows, however many there are."""

_ATTEMPTS = (
    "WITH found AS MATERIALIZED (SELECT outcome, carrier_id, coalesce(reason, '') AS reason, count(*) AS n FROM attempts"
    " WHERE message_id BETWEEN :first AND :last GROUP BY outcome, carrier_id, coalesce(reason, ''))"
    " SELECT * FROM (SELECT 'reason', outcome, carrier_id, reason, n FROM found ORDER BY n DESC, outcome, reason LIMIT :limit) AS reasons"
    " UNION ALL SELECT 'sum', '', carrier_id, '', sum(n) FROM found GROUP BY carrier_id"
)
