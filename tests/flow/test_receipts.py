"""Receipts over real SMPP, in another form than the answers, early, late and twice: each final state is on the right recipient."""

import pytest
import sqlalchemy as sa
from tests.flow.hand import counters_are_exact, ledger_is_exact
from tests.flow.rig import numbers, road

from clarion.flow import sweep
from clarion.simulator.settings import SmscSettings
from clarion.store import Store
from clarion.store import tables as t

AIMED = {1: "refused", 2: "undelivered", 3: "sent", 7: "undelivered", 8: "undelivered"}
"""By the last four digits of the recipient; 0009 is never answered, its receipt comes all the same."""


@pytest.mark.parametrize("first_id", [256, 0xABCDE0])
async def test_a_thousand_receipts_in_decimal_for_answers_in_hexadecimal(
    store: Store, monkeypatch: pytest.MonkeyPatch, first_id: int
) -> None:
    """Ids of three digits are each other's in the other form: a reading that is not checked puts states on the wrong recipients."""
    monkeypatch.setattr(sweep, "ORPHAN_MICROS", 500_000)
    settings = SmscSettings(
        aimed_failures=True,
        message_id_form="hex",
        receipt_id_form="decimal",
        early_share=0.1,
        late_share=0.1,
        twice_share=0.1,
        receipt_late_ms=300,
        first_id=first_id,
    )
    async with road(store, settings, options="window=100&answer_timeout=0.5") as here:
        accepted = await here.accept(numbers(1_000))
        await here.until(
            accepted,
            lambda v: v.counts["delivered"] == 995 and v.counts["undelivered"] == 3 and v.counts["sent"] == v.counts["refused"] == 1,
        )
        by_recipient = sa.select(t.messages.c.recipient, t.deliveries.c.state).join_from(
            t.messages, t.deliveries, t.messages.c.id == t.deliveries.c.message_id
        )
        states = {recipient % 10_000: state for recipient, state in await here.all(by_recipient)}
        assert {number: state for number, state in states.items() if state != "delivered"} == AIMED
        assert here.smsc.counters.submits == 1_000
        assert await here.all(sa.select(t.orphans.c.carrier_reference)) == []
        assert await here.all(sa.select(t.carriers.c.reference_form)) == [("decimal_to_hex",)]
        await here.runtime.store.read(ledger_is_exact)
        await here.runtime.store.read(counters_are_exact)
