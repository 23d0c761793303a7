"""The whole road, on both databases, over real SMPP: from accept to the last receipt."""

import sqlalchemy as sa
from tests.flow.rig import Road, numbers, road

from clarion.store import Store
from clarion.store import tables as t

MILLI = 100_000


async def test_every_message_ends_delivered_and_charged_once(store: Store) -> None:
    async with road(store) as here:
        accepted = await here.accept(numbers(2_000))
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 2_000)
        assert view.state == "completed"
        assert view.started_at is not None
        assert view.finished_at is not None
        await assert_money(here, charged=2_000 * MILLI, held=0)
        assert here.smsc.counters.submits == 2_000
        # The owner took one number, its bind another: nothing had to be taken up again on the way.
        assert await here.all(sa.select(t.sequences.c.value).where(t.sequences.c.name == "fence")) == [(2,)]


async def assert_money(here: Road, *, charged: int, held: int) -> None:
    """The ledger adds up to 0, agrees with wallet and holds, and shows these sums."""
    lines = dict(await here.all(sa.select(t.ledger_lines.c.account, sa.func.sum(t.ledger_lines.c.amount_milli)).group_by("account")))
    assert sum(lines.values()) == 0
    assert lines.get("spent", 0) == charged
    assert lines.get("held", 0) == held
    ((available,),) = await here.all(sa.select(t.wallets.c.available_milli))
    assert available == lines["available"]
    ((by_row,),) = await here.all(sa.select(sa.func.sum(t.deliveries.c.charged_milli)))
    assert (by_row or 0) == charged
