"""Proves the rows of a database against each other: money, counters, and what nobody comes back to.

Every check is one statement that finds what contradicts it, so a healthy database of any size answers with nothing. All of them see one
snapshot: beside a running server too, what they find is really there.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from clarion.core.states import COUNTED, HELD, UNSETTLED, State
from clarion.store import owners, rows

EXAMPLES_MAX = 5

ACCEPT_MICROS = 15 * 60 * 1_000_000
"""Sweep takes back an accept that was cut off after ten minutes."""

OVERDUE_MICROS = 10 * 60 * 1_000_000
"""A retry that is due is sent within seconds, or its carrier is not bound."""

ORPHAN_MICROS = 3600 * 1_000_000

GRACE_MICROS = 3600 * 1_000_000
"""Sweep closes an `unknown` seconds after its time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `error`: rows contradict each other; `warning`: somebody should look, or start the server.

    `examples` are ids as people use them, at most EXAMPLES_MAX of `count`.
    """

    severity: Literal["error", "warning"]
    code: str
    what: str
    count: int
    examples: tuple[str, ...]
    advice: str


class _Check(NamedTuple):
    """`statement` selects an example of everything that contradicts the check."""

    severity: Literal["error", "warning"]
    code: str
    what: str
    advice: str
    statement: str


def examine(connection: Connection, now: int) -> list[Finding]:
    """Everything that is found, errors first. `now` in microseconds."""
    times = {
        "now": now,
        "accept_before": now - ACCEPT_MICROS,
        "due_before": now - OVERDUE_MICROS,
        "orphan_before": now - ORPHAN_MICROS,
        "grace": GRACE_MICROS,
        "engine_now": owners.engine_now(connection),
    }
    found = []
    for check in CHECKS:
        scalars = {name: value for name, value in times.items() if f":{name}" in check.statement}
        # The window counts them all before the limit cuts.
        text = f"WITH found(example) AS ({check.statement}) SELECT example, count(*) OVER () FROM found LIMIT {EXAMPLES_MAX}"
        examples = rows.all(connection, text, **scalars)
        if examples:
            shown = tuple(_shown(example) for example, _ in examples)
            found.append(Finding(check.severity, check.code, check.what, int(examples[0][1]), shown, check.advice))
    return sorted(found, key=lambda finding: finding.severity)


def _shown(example: object) -> str:
    """SQLite gives a UUID as 32 hexadecimal digits."""
    return str(UUID(example)) if isinstance(example, str) and len(example) == 32 else str(example)


def _listed(states: frozenset[str]) -> str:
    return ", ".join(f"'{State(state)}'" for state in sorted(states))


MONEY = "The ledger is right by definition: keep a backup, stop sending for this organization, and report this with the examples."
DEFECT = "This is a defect of the program, not of your use: keep a backup and report it with the examples."
START = "Start the server: it takes this up by itself."

_HELD = _listed(HELD)
_COUNTS = " + ".join(f"c.{state}_count" for state in COUNTED)
_SETTLED = " + ".join(f"c.{state}_count" for state in COUNTED if state not in UNSETTLED)
_ENDED = " + ".join(f"c.{state}_count" for state in COUNTED if state not in HELD)
_HELD_BY_SOMEBODY = "b.owner IS NOT NULL AND b.lease_until > :engine_now"
_LIVING = f"SELECT 1 FROM binds b WHERE {_HELD_BY_SOMEBODY}"


def _booked(account: str, *kinds: str) -> str:
    """What the ledger has of these kinds for the broadcast of the hold `h`."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return (
        "coalesce((SELECT sum(n.amount_milli) FROM ledger l JOIN ledger_lines n ON n.ledger_id = l.id"
        f" WHERE l.broadcast_id = h.broadcast_id AND l.kind IN ({listed}) AND n.account = '{account}'), 0)"
    )


_BY_BROADCAST = (
    "SELECT m.broadcast_id AS id, count(*) AS messages, sum(coalesce(d.charged_milli, 0)) AS charged,"
    f" sum(CASE WHEN d.state IS NULL OR d.state IN ({_HELD}) THEN m.price_milli - coalesce(d.charged_milli, 0) ELSE 0 END) AS held,"
    # What was released stays so, even where a late receipt lifts the message.
    f" sum(CASE WHEN d.state NOT IN ({_HELD}) AND d.charged_milli = 0 THEN m.price_milli ELSE 0 END) AS released"
    " FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id GROUP BY m.broadcast_id"
)
_BY_CHUNK = (
    "SELECT chunk_id, "
    + ", ".join(f"sum(CASE WHEN state = '{state}' THEN 1 ELSE 0 END) AS {state}_rows" for state in COUNTED)
    + " FROM deliveries GROUP BY chunk_id"
)

CHECKS = (
    _Check(
        "error",
        "ledger_entry_unbalanced",
        "entries of the ledger whose lines do not add up to 0, or that have none",
        MONEY,
        "SELECT l.id FROM ledger l LEFT JOIN ledger_lines n ON n.ledger_id = l.id GROUP BY l.id"
        " HAVING count(n.account) = 0 OR sum(n.amount_milli) <> 0",
    ),
    _Check(
        "error",
        "wallet_differs_from_ledger",
        "organizations whose wallet is not the sum of their ledger",
        MONEY,
        "SELECT o.name FROM organizations o LEFT JOIN wallets w ON w.organization_id = o.id LEFT JOIN"
        " (SELECT l.organization_id, sum(n.amount_milli) AS available FROM ledger l JOIN ledger_lines n ON n.ledger_id = l.id"
        " WHERE n.account = 'available' GROUP BY l.organization_id) a ON a.organization_id = o.id"
        " WHERE w.available_milli IS NULL OR w.available_milli <> coalesce(a.available, 0)",
    ),
    _Check(
        "error",
        "wallet_below_limit",
        "organizations whose wallet is below their limit",
        MONEY,
        "SELECT o.name FROM organizations o JOIN wallets w ON w.organization_id = o.id WHERE w.available_milli < -o.limit_milli",
    ),
    _Check(
        "error",
        "hold_differs_from_ledger",
        "broadcasts whose hold is not what the ledger reserved, charged, released and refunded for them",
        MONEY,
        "SELECT b.public_id FROM holds h JOIN broadcasts b ON b.id = h.broadcast_id WHERE"
        f" h.amount_milli <> {_booked('held', 'reserve')} OR h.charged_milli <> {_booked('spent', 'charge', 'refund')}"
        f" OR h.released_milli <> {_booked('available', 'release', 'refund')}",
    ),
    _Check(
        "error",
        "ledger_without_hold",
        "entries of the ledger for broadcasts that have no hold",
        MONEY,
        "SELECT l.id FROM ledger l LEFT JOIN holds h ON h.broadcast_id = l.broadcast_id"
        " WHERE l.broadcast_id IS NOT NULL AND h.broadcast_id IS NULL",
    ),
    _Check(
        "error",
        "hold_differs_from_messages",
        "broadcasts whose hold is not the prices of their messages by what became of them",
        MONEY,
        f"SELECT b.public_id FROM holds h JOIN broadcasts b ON b.id = h.broadcast_id LEFT JOIN ({_BY_BROADCAST}) a ON a.id = b.id"
        " WHERE b.state <> 'accepting' AND b.retired_id IS NULL"
        " AND (b.last_id < b.first_id AND h.amount_milli <> h.charged_milli + h.released_milli"
        " OR b.last_id >= b.first_id AND (h.charged_milli <> coalesce(a.charged, 0) OR h.released_milli <> coalesce(a.released, 0)"
        " OR h.amount_milli - h.charged_milli - h.released_milli <> coalesce(a.held, 0)))",
    ),
    _Check(
        "error",
        "charge_wrong",
        "messages that were charged something else than nothing or their price, or charged before a carrier took them, or not then",
        MONEY,
        "SELECT d.message_id FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE d.charged_milli NOT IN (0, m.price_milli)"
        # What a carrier took and failed to deliver stays charged while another carrier is tried.
        f" OR d.charged_milli <> 0 AND d.state IN ({_HELD}) AND NOT EXISTS"
        " (SELECT 1 FROM attempts a WHERE a.message_id = d.message_id AND a.outcome = 'undelivered')"
        " OR d.state = 'sent' AND d.charged_milli <> m.price_milli"
        " AND EXISTS (SELECT 1 FROM holds h WHERE h.broadcast_id = m.broadcast_id)",
    ),
    _Check(
        "error",
        "refund_wrong",
        "failed messages that are still charged though their broadcast gives such charges back, or that were given back without that",
        MONEY,
        "SELECT d.message_id FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN broadcasts b ON b.id = m.broadcast_id"
        " WHERE d.state = 'undelivered' AND b.refunds_failed AND d.charged_milli <> 0"
        " UNION ALL SELECT l.id FROM ledger l JOIN broadcasts b ON b.id = l.broadcast_id WHERE l.kind = 'refund' AND NOT b.refunds_failed",
    ),
    _Check(
        "error",
        "counters_wrong",
        "chunks whose counters are not their rows",
        DEFECT,
        f"SELECT c.id FROM chunks c JOIN broadcasts b ON b.id = c.broadcast_id LEFT JOIN ({_BY_CHUNK}) a ON a.chunk_id = c.id"
        " WHERE b.retired_id IS NULL AND (" + " OR ".join(f"c.{state}_count <> coalesce(a.{state}_rows, 0)" for state in COUNTED) + ")",
    ),
    _Check(
        "error",
        "delivery_misplaced",
        "rows of messages that do not exist, or that lie outside of their chunk",
        DEFECT,
        "SELECT d.message_id FROM deliveries d LEFT JOIN messages m ON m.id = d.message_id LEFT JOIN chunks c ON c.id = d.chunk_id"
        " WHERE m.id IS NULL OR c.id IS NULL OR d.message_id < c.id OR d.message_id > c.last_id",
    ),
    _Check(
        "error",
        "broadcast_incomplete",
        "broadcasts whose messages or chunks are not what was accepted",
        DEFECT,
        f"SELECT b.public_id FROM broadcasts b LEFT JOIN ({_BY_BROADCAST}) a ON a.id = b.id LEFT JOIN"
        " (SELECT broadcast_id, sum(last_id - id + 1) AS messages FROM chunks GROUP BY broadcast_id) c ON c.broadcast_id = b.id"
        " WHERE b.state <> 'accepting' AND (coalesce(a.messages, 0) <> b.last_id - coalesce(b.retired_id, b.first_id - 1)"
        " OR coalesce(c.messages, 0) <> b.last_id - b.first_id + 1)",
    ),
    _Check(
        "error",
        "retired_unsettled",
        "broadcasts whose messages were deleted for their age before all had ended and were paid or given back",
        MONEY,
        "SELECT b.public_id FROM broadcasts b LEFT JOIN holds h ON h.broadcast_id = b.id LEFT JOIN"
        f" (SELECT c.broadcast_id, sum({_ENDED}) AS ended FROM chunks c GROUP BY c.broadcast_id) e ON e.broadcast_id = b.id"
        " WHERE b.retired_id IS NOT NULL AND (b.finished_at IS NULL OR coalesce(e.ended, 0) <> b.last_id - b.first_id + 1"
        " OR coalesce(h.amount_milli - h.charged_milli - h.released_milli, 0) <> 0)",
    ),
    _Check(
        "error",
        "open_chunks_wrong",
        "broadcasts whose count of open chunks, or whose end, does not fit their chunks",
        DEFECT,
        "SELECT b.public_id FROM broadcasts b LEFT JOIN (SELECT broadcast_id, count(*) AS open FROM chunks"
        " WHERE state NOT IN ('done', 'cancelled') GROUP BY broadcast_id) c ON c.broadcast_id = b.id WHERE b.state <> 'accepting'"
        " AND (b.open_chunks <> coalesce(c.open, 0) OR (b.state IN ('accepted', 'paused', 'cancelling')) <> (b.open_chunks > 0))",
    ),
    _Check(
        "error",
        "chunk_not_ended",
        "chunks with nothing left to do that have not ended",
        DEFECT,
        f"SELECT c.id FROM chunks c WHERE c.state NOT IN ('done', 'cancelled') AND {_SETTLED} = c.last_id - c.id + 1",
    ),
    _Check(
        "error",
        "messages_lost",
        "chunks that no bind has, with messages that were marked and never recorded",
        DEFECT,
        f"SELECT c.id FROM chunks c WHERE (c.state <> 'claimed' OR c.bind_id IS NULL) AND c.marked_id - c.id + 1 > {_COUNTS}",
    ),
    _Check(
        "error",
        "chunk_fenced_off",
        "chunks under a fence that their bind no longer has, while somebody holds the bind",
        "Restart the server: a start writes what is in doubt and frees them. Then report it: this is a defect.",
        "SELECT c.id FROM chunks c JOIN binds b ON b.id = c.bind_id WHERE c.state = 'claimed' AND c.fence <> b.fence"
        f" AND {_HELD_BY_SOMEBODY}",
    ),
    _Check(
        "warning",
        "chunk_of_nobody",
        "chunks of binds that no living process holds",
        START,
        "SELECT c.id FROM chunks c LEFT JOIN binds b ON b.id = c.bind_id WHERE c.state = 'claimed' AND c.bind_id IS NOT NULL"
        f" AND (b.id IS NULL OR NOT ({_HELD_BY_SOMEBODY}))",
    ),
    _Check(
        "warning",
        "retry_in_doubt",
        "retries that were given to a connection that is gone",
        "Start the server with their carrier: they become unknown, and a receipt resolves them, or time closes them.",
        "SELECT d.message_id FROM deliveries d WHERE d.state = 'marked'"
        f" AND NOT EXISTS ({_LIVING} AND b.fence = d.fence AND b.carrier_id = d.carrier_id)",
    ),
    _Check(
        "warning",
        "accept_interrupted",
        "broadcasts whose accept was cut off",
        f"{START} Their messages go and their money returns; nobody was told that they were accepted.",
        "SELECT public_id FROM broadcasts WHERE state = 'accepting' AND touched_at < :accept_before",
    ),
    _Check(
        "warning",
        "unknown_overdue",
        "messages that are unknown for longer than their carrier's time",
        START,
        "SELECT d.message_id FROM deliveries d JOIN carriers c ON c.id = d.carrier_id WHERE d.state = 'unknown'"
        " AND d.doubt_at < :now - c.unknown_after_s * 1000000 - :grace",
    ),
    _Check(
        "warning",
        "retry_overdue",
        "messages that wait to be sent again and are overdue",
        "`clarion carriers list` shows whether their carrier is bound, and why not.",
        "SELECT d.message_id FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN broadcasts b ON b.id = m.broadcast_id"
        " WHERE d.state = 'retry' AND d.due_at < :due_before AND b.state = 'accepted'",
    ),
    _Check(
        "warning",
        "receipts_orphaned",
        "receipts that have fitted no message for an hour",
        "Others send through the same account, or the carrier writes its ids in an unknown form: compare them with its records.",
        "SELECT o.carrier_reference FROM orphans o WHERE o.received_at < :orphan_before",
    ),
)
"""In the order of trust: what stands on nothing else comes first."""
