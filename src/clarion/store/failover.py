"""The next carrier of a message whose attempt came to nothing (law 3): after a refusal, after a receipt that it failed, after silence.

Each refusal is one carrier's own, and certain, so the next one in the order of routes is tried, at most once for each carrier. A message of
which a part was taken never changes carriers. The price stays, and what was charged stays charged.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives
from clarion.core.states import State
from clarion.store import rows
from clarion.store.catalog import Catalog
from clarion.store.deliveries import Moved, advance, record_attempts
from clarion.store.facts import AttemptFact, Fact
from clarion.store.parts import TAKEN

RESENDS_MAX = 2
"""How often a message is sent again after silence: each time it may arrive once more, and three times the same text is all that a
recipient should have to bear."""

TAKES_NO_MORE = "a part of it was taken, and the carrier takes no more"

NOT_TAKEN = frozenset({State.MARKED, State.UNKNOWN})
"""What a refusal, late or not, may find its message in."""

_ids = {"id": "bigint"}


class Failing(NamedTuple):
    """What is to be recorded of attempts that came to nothing: `facts` of the messages, `attempts` that are over, and whom to ring."""

    facts: list[Fact]
    attempts: list[AttemptFact]
    carriers: set[int]


def after_refusal(connection: Connection, catalog: Catalog, refused: Sequence[Fact], now: int) -> Failing:
    """Of messages that a carrier refused, each in a fact: a retry on the next carrier, or the fact as it is where none is left.

    What has ended otherwise meanwhile, or is in another attempt, keeps its fact too, which will move nothing.
    """
    held = _lock(connection, refused)
    open_ = [fact for fact in refused if (row := held.get(fact.message_id)) is None or row in _open(fact)]
    targets = elsewhere(connection, catalog, {fact.message_id: fact.carrier_id for fact in open_}, now)
    failing = Failing([], [], set(targets.values()))
    for fact in refused:
        target = targets.get(fact.message_id)
        if target is None:
            failing.facts.append(fact)
        else:
            failing.facts.append(retry(fact, target, now))
            failing.attempts.append(_ended(fact, State.REFUSED, fact.reference))
    return failing


class Again(NamedTuple):
    """Messages that a failed receipt sent to another carrier, by id, and their moves, which the caller settles."""

    message_ids: set[int]
    moved: list[Moved]


def after_receipt(connection: Connection, catalog: Catalog, undelivered: Sequence[Fact], now: int) -> Again:
    """Of messages that receipts call undelivered, those that their broadcast lets fail over are given to the next carrier.

    One that was unknown is charged before: the receipt says that it was taken. Long messages in parts stay where they are.
    """
    allowed = rows.execute(
        connection,
        "SELECT b.id FROM v JOIN broadcasts b ON b.id = v.id WHERE b.failover_undelivered",
        v=(_ids, [(broadcast_id,) for broadcast_id in sorted({fact.broadcast_id for fact in undelivered})]),
    )
    some = {broadcast_id for (broadcast_id,) in allowed}
    facts = [fact for fact in undelivered if fact.broadcast_id in some]
    if not facts:
        return Again(set(), [])
    held = _lock(connection, facts)
    current = {fact.message_id: fact for fact in facts if held.get(fact.message_id) in {(s, fact.attempt) for s in _FAILED_FROM}}
    in_parts = _in_parts(connection, current)
    current = {message_id: fact for message_id, fact in current.items() if message_id not in in_parts}
    targets = elsewhere(connection, catalog, {fact.message_id: fact.carrier_id for fact in current.values()}, now)
    taken = [current[message_id] for message_id in targets]
    moved = advance(connection, [fact._replace(state=State.SENT, reason=None) for fact in taken], now)
    references = _references(connection, list(targets))
    record_attempts(connection, [_ended(fact, State.UNDELIVERED, references[fact.message_id]) for fact in taken], now)
    moved += advance(connection, [retry(fact, targets[fact.message_id], now) for fact in taken], now, failing_over=True)
    return Again(set(targets), moved)


_FAILED_FROM = (State.SENT, State.UNKNOWN)


def resend_targets(connection: Connection, catalog: Catalog, unknown: Sequence[Fact], now: int) -> dict[int, int]:
    """Where messages of which nothing was heard go again: to the next carrier, or to the same one if it is the only one.

    Those of which it took a part stay on it. None for one that was sent again `RESENDS_MAX` times, or whose broadcast or validity is over.
    """
    spent = {
        message_id
        for message_id, count in rows.execute(
            connection,
            "SELECT v.id, count(*) FROM v JOIN attempts a ON a.message_id = v.id WHERE a.outcome = 'unknown' GROUP BY v.id",
            v=(_ids, [(fact.message_id,) for fact in unknown]),
        )
        if count >= RESENDS_MAX
    }
    failed = {fact.message_id: fact.carrier_id for fact in unknown if fact.message_id not in spent}
    begun = _in_parts(connection, {fact.message_id: fact for fact in unknown}, taken=True)
    routes = _routes(connection, catalog, failed, now)
    targets: dict[int, int] = {}
    for message_id, (carriers, had) in routes.items():
        same = failed[message_id]
        others = [] if message_id in begun else [carrier for carrier in carriers if carrier != same and carrier not in had]
        choice = others[0] if others else same if _sends(catalog, same) else None
        if choice is not None:
            targets[message_id] = choice
    return targets


def elsewhere(connection: Connection, catalog: Catalog, failed: Mapping[int, int | None], now: int) -> dict[int, int]:
    """The next carrier of messages, by id, of which each has come to nothing on the carrier that is named; those without one are left out.

    Tried are carriers that refused it, failed to deliver it, or never answered; one that only had no room for it was not tried.
    """
    routes = _routes(connection, catalog, failed, now)
    return {
        message_id: left[0]
        for message_id, (carriers, had) in routes.items()
        if (left := [carrier for carrier in carriers if carrier != failed[message_id] and carrier not in had])
    }


def tried(connection: Connection, message_ids: Sequence[int]) -> dict[int, set[int]]:
    """The carriers that have had these messages and will not have them again; those that nobody has had are left out."""
    found: dict[int, set[int]] = defaultdict(set)
    for message_id, carrier_id in rows.execute(
        connection,
        "SELECT a.message_id, a.carrier_id FROM v JOIN attempts a ON a.message_id = v.id"
        " WHERE a.outcome IN ('refused', 'undelivered', 'unknown')",
        v=(_ids, [(message_id,) for message_id in sorted(message_ids)]),
    ):
        found[message_id].add(carrier_id)
    return found


def _routes(connection: Connection, catalog: Catalog, failed: Mapping[int, int | None], now: int) -> dict[int, tuple[list[int], set[int]]]:
    """Of each message that may still be sent: its carriers in order, and those that have had it. What the simulator had stays there."""
    found = rows.execute(
        connection,
        "SELECT m.id, m.recipient, m.sender FROM v CROSS JOIN messages m JOIN broadcasts b ON b.id = m.broadcast_id WHERE m.id = v.id"
        " AND b.state IN ('accepted', 'paused', 'completed') AND (b.expires_at IS NULL OR b.expires_at > :now)",
        v=(_ids, [(message_id,) for message_id in sorted(failed)]),
        now=now,
    )
    had = tried(connection, [message_id for message_id, _, _ in found])
    return {
        message_id: (
            [carrier for carrier in catalog.carriers_for(recipient, sender) if not catalog.simulated(carrier)],
            had.get(message_id, set()),
        )
        for message_id, recipient, sender in found
        if not catalog.simulated(failed[message_id] or 0)
    }


def retry(fact: Fact, carrier_id: int, now: int) -> Fact:
    """The attempt after the one that the fact is about, due at once."""
    return fact._replace(attempt=fact.attempt + 1, state=State.RETRY, carrier_id=carrier_id, reference=None, due_at=now)


def _ended(fact: Fact, outcome: str, reference: str | None) -> AttemptFact:
    return AttemptFact(fact.message_id, fact.attempt, fact.carrier_id, reference, outcome, fact.reason)


def _open(fact: Fact) -> set[tuple[str, int]]:
    return {(state, fact.attempt) for state in NOT_TAKEN}


def _sends(catalog: Catalog, carrier_id: int | None) -> bool:
    carrier = catalog.carriers.get(carrier_id or 0)
    return carrier is not None and not only_receives(carrier.url)


def _lock(connection: Connection, facts: Sequence[Fact]) -> dict[int, tuple[str, int]]:
    """State and attempt of those that have a row, which nobody else changes until this transaction ends."""
    found = rows.execute(
        connection,
        "SELECT d.message_id, d.state, d.attempt FROM v JOIN deliveries d ON d.message_id = v.id" + rows.for_update(connection, "d"),
        v=(_ids, [(message_id,) for message_id in sorted({fact.message_id for fact in facts})]),
    )
    return {message_id: (state, attempt) for message_id, state, attempt in found}


def _references(connection: Connection, message_ids: Sequence[int]) -> dict[int, str | None]:
    found = rows.execute(
        connection,
        "SELECT d.message_id, d.carrier_reference FROM v JOIN deliveries d ON d.message_id = v.id",
        v=(_ids, [(message_id,) for message_id in message_ids]),
    )
    return dict(found)


_SOME_TAKEN = " AND p.state IN ({})".format(", ".join(f"'{State(state)}'" for state in sorted(TAKEN)))


def _in_parts(connection: Connection, facts: Mapping[int, Fact], *, taken: bool = False) -> set[int]:
    """Those that went out in parts; with `taken`, those of which the attempt's carrier took a part."""
    found = rows.execute(
        connection,
        "SELECT DISTINCT p.message_id FROM v JOIN parts p ON p.message_id = v.id AND p.attempt = v.attempt WHERE true"
        + (_SOME_TAKEN if taken else ""),
        v=({"id": "bigint", "attempt": "smallint"}, [(fact.message_id, fact.attempt) for fact in facts.values()]),
    )
    return {message_id for (message_id,) in found}
