"""What is read of broadcasts and messages, against plain counting over rows that random steps have left."""

import random
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.hand import Hand, about, by_hand, fact

from clarion.core.states import COUNTED, State
from clarion.flow import plan
from clarion.flow.order import Accepted
from clarion.store import Store, binds, views
from clarion.store import tables as t

OUTCOMES = ["sent", "sent", "sent", "unknown", "refused", "retry", "on the way"]


async def wander(hand: Hand, random_: random.Random, accepted: Accepted) -> None:
    """Some messages marked, some ended, some with receipts; a chunk given back half marked."""
    await plan.plan(hand.runtime)
    for _ in range(3):
        messages = (await hand.take(random_.randrange(0, 400), slot=random_.randrange(2))).messages
        facts = []
        for message in messages:
            outcome = random_.choice(OUTCOMES)
            if outcome == "retry":
                facts.append(fact(message, "retry", hand.carrier_id, attempt=message.attempt + 1, due_at=hand.at))
            elif outcome != "on the way":
                facts.append(fact(message, outcome, hand.carrier_id))
        await hand.record(facts)
        final = [f for f in facts if f.state == "sent" and random_.random() < 0.6]
        by_id = {message.message_id: message for message in messages}
        await hand.receive(*(about(by_id[f.message_id], random_.choice(["delivered", "undelivered"])) for f in final))
        hand.clock.at += 1
    lease = await hand.lease()
    await hand.store.write(binds.give_back, lease.bind_id, lease.fence, hand.at)
    await plan.plan(hand.runtime)


async def plainly(hand: Hand, view: views.BroadcastView) -> list[tuple[int, int, str, bool, str | None]]:
    """(offset, recipient, state, chunk open, reason) of every message, by its definition."""
    chunks = await hand.all(sa.select(t.chunks.c.id, t.chunks.c.last_id, t.chunks.c.marked_id, t.chunks.c.state))
    d = t.deliveries.c
    rows = {message_id: (state, reason) for message_id, state, reason in await hand.all(sa.select(d.message_id, d.state, d.reason))}
    made = []
    query = sa.select(t.messages.c.id, t.messages.c.recipient).where(t.messages.c.broadcast_id == view.id).order_by(t.messages.c.id)
    for message_id, recipient in await hand.all(query):
        ((marked_id, chunk),) = [(marked, state) for first, last, marked, state in chunks if first <= message_id <= last]
        state, reason = rows.get(message_id, ("marked" if message_id <= marked_id else "waiting", None))
        made.append((message_id - view.first_id + 1, recipient, state, chunk in {"ready", "claimed", "done"}, reason))
    return made


FILTERS = [None, *({str(state)} for state in State), {"waiting", "retry"}, {"marked", "unknown", "sent"}, {"refused", "expired"}, set()]


@pytest.mark.parametrize("seed", range(3))
async def test_pages_totals_and_filters_are_those_of_a_plain_count(store: Store, seed: int) -> None:
    random_ = random.Random(seed)
    hand = await by_hand(store)
    await hand.accept(37, start=254_720_000_000)
    accepted = await hand.accept(random_.randrange(600, 5_000), lane=2)
    await wander(hand, random_, accepted)
    view = await hand.view(accepted)
    expected = await plainly(hand, view)
    await hand.check()

    counted = Counter(state for _, _, state, _, _ in expected)
    marked_rows = sa.select(sa.func.count()).where(
        t.deliveries.c.state == "marked", t.deliveries.c.message_id.between(view.first_id, view.last_id)
    )
    ((rows_marked,),) = await hand.all(marked_rows)
    assert view.recipients == len(expected)
    assert view.counts["waiting"] == counted["waiting"]
    assert view.on_the_way == counted["marked"] - rows_marked
    settled = [state for state in COUNTED if state is not State.MARKED]
    assert [view.counts[state] for state in settled] == [counted[state] for state in settled]

    for wanted in FILTERS:
        fitting = [row for row in expected if wanted is None or row[2] in wanted]
        limit = random_.choice([1, 7, 100, 501, 5_000])
        for offset in {0, 1, limit, max(len(fitting) - 1, 0), len(fitting), random_.randrange(len(fitting) + 1)}:
            args: tuple[Any, ...] = (view, None if wanted is None else frozenset(wanted), offset, limit)
            page, total = await hand.store.read(views.broadcast_messages, *args)
            assert total == len(fitting)
            assert [(m.offset, m.recipient, m.state, m.chunk_open, m.reason) for m in page] == fitting[offset : offset + limit]


async def test_broadcasts_are_paged_from_the_newest_and_are_their_owners(store: Store) -> None:
    hand = await by_hand(store)
    other = await hand.organize("other")
    made = [await hand.accept(2, organization=other if k % 3 == 0 else None) for k in range(7)]
    await hand.run("UPDATE broadcasts SET state = 'accepting' WHERE id = 2")
    seen: list[views.BroadcastView] = []
    before = None
    while page := await hand.store.read(views.broadcasts, None, before, 2):
        assert len(page) <= 2
        seen += page
        before = page[-1].id
    assert [view.public_id for view in seen] == [made[k].broadcast_id for k in (6, 5, 4, 3, 2, 0)]
    mine = await hand.store.read(views.broadcasts, hand.organization.id, None, 10)
    assert [view.public_id for view in mine] == [made[k].broadcast_id for k in (5, 4, 2)]
    assert await hand.store.read(views.broadcast, hand.organization.id, made[0].broadcast_id) is None
    assert await hand.store.read(views.broadcast, other.id, made[0].broadcast_id) == seen[-1]
    assert await hand.store.read(views.broadcast, None, made[1].broadcast_id) is None, "what is not accepted yet is nobody's"


async def test_a_balance_is_what_is_not_held(store: Store) -> None:
    hand = await by_hand(store, available_milli=1_000_000)
    await hand.accept(3)
    assert await hand.store.read(views.balance, hand.organization.id) == 700_000
