"""The health of carriers, as rows that all processes read and any may change."""

from collections.abc import Iterable

from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives, submits
from clarion.core.health import Change, Seen
from clarion.core.routes import Health
from clarion.store import owners, rows
from clarion.store.catalog import raise_version

_LOOK = (
    "SELECT c.id, c.name, c.url, c.health, c.outages, b.slot, b.owner IS NOT NULL AND b.lease_until > :engine_now, b.state, b.reason,"
    " b.trouble FROM carriers c LEFT JOIN binds b ON b.carrier_id = c.id"
    " WHERE c.state = 'active' AND c.kind <> 'simulator' ORDER BY c.id, b.slot"
)


def look(connection: Connection) -> list[Seen]:
    """Every active carrier that messages can be sent to, the built-in one left out."""
    seen: dict[int, Seen] = {}
    for carrier_id, name, url, health, outages, slot, held, state, reason, trouble in rows.all(
        connection, _LOOK, engine_now=owners.engine_now(connection)
    ):
        if only_receives(url):
            continue
        known = seen.setdefault(carrier_id, Seen(carrier_id, name, Health(health), outages))
        if slot is None or not held or not submits(url, slot):
            continue
        bound = state == "bound"
        seen[carrier_id] = known._replace(
            held=True,
            bound=known.bound or bound,
            working=known.working or (bound and not trouble),
            trouble=known.trouble or trouble,
            reason=known.reason or ("" if bound else reason),
        )
    return list(seen.values())


def note_trouble(connection: Connection, owner: int, troubles: Iterable[tuple[int, str]]) -> None:
    """Keep what the answers of this owner's binds say against their carriers, by bind; "" takes it back."""
    rows.execute(
        connection,
        "UPDATE binds SET trouble = v.trouble FROM v WHERE binds.id = v.id AND binds.owner = :owner",
        v=({"id": "bigint", "trouble": "text"}, sorted(troubles)),
        owner=owner,
    )


def change(connection: Connection, due: Change, now: int) -> bool:
    """Make the change, for all processes; False if another process was first or the carrier is gone.

    What is probed is judged by what comes from then on.
    """
    changed = rows.change(
        connection,
        "UPDATE carriers SET health = :health, health_reason = :reason, health_since_at = :now, outages = :outages"
        " WHERE id = :id AND health = :before AND state = 'active'",
        health=str(due.health),
        reason=due.reason,
        now=now,
        outages=due.outages,
        id=due.seen.carrier_id,
        before=str(due.seen.health),
    )
    if not changed:
        return False
    if due.health is not Health.OUT:
        rows.change(connection, "UPDATE binds SET trouble = '' WHERE carrier_id = :id", id=due.seen.carrier_id)
    raise_version(connection)
    return True
