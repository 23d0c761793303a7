"""A small order is the same rows by the one statement that PostgreSQL has for it as by the functions that both engines share."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.hand import HOUR, NOW, Hand, by_hand

from clarion.store import Store, whole
from clarion.store import tables as t

ORDERS: dict[str, dict[str, Any]] = {
    "single": {"recipients": 1},
    "two carriers": {"recipients": ["254700000001", "255700000001", "254700000002", "255700000002", "254700000003"]},
    "a text each": {"recipients": 3, "text": "Dear {name}", "variables": [{"name": "A"}, {"name": "é" * 200}, {"name": "Ω"}]},
    "scheduled": {"recipients": 2, "lane": 1, "not_before": NOW + HOUR, "name": "later"},
    "paced": {"recipients": 500, "lane": 2, "pace": 60, "request_id": "r-1", "refunds_failed": True, "sender": None},
}
IN_PLACE = {"id", "first_id", "last_id", "marked_id", "open_id"}
"""Ids of messages: compared as places in their broadcast."""

CHOSEN = {"public_id", "broadcast_id", "organization_id", "ledger_id"}
"""What each order has of its own."""


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def written(hand: Hand, first_id: int, broadcast_id: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for table, key in ((t.broadcasts, "id"), (t.messages, "broadcast_id"), (t.chunks, "broadcast_id"), (t.holds, "broadcast_id")):
        query = sa.select(table).where(table.c[key] == broadcast_id).order_by(table.primary_key.columns[0])
        places = IN_PLACE - ({"id"} if table is t.broadcasts else set())
        found[table.name] = [
            {
                name: value - first_id if name in places and value is not None else value
                for name, value in zip(table.c.keys(), row, strict=True)
                if name not in CHOSEN and (table is not t.broadcasts or name != "id")
            }
            for row in await hand.all(query)
        ]
    lines = sa.select(t.ledger.c.kind, t.ledger.c.created_at, t.ledger_lines.c.account, t.ledger_lines.c.amount_milli).join_from(
        t.ledger, t.ledger_lines, t.ledger.c.id == t.ledger_lines.c.ledger_id
    )
    found["ledger"] = [
        dict(zip(("kind", "at", "account", "amount"), row, strict=True))
        for row in await hand.all(lines.where(t.ledger.c.broadcast_id == broadcast_id).order_by("account"))
    ]
    return found


@pytest.mark.parametrize("billing", ["prepaid", "postpaid", "none"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
async def test_at_once_writes_the_same(hand: Hand, monkeypatch: pytest.MonkeyPatch, order: dict[str, Any], billing: str) -> None:
    await hand.carrier("south", prefix="255", price="2.00")
    kept = []
    for name, at_once in (("at once", True), ("step by step", False)):
        if not at_once:
            monkeypatch.setattr(whole, "_accept_at_once", lambda *_args: None)
        organization = await hand.organize(
            name, 0 if billing == "postpaid" else 10_000_000_000, billing=billing, limit_milli=10_000_000_000
        )
        accepted = await hand.accept(organization=organization, **order)
        ((broadcast_id, first_id),) = await hand.all(
            sa.select(t.broadcasts.c.id, t.broadcasts.c.first_id).where(t.broadcasts.c.public_id == accepted.broadcast_id)
        )
        ((available,),) = await hand.all(sa.select(t.wallets.c.available_milli).where(t.wallets.c.organization_id == organization.id))
        kept.append((accepted.offsets, available, await written(hand, first_id, broadcast_id)))
    assert kept[0] == kept[1]
    assert len(kept[0][2]["messages"]) == len(kept[0][0])
    assert len(kept[0][2]["holds"]) == (0 if billing == "none" else 1)
    await hand.check()


async def test_who_opted_out_or_cannot_be_paid_is_left_to_the_steps(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the first try is kept, whatever it was that was not ordinary."""
    tried: list[bool] = []
    at_once = whole._accept_at_once

    def watched(*args: Any) -> Any:
        result = at_once(*args)
        tried.append(result is not None)
        return result

    monkeypatch.setattr(whole, "_accept_at_once", watched)
    poor = await hand.organize("poor", 250_000)
    accepted = await hand.accept(3, organization=poor)
    assert [rejection.reason for rejection in accepted.rejections.values()] == ["insufficient_balance"]
    await hand.run(f"INSERT INTO suppressions VALUES ({hand.organization.id}, 254700000001, 'STOP', {hand.at})")
    accepted = await hand.accept(3)
    assert [rejection.reason for rejection in accepted.rejections.values()] == ["opted_out"]
    # Not enough; opted out, and again without whom.
    assert tried in ([], [False, False, False])
    await hand.check()
