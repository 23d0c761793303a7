"""A broadcast held up, let go on, or called off: one row is changed here, and every mark after that obeys it.

What was marked before goes out: it is in a bind's hand. Chunks are locked before their broadcast, which is the order of `settle`.
"""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import rows
from clarion.store.chunks import pass_over
from clarion.store.deliveries import advance, settle
from clarion.store.errors import StoreError
from clarion.store.facts import Fact
from clarion.store.interface import interactive

SLICE = 500

REASON = "called off"
"""What a cancelled message tells of its end."""

LATE_SCHEDULE = "late_schedule"
"""Why a scheduled broadcast waits that nobody was there to begin on time."""


class NotPossible(StoreError):
    """The broadcast is in a state that does not allow this; the message is a sentence for people."""


class Controlled(NamedTuple):
    """What became of a command. `changed` False: it was so already. `carriers` are those to ring."""

    state: str
    changed: bool
    carriers: list[int]


@interactive
def pause(connection: Connection, broadcast_id: int) -> Controlled:
    """Mark nothing more of a broadcast until `resume`. Its ready chunks close, so that others open in their place. Raises NotPossible."""
    public_id, state = look(connection, broadcast_id)
    if state == "paused":
        return Controlled(state, changed=False, carriers=[])
    rows.all(connection, "UPDATE chunks SET state = 'waiting' WHERE broadcast_id = :id AND state = 'ready'", id=broadcast_id)
    _move(connection, broadcast_id, "paused", ("accepted",), _refused("paused", public_id, state))
    return Controlled("paused", changed=True, carriers=carriers_of(connection, broadcast_id))


@interactive
def resume(connection: Connection, broadcast_id: int, now: int) -> Controlled:
    """Let a paused broadcast go on, a schedule whose time has passed from this moment. Raises NotPossible."""
    public_id, state = look(connection, broadcast_id)
    if state == "accepted":
        return Controlled(state, changed=False, carriers=[])
    rows.all(
        connection,
        "UPDATE broadcasts SET not_before = :now WHERE id = :id AND state = 'paused' AND not_before < :now AND started_at IS NULL",
        now=now,
        id=broadcast_id,
    )
    _move(connection, broadcast_id, "accepted", ("paused",), _refused("resumed", public_id, state))
    return Controlled("accepted", changed=True, carriers=carriers_of(connection, broadcast_id))


@interactive
def cancel(connection: Connection, broadcast_id: int) -> Controlled:
    """Call a broadcast off: sweep ends what was not marked, and its money returns. Raises NotPossible."""
    public_id, state = look(connection, broadcast_id)
    if state in {"cancelling", "cancelled"}:
        return Controlled(state, changed=False, carriers=[])
    rows.all(connection, "UPDATE chunks SET state = 'waiting' WHERE broadcast_id = :id AND state = 'ready'", id=broadcast_id)
    _move(connection, broadcast_id, "cancelling", ("accepted", "paused"), _refused("cancelled", public_id, state))
    return Controlled("cancelling", changed=True, carriers=carriers_of(connection, broadcast_id))


def cancel_slice(connection: Connection, now: int) -> int:
    """End some of what is left of broadcasts that are being cancelled: unmarked messages and retries; returns how many.

    A chunk that a bind holds is no exception: its mark finds another `marked_id` than it read, and its broadcast no longer accepted.
    """
    done = 0
    for (chunk_id,) in rows.all(
        connection,
        "SELECT c.id FROM broadcasts b JOIN chunks c ON c.broadcast_id = b.id WHERE b.state = 'cancelling'"
        " AND c.state IN ('waiting', 'ready', 'claimed') AND c.marked_id < c.last_id ORDER BY c.id LIMIT 1",
    ):
        done += pass_over(connection, chunk_id, State.CANCELLED, REASON, SLICE, now)
    found = rows.all(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.attempt FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id JOIN broadcasts b ON b.id = m.broadcast_id"
        " WHERE d.state = 'retry' AND d.due_at IS NOT NULL AND b.state = 'cancelling' ORDER BY d.message_id LIMIT :limit",
        limit=SLICE,
    )
    facts = [
        Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, State.CANCELLED, None, None, REASON)
        for message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt in found
    ]
    if facts:
        settle(connection, advance(connection, facts, now), now)
    return done + len(facts)


def look(connection: Connection, broadcast_id: int) -> tuple[str, str]:
    """(public id, state) of a broadcast that its caller has found."""
    public_id, state = rows.one(connection, "SELECT public_id, state FROM broadcasts WHERE id = :id", id=broadcast_id)
    return str(public_id if isinstance(public_id, UUID) else UUID(public_id)), state


def _refused(done: str, public_id: str, state: str) -> NotPossible:
    return NotPossible(f"The broadcast {public_id} is {state}: it cannot be {done}.")


def _move(connection: Connection, broadcast_id: int, state: str, allowed: tuple[str, ...], refusal: NotPossible) -> None:
    words = ", ".join(f"'{word}'" for word in allowed)
    if not rows.all(
        connection,
        f"UPDATE broadcasts SET state = :state, reason = NULL WHERE id = :id AND state IN ({words}) RETURNING id",
        state=state,
        id=broadcast_id,
    ):
        raise refusal


def carriers_of(connection: Connection, broadcast_id: int) -> list[int]:
    """The carriers that have something of a broadcast left to do."""
    found = rows.all(
        connection,
        "SELECT DISTINCT carrier_id FROM chunks WHERE broadcast_id = :id AND state IN ('waiting', 'ready', 'claimed')",
        id=broadcast_id,
    )
    return [carrier_id for (carrier_id,) in found]
