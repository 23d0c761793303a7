"""Several carriers by hand: what stages record of one message's attempts, on each of three carriers that are tried in order."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from tests.flow.hand import PRICE, SECOND, Hand, by_hand, fact, note

from clarion.core.states import State
from clarion.store import Store, doctor, housekeeping, outcomes, receipts
from clarion.store import tables as t
from clarion.store.marks import Marked
from clarion.store.outcomes import Batch, LateAnswer

BEFORE = 100 * PRICE
d, a = t.deliveries.c, t.attempts.c
WHERE = sa.select(d.state, d.attempt, d.carrier_id, d.charged_milli)
ENDS = sa.select(t.broadcasts.c.state, t.chunks.c.state).join_from(t.broadcasts, t.chunks, t.chunks.c.broadcast_id == t.broadcasts.c.id)
ATTEMPTS = sa.select(a.attempt, a.carrier_id, a.outcome, a.reason, a.receipt).order_by(a.message_id, a.attempt)
NO = "ESME_RINVDSTADR (0x0000000b)"


class Ways:
    """Three carriers for everywhere, tried in this order, and the hand."""

    def __init__(self, hand: Hand, carriers: Sequence[int]) -> None:
        self.hand = hand
        self.one, self.two, self.three = carriers

    async def begin(self, count: int = 1, **more: Any) -> list[Marked]:
        """Messages marked for the first carrier."""
        await self.hand.accept(count, **more)
        return (await self.hand.take(carrier_id=self.one)).messages

    async def refuse(self, message: Marked, carrier_id: int) -> set[int]:
        return await self.record(message, carrier_id, State.REFUSED, reason=NO)

    async def send(self, message: Marked, carrier_id: int) -> set[int]:
        return await self.record(message, carrier_id, State.SENT, reference=f"c{carrier_id}m{message.message_id}")

    async def record(self, message: Marked, carrier_id: int, state: str, **changes: Any) -> set[int]:
        facts = [fact(message, state, carrier_id, **changes)]
        return await self.write(Batch(carrier_id, facts, [], [], [], {message.message_id} if state == State.REFUSED else ()))

    async def late(self, message: Marked, carrier_id: int, state: str) -> set[int]:
        reference = f"c{carrier_id}m{message.message_id}" if state == State.SENT else None
        return await self.write(Batch(carrier_id, [], [], [], [LateAnswer(message.message_id, message.attempt, state, reference, NO)]))

    async def write(self, batch: Batch) -> set[int]:
        return await self.hand.store.write(outcomes.record_outcomes, batch, None, self.hand.at, await self.hand.settings.catalog())

    async def again(self, carrier_id: int) -> Marked:
        """The one retry that is due on this carrier."""
        (message,) = (await self.hand.take(carrier_id=carrier_id)).messages
        return message

    async def hear(self, message: Marked, carrier_id: int, state: str = "delivered") -> receipts.Recorded:
        self.hand.clock.at += SECOND
        heard = note(f"c{carrier_id}m{message.message_id}", message.recipient, state)
        catalog = await self.hand.settings.catalog()
        return await self.hand.store.write(receipts.record_receipts, carrier_id, None, [heard], self.hand.at, catalog)

    async def resend(self) -> housekeeping.Overdue:
        catalog = await self.hand.settings.catalog()
        return await self.hand.store.write(housekeeping.resend_unknowns, catalog, self.hand.at)

    async def rows(self, query: Any = WHERE) -> list[Any]:
        return await self.hand.all(query)

    async def paid(self) -> int:
        ((amount,),) = await self.hand.all(sa.select(t.wallets.c.available_milli))
        return BEFORE - int(amount)

    async def exact(self) -> None:
        await self.hand.check()
        found = await self.hand.store.read(doctor.examine, self.hand.at)
        assert [finding for finding in found if finding.severity == "error"] == []


async def ways_of(store: Store, **organization: Any) -> Ways:
    hand = await by_hand(store, available_milli=BEFORE, **organization)
    carriers = [hand.carrier_id, await hand.carrier("two"), await hand.carrier("three")]
    await hand.run("UPDATE routes SET weight = 0 WHERE carrier_id > 1")
    await hand.run("UPDATE routes SET weight = 5 WHERE carrier_id = 1")
    await hand.run("UPDATE settings SET version = version + 1")
    await hand.settings.refresh()
    catalog = await hand.settings.catalog()
    assert list(catalog.carriers_for(254_700_000_000, "CLARION")) == carriers
    return Ways(hand, carriers)
