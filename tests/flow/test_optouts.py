"""STOP and START by text: whom they mean, and that they hold from the next mark on (on both databases)."""

import asyncio

import pytest
import sqlalchemy as sa
from tests.flow.hand import NOBODY, Hand, by_hand
from tests.flow.rig import PATIENCE_S, numbers, road

from clarion.carriers.interface import InboundText
from clarion.flow.receive import Receiver
from clarion.simulator.settings import SmscSettings
from clarion.store import Store, optouts
from clarion.store import tables as t
from clarion.store.carriers import CarrierChange, change_carrier

MESSAGES = 5_000
PHONE = 254_700_000_000
SUPPRESSED = sa.select(t.suppressions.c.organization_id, t.suppressions.c.recipient, t.suppressions.c.reason)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def text(hand: Hand, words: str, phone: str = str(PHONE), address: str = "CLARION", *, parts: int = 1, sender: str = "") -> None:
    """As a bind brings it, of a carrier whose URL gives this sender."""
    await hand.run(f"UPDATE carriers SET url = '{NOBODY}?sender={sender}'")
    receiver = Receiver(hand.runtime, hand.carrier_id, None)
    await receiver.receive([InboundText(1, phone, address, words, 0, words.encode(), 1, parts)])


async def suppressed(hand: Hand) -> list[tuple[int, int, str]]:
    return await hand.all(SUPPRESSED)


async def test_a_stop_is_the_organizations_and_a_start_undoes_it(hand: Hand) -> None:
    await hand.accept(1)
    await text(hand, "Stop!")
    await text(hand, "stop")
    assert await suppressed(hand) == [(hand.organization.id, PHONE, "STOP")]
    again = await hand.accept(1)
    assert [rejection.reason for rejection in again.rejections.values()] == ["opted_out"]
    other = await hand.organize("other")
    assert not (await hand.accept(1, organization=other)).rejections
    # The newest message from this address is the other organization's: its it is to begin again.
    await text(hand, "START")
    assert await suppressed(hand) == [(hand.organization.id, PHONE, "STOP")]
    await text(hand, "CANCEL")
    assert sorted(await suppressed(hand)) == [(hand.organization.id, PHONE, "STOP"), (other.id, PHONE, "CANCEL")]
    assert await hand.all(sa.select(sa.func.count()).select_from(t.inbound)) == [(4,)]


@pytest.mark.parametrize("phone", ["254700000000", "+254700000000", "0700000000", "00254700000000"])
async def test_a_phone_in_any_spelling(hand: Hand, phone: str) -> None:
    await hand.accept(1)
    await text(hand, "STOP", phone)
    assert await suppressed(hand) == [(hand.organization.id, PHONE, "STOP")]


@pytest.mark.parametrize(
    ("sender", "address", "default", "heeded"),
    [
        ("CLARION", "clarion", "", True),
        ("+22141", "22141", "", True),
        ("22141", "+22141", "", True),
        ("CLARION", "22141", "22141", False),
        (None, "22141", "22141", True),
        (None, "22141", "+22141", True),
        (None, "555", "22141", False),
        (None, "555", "", True),
    ],
)
async def test_the_address_is_the_messages_sender(hand: Hand, sender: str | None, address: str, default: str, *, heeded: bool) -> None:
    await hand.accept(1, sender=sender)
    await text(hand, "STOP", address=address, sender=default)
    assert bool(await suppressed(hand)) is heeded


async def test_every_sender_that_the_carrier_had_is_heeded(hand: Hand) -> None:
    """Which of them a message went out from is not kept with it."""
    await hand.accept(1, sender=None)
    await hand.run(f"UPDATE carriers SET url = '{NOBODY}?sender=11110'")
    for sender in ("+22220", "11110", "33330", "33330"):
        await hand.store.write(change_carrier, "one", CarrierChange(url=f"{NOBODY}?sender={sender}"))
    for address in ("+11110", "22220", "33330"):
        await text(hand, "STOP", address=address, sender="33330")
        assert await suppressed(hand) == [(hand.organization.id, PHONE, "STOP")], address
        await text(hand, "START", address=address, sender="33330")
    await text(hand, "STOP", address="44440", sender="33330")
    assert await suppressed(hand) == []


async def test_a_sender_that_the_carrier_chose_may_be_any(hand: Hand) -> None:
    await hand.accept(1, sender=None)
    await hand.store.write(change_carrier, "one", CarrierChange(url=f"{NOBODY}?sender=33330"))
    await text(hand, "STOP", address="44440", sender="33330")
    assert await suppressed(hand) == [(hand.organization.id, PHONE, "STOP")]


async def test_a_text_from_somebody_unknown_is_kept_and_means_nobody(hand: Hand) -> None:
    await hand.accept(1)
    await text(hand, "STOP", "254711111111")
    await text(hand, "STOP", "INFO")
    await text(hand, "STOP", "")
    await text(hand, "please stop")
    await text(hand, "STOP", parts=2)
    assert await suppressed(hand) == []
    assert await hand.all(sa.select(sa.func.count()).select_from(t.inbound)) == [(5,)]


async def test_a_national_number_that_two_countries_have_is_not_guessed(hand: Hand) -> None:
    await hand.organize("uganda", region="UG", currency="UGX")
    await hand.accept(["254700000000"])
    await hand.accept(["256700000000"])
    await text(hand, "STOP", "0700000000")
    assert await suppressed(hand) == []


async def test_a_message_that_waits_is_suppressed_at_its_mark_with_the_reason(hand: Hand) -> None:
    accepted = await hand.accept(3)
    await text(hand, "Unsubscribe")
    taken = await hand.take()
    assert [message.recipient for message in taken.messages] == [PHONE + 1, PHONE + 2]
    assert await hand.all(sa.select(t.deliveries.c.state, t.deliveries.c.reason)) == [("suppressed", "opted_out: UNSUBSCRIBE")]
    assert (await hand.view(accepted)).counts["suppressed"] == 1
    await hand.check()


async def test_numbers_by_hand(hand: Hand) -> None:
    owner, write = hand.organization.id, hand.store.write
    assert await write(optouts.add, owner, [PHONE, PHONE + 1, PHONE], "asked by phone", hand.at) == 2
    assert await write(optouts.add, owner, [PHONE, PHONE + 2], "import", hand.at) == 1
    assert [opt_out.reason for opt_out in await hand.store.read(optouts.page, owner, 0, 10)] == ["asked by phone"] * 2 + ["import"]
    assert [opt_out.recipient for opt_out in await hand.store.read(optouts.page, owner, PHONE, 1)] == [PHONE + 1]
    assert await hand.store.read(optouts.count, owner) == 3
    assert await write(optouts.remove, owner, [PHONE, PHONE + 7]) == 1
    assert await hand.store.read(optouts.count, owner) == 2


async def test_a_stop_in_the_middle_of_a_broadcast(store: Store) -> None:
    """From its commit on nothing is given to the wire for that number; START lets the next broadcast through."""
    async with road(store, SmscSettings(answer_delay_ms=10), options="window=50") as here:
        last = str(PHONE + MESSAGES - 1)
        accepted = await here.accept(numbers(MESSAGES))
        async with asyncio.timeout(PATIENCE_S):
            while here.smsc.counters.submits < 300:
                await asyncio.sleep(0.005)
        here.smsc.send_text("clarion", last, "CLARION", "Stop.")
        view = await here.until(accepted, lambda v: v.state == "completed" and v.counts["delivered"] == MESSAGES - 1)
        assert view.counts["suppressed"] == 1
        assert here.smsc.counters.submits == MESSAGES - 1
        refused = await here.accept([last])
        assert [rejection.reason for rejection in refused.rejections.values()] == ["opted_out"]
        here.smsc.send_text("clarion", last, "CLARION", "start")
        async with asyncio.timeout(PATIENCE_S):
            while await here.runtime.store.read(optouts.count, here.organization.id):
                await asyncio.sleep(0.02)
        again = await here.accept([last])
        await here.until(again, lambda v: v.counts["delivered"] == 1)


async def test_a_stop_to_what_the_carrier_is_changed_to_and_to_what_it_was_before(store: Store) -> None:
    """While the server runs: `carriers set --url` with another `sender=`."""
    async with road(store, options="sender=11110") as here:

        async def opted_out(*, wanted: bool) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while await store.read(optouts.count, here.organization.id) != wanted:
                    await asyncio.sleep(0.02)

        async def send() -> None:
            accepted = await here.accept([str(PHONE)], sender=None)
            await here.until(accepted, lambda view: view.counts["delivered"] == 1)

        await send()
        ((url,),) = await here.all(sa.select(t.carriers.c.url))
        await store.write(change_carrier, "one", CarrierChange(url=url.replace("11110", "22220")))
        async with asyncio.timeout(PATIENCE_S):
            while [each.bind.settings.sender for each in here.connections.held if each.bind.state == "bound"] != ["22220"]:
                await asyncio.sleep(0.02)
        await send()
        for address in ("22220", "11110"):
            here.smsc.send_text("clarion", str(PHONE), address, "STOP")
            await opted_out(wanted=True)
            here.smsc.send_text("clarion", str(PHONE), address, "START")
            await opted_out(wanted=False)
