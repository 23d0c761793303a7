"""Proves the money of a whole database against its messages, by sums that share nothing with the code that moved them."""

from collections import Counter

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.store import tables as t

CHARGED = {"sent", "delivered", "undelivered"}
HELD = {"waiting", "retry", "marked", "unknown"}


_BEGUN = (
    "SELECT m.id FROM parts p JOIN messages m ON m.id = p.message_id JOIN deliveries d ON d.message_id = m.id AND d.attempt = p.attempt"
    " GROUP BY m.id, m.segments HAVING sum(CASE WHEN p.state IN ('sent', 'delivered', 'undelivered') THEN 1 ELSE 0 END) < m.segments"
)
"""Messages in parts of which their carrier is not known to have taken all."""


def assert_exact(connection: Connection) -> None:
    """Each message is charged, held or given back as its state says; holds, ledger and wallets agree with that to the last thousandth."""
    charged: Counter[int] = Counter()
    held: Counter[int] = Counter()
    released: Counter[int] = Counter()
    # Nobody pays for a text of which a part failed where not all parts are known to be taken.
    begun = set(connection.execute(sa.text(_BEGUN)).scalars())
    refunding = set(connection.execute(sa.select(t.broadcasts.c.id).where(t.broadcasts.c.refunds_failed)).scalars())
    joined = t.messages.outerjoin(t.deliveries, t.deliveries.c.message_id == t.messages.c.id)
    columns = (t.messages.c.id, t.messages.c.broadcast_id, t.messages.c.price_milli, t.deliveries.c.state, t.deliveries.c.charged_milli)
    for message_id, broadcast_id, price, state, charged_milli in connection.execute(sa.select(*columns).select_from(joined)):
        unpaid = state == "undelivered" and (broadcast_id in refunding or message_id in begun)
        side = charged if state in CHARGED and not unpaid else held if state is None or state in HELD else released
        side[broadcast_id] += price
        # A receipt that lifts what was given back already is not charged; nothing here is given back and then lifted.
        assert (charged_milli or 0) == (price if side is charged else 0), (broadcast_id, state, charged_milli)
    for broadcast_id, amount, charged_milli, released_milli in connection.execute(sa.select(t.holds)):
        if broadcast_id in charged.keys() | held.keys() | released.keys():
            assert (charged_milli, released_milli) == (charged[broadcast_id], released[broadcast_id])
        assert amount == charged_milli + released_milli + held[broadcast_id]
    lines = t.ledger_lines.c
    for ledger_id, total in connection.execute(sa.select(lines.ledger_id, sa.func.sum(lines.amount_milli)).group_by(lines.ledger_id)):
        assert total == 0, ledger_id
    sums = {
        account: int(total)
        for account, total in connection.execute(sa.select(lines.account, sa.func.sum(lines.amount_milli)).group_by("account"))
    }
    assert sums.get("spent", 0) == charged.total()
    assert sums.get("held", 0) == held.total()
    assert sums["available"] == -sums["outside"] - charged.total() - held.total()
    wallets = connection.execute(sa.select(sa.func.sum(t.wallets.c.available_milli))).scalar_one()
    assert sums["available"] == wallets
