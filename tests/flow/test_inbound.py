"""Texts that come in parts: joined when all are there, in any order, and heeded as one (on both databases)."""

import asyncio

import pytest
import sqlalchemy as sa
from tests.carriers.recording import until
from tests.flow.hand import SECOND, Hand, by_hand
from tests.flow.rig import PATIENCE_S, road

from clarion.carriers.interface import InboundText
from clarion.carriers.smpp import pdu
from clarion.carriers.smpp.receipts import decode_delivery
from clarion.flow.receive import Receiver
from clarion.store import Store, inbound
from clarion.store import tables as t

PHONE = "254700000000"
DAY = 86_400 * SECOND
i = t.inbound.c
WHOLE = sa.select(i.sender, i.recipient, i.text, i.parts, i.part_reference, i.raw).where(i.part == 0).order_by(i.id)
PARTS = sa.select(sa.func.count()).select_from(t.inbound).where(i.part > 0)
SUPPRESSED = sa.select(t.suppressions.c.recipient, t.suppressions.c.reason)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


def part(text: str, number: int, parts: int, reference: int = 7, phone: str = PHONE, address: str = "CLARION") -> InboundText:
    return InboundText(
        1, phone, address, text, 0, b"\5\0\3" + bytes((reference & 0xFF, parts, number)) + text.encode(), number, parts, reference
    )


async def bring(hand: Hand, *texts: InboundText) -> None:
    """In one transaction, a second after the last."""
    hand.clock.at += SECOND
    await Receiver(hand.runtime, hand.carrier_id, None).receive(texts)


async def wholes(hand: Hand) -> list[str]:
    return [row[2] for row in await hand.all(WHOLE)]


async def test_parts_out_of_order_and_one_of_them_twice(hand: Hand) -> None:
    await bring(hand, part("three", 3, 3))
    await bring(hand, part("one ", 1, 3))
    await bring(hand, part("three", 3, 3))
    assert await hand.all(WHOLE) == []
    await bring(hand, part("two ", 2, 3))
    assert await hand.all(WHOLE) == [(PHONE, "CLARION", "one two three", 3, 7, b"")]
    # It was whole: a part that comes once more makes nothing.
    await bring(hand, part("two ", 2, 3))
    assert await wholes(hand) == ["one two three"]
    assert await hand.all(PARTS) == [(5,)]


async def test_all_parts_in_one_batch_beside_those_of_others(hand: Hand) -> None:
    await bring(
        hand,
        part("b", 2, 2),
        part("x", 1, 2, reference=8),
        part("y", 2, 2, phone="254711111111"),
        part("z", 2, 2, address="OTHER"),
        part("w", 2, 3),
        InboundText(1, PHONE, "CLARION", "alone", 0, b"alone"),
        part("a", 1, 2),
    )
    assert await wholes(hand) == ["ab"]
    await bring(hand, part("y", 2, 2, reference=8))
    assert await wholes(hand) == ["ab", "xy"]


@pytest.mark.parametrize("header", ["050003070201", "0608040007 0201", ""])
async def test_an_emoji_that_was_cut_between_two_parts(hand: Hand, header: str) -> None:
    """Phones cut at 67 units, whatever stands there. Without a header the parts are numbered by SAR parameters."""
    octets = ("ab" + "😀" * 33 + "\ufffd").encode("utf-16-be")
    cut = 4 + 4 * 20 + 2
    parts = []
    for number, piece in enumerate((octets[:cut], octets[cut:]), 1):
        body = bytes.fromhex(header)[:-1] + bytes((number,)) + piece if header else piece
        sar = {} if header else {pdu.SAR_REFERENCE: b"\0\7", pdu.SAR_TOTAL: b"\2", pdu.SAR_PART: bytes((number,))}
        message = pdu.Message(PHONE, "CLARION", body, 0x40 if header else 0, 8, parameters=pdu.encode_parameters(sar))
        parts.append(decode_delivery(pdu.frame(pdu.DELIVER_SM, 0, number, pdu.encode_message(message)), number))
    assert [part.text.count("\ufffd") for part in parts if isinstance(part, InboundText)] == [1, 2]
    await bring(hand, *[part for part in parts if isinstance(part, InboundText)])
    assert await wholes(hand) == ["ab" + "😀" * 33 + "\ufffd"]


async def test_a_reference_that_is_used_again(hand: Hand) -> None:
    for text in ("first", "again"):
        await bring(hand, part(text, 1, 2))
        await bring(hand, part("!", 2, 2))
    assert await wholes(hand) == ["first!", "again!"]


async def test_a_part_of_yesterday_is_of_another_text(hand: Hand) -> None:
    await bring(hand, part("old ", 1, 2))
    hand.clock.at += DAY
    await bring(hand, part("new", 2, 2))
    assert await hand.all(WHOLE) == []
    await bring(hand, part("all ", 1, 2))
    assert await wholes(hand) == ["all new"]


async def test_a_part_that_is_too_far_back_is_not_looked_for(hand: Hand) -> None:
    await bring(hand, part("one ", 1, 2))
    other = inbound.Inbound("2", "1", "x", 0, b"x", 1, 1, 0)
    for _ in range(inbound.JOIN_ROWS // 5_000):
        await hand.store.write(inbound.keep, hand.carrier_id, [other] * 5_000, hand.at)
    await bring(hand, part("two", 2, 2))
    assert await hand.all(WHOLE) == []


async def test_the_whole_is_what_stop_and_start_are_read_from(hand: Hand) -> None:
    await hand.accept(1)
    await bring(hand, part("OP", 2, 2))
    assert await hand.all(SUPPRESSED) == []
    await bring(hand, part("ST", 1, 2))
    assert await hand.all(SUPPRESSED) == [(int(PHONE), "STOP")]
    await bring(hand, part("START", 1, 2, reference=9), part(" " * 10, 2, 2, reference=9))
    assert await hand.all(SUPPRESSED) == []
    await bring(hand, part("STOP", 1, 2, reference=3))
    await bring(hand, part(" writing so much", 2, 2, reference=3))
    assert await hand.all(SUPPRESSED) == []


async def test_a_long_text_over_the_wire(store: Store) -> None:
    words = "Привет, как дела? " * 20
    async with road(store) as here:
        await until(lambda: any(c.bind.state == "bound" for c in here.connections.held), "bound")
        assert here.smsc.send_text("clarion", PHONE, "20880", words) > 2
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await here.all(WHOLE)):
                await asyncio.sleep(0.02)
    assert [row[2] for row in found] == [words]


async def test_octets_that_are_no_text_are_kept_as_they_came(hand: Hand) -> None:
    octets = bytes(range(256))
    await bring(hand, InboundText(1, PHONE, "CLARION", octets[1:].decode("latin-1"), 4, octets))
    assert await hand.all(sa.select(i.raw, i.data_coding)) == [(octets, 4)]
