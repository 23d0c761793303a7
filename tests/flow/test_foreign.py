"""The whole road to an SMSC that is not ours (npm `smpp`): every kind of bind, long texts both ways, receipts in their own forms."""

import asyncio
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.carriers.authority import Authority
from tests.carriers.recording import until
from tests.flow.hand import counters_are_exact, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, add_carrier, numbers, road
from tests.foreign_smsc import ForeignSmsc, foreign_smsc

from clarion.flow import sweep
from clarion.store import Store
from clarion.store import tables as t

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is proved is above the store."""

FIRST = 254_710_000_000
LONG_TEXT = "Dear customer, your parcel is on its way. " * 9
ANOTHER_ORDER = "Err:{err} Stat: {stat}, Done_Date:{date} ID:{id}"
NO_ID = "stat:{stat} err:{err}"


async def connect(here: Road, port: int, options: str, binds: int = 1) -> int:
    """Route 25471… to it, begin, and wait until all its connections are there."""
    url = f"smpp://clarion@127.0.0.1:{port}?{options}"
    carrier_id = await here.runtime.store.write(add_carrier, "foreign", url, here.runtime.clock.now(), prefix="25471")
    here.begin()
    await all_bound(here, carrier_id, binds)
    return carrier_id


async def all_bound(here: Road, carrier_id: int, binds: int) -> None:
    def there() -> bool:
        return sum(held.carrier.id == carrier_id and held.bind.state == "bound" for held in here.connections.held) == binds

    await until(there, "all bound")


async def is_sound(here: Road, smsc: ForeignSmsc) -> None:
    """No part was taken twice, and money and counters are right."""
    taken = Counter((submit["destination"], submit.get("part", 1)) for submit in smsc.submits() if submit["status"] == 0)
    assert set(taken.values()) == {1}
    await here.runtime.store.read(ledger_is_exact)
    await here.runtime.store.read(counters_are_exact)


async def inbound(here: Road, carrier_id: int, count: int) -> list[tuple[str, int, int]]:
    """Text, parts and octets of what came in whole, when so many have come."""
    i = t.inbound.c
    query = sa.select(i.text, i.parts, sa.func.length(i.raw)).where(i.carrier_id == carrier_id, (i.parts == 1) | (i.part == 0))
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await here.all(query.order_by(i.id))) < count:
            await asyncio.sleep(0.02)
    return found


@on_sqlite
@pytest.mark.parametrize(
    ("options", "binds", "faults"),
    [
        ("bind=transceiver&long=udh8", 1, {"receipts": "text"}),
        ("bind=pair&long=udh16", 2, {"receipts": "parameters", "hexIds": True, "firstId": 0xABC}),
        ("bind=pair&binds=2&long=sar", 4, {"receipts": "both", "intermediate": True}),
        ("bind=transceiver&binds=2&long=payload", 2, {"receipts": "payload", "hexIds": True, "decimalReceipts": True, "firstId": 0xABC}),
        ("bind=transceiver&long=sar&receipt=last", 1, {"receipts": "text", "receiptText": ANOTHER_ORDER, "intermediate": True}),
    ],
)
async def test_every_bind_and_form(store: Store, tmp_path: Path, options: str, binds: int, faults: dict[str, Any]) -> None:
    """Each message ends by its receipt, is charged once, and one in ten is undelivered."""
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log", undeliver=["7"], **faults) as smsc:
            carrier_id = await connect(here, smsc.port, f"{options}&window=20", binds)
            short = await here.accept(numbers(100, FIRST))
            long = await here.accept(numbers(20, FIRST + 100), LONG_TEXT)
            for accepted, count in ((short, 100), (long, 20)):
                await here.until(accepted, lambda v, n=count: (v.counts["delivered"], v.counts["undelivered"]) == (n * 0.9, n / 10))  # type: ignore[misc]
            texts = [submit["text"] for submit in smsc.submits() if submit["destination"] == str(FIRST + 100)]
            assert "".join(texts) == LONG_TEXT
            await is_sound(here, smsc)
            assert await here.all(sa.select(t.orphans.c.id)) == []
            reasons = sa.select(t.deliveries.c.reason).distinct().where(t.deliveries.c.state == "undelivered")
            assert await here.all(reasons) == [("UNDELIV" if faults["receipts"] == "parameters" else "UNDELIV err:034",)]
            await long_texts_come_in(here, smsc, carrier_id)


async def long_texts_come_in(here: Road, smsc: ForeignSmsc, carrier_id: int) -> None:
    """Whoever receives brings them: as headers of both kinds, as SAR parameters and as a payload."""
    shapes: list[list[dict[str, Any]]] = [
        [{"short_message": {"udh": [5, 0, 3, 7, 2, part], "message": f"eight {part} "}} for part in (2, 1)],
        [{"short_message": {"udh": [6, 8, 4, 1, 7, 2, part], "message": f"sixteen {part} "}} for part in (1, 2)],
        [{"short_message": f"sar {part} ", "sar_msg_ref_num": 9, "sar_total_segments": 2, "sar_segment_seqnum": part} for part in (1, 2)],
        [{"short_message": "", "message_payload": "payload " * 60}],
    ]
    for count, shape in enumerate(shapes, 1):
        for fields in shape:
            smsc.send_text("254711222333", "20880", "", fields)
        await inbound(here, carrier_id, count)
    assert await inbound(here, carrier_id, 4) == [
        ("eight 1 eight 2 ", 2, 0),
        ("sixteen 1 sixteen 2 ", 2, 0),
        ("sar 1 sar 2 ", 2, 0),
        ("payload " * 60, 1, 480),
    ]


@on_sqlite
async def test_receipts_and_texts_by_data_sm(store: Store, tmp_path: Path) -> None:
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log", receipts="payload", dataSm=True, undeliver=["7"]) as smsc:
            carrier_id = await connect(here, smsc.port, "bind=transceiver")
            accepted = await here.accept(numbers(50, FIRST))
            await here.until(accepted, lambda v: (v.counts["delivered"], v.counts["undelivered"]) == (45, 5))
            smsc.send_text("254711222333", "20880", "", {"message_payload": "Привет"})
            assert await inbound(here, carrier_id, 1) == [("Привет", 1, 12)]
            await until(lambda: smsc.counters()["acknowledged"] == 51, "acknowledgements")
            await is_sound(here, smsc)


@on_sqlite
async def test_senders_and_validity_as_it_reads_them(store: Store, tmp_path: Path) -> None:
    """Names are alphanumeric, long numbers international, short ones are left to the carrier; what is left of 72 hours goes along."""
    senders = {"CLARION": [5, 0, 1, 1], "20880": [0, 1, 1, 1], "254712345678": [1, 1, 1, 1]}
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log") as smsc:
            await connect(here, smsc.port, "bind=transceiver")
            for number, sender in enumerate(senders):
                await here.accept(numbers(1, FIRST + number), sender=sender)
            await until(lambda: len(smsc.submits()) == 3, "submits")
            for submit in smsc.submits():
                assert submit["types"] == senders[submit["source"]]
                hours = (datetime.fromisoformat(submit["validity"]).timestamp() - submit["at"]) / 3600
                assert 71 < hours <= 72


@on_sqlite
async def test_what_is_no_text_comes_in_as_it_is(store: Store, tmp_path: Path) -> None:
    """8-bit data behind a port, and octets in no alphabet: a row each, with every octet that came."""
    ring_tone = {"short_message": {"udh": [6, 5, 4, 0x15, 0x81, 0, 0], "message": [0x02, 0x4A, 0x3A, 0xFF]}, "data_coding": 4}
    sim_command = {"short_message": {"udh": [2, 0x70, 0], "message": [0x00, 0x2A, 0x80]}, "data_coding": 0xF6, "protocol_id": 0x7F}
    picture = {"short_message": {"message": [*b"\x89PNG"]}, "data_coding": 2}
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log") as smsc:
            carrier_id = await connect(here, smsc.port, "bind=pair", 2)
            for fields in (ring_tone, sim_command, picture):
                smsc.send_text("254711222333", "20880", "", fields)
            await inbound(here, carrier_id, 3)
            await until(lambda: smsc.counters()["acknowledged"] == 3, "acknowledgements")
            i = t.inbound.c
            assert await here.all(sa.select(i.raw, i.data_coding, i.parts).where(i.carrier_id == carrier_id).order_by(i.id)) == [
                (b"\x06\x05\x04\x15\x81\x00\x00\x02\x4a\x3a\xff", 4, 1),
                (b"\x02\x70\x00\x00\x2a\x80", 0xF6, 1),
                (b"\x89PNG", 2, 1),
            ]


async def test_receipts_without_an_id_move_nobody_whose_answer_came(store: Store, tmp_path: Path) -> None:
    """Whose they are is not guessed: the messages stay sent, are charged, and the receipts are kept for people to see."""
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log", receiptText=NO_ID) as smsc:
            await connect(here, smsc.port, "bind=transceiver")
            accepted = await here.accept(numbers(20, FIRST))
            await until(lambda: smsc.counters()["acknowledged"] == 20, "acknowledgements")
            await here.until(accepted, lambda v: v.counts["sent"] == 20)
            assert len(await here.all(sa.select(t.orphans.c.id).where(t.orphans.c.carrier_reference == ""))) == 20
            await is_sound(here, smsc)


async def test_receipts_without_an_id_end_what_was_never_answered(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There they can mean one message only: that of their recipient and sender."""
    monkeypatch.setattr(sweep, "ORPHAN_MICROS", 500_000)
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log", receiptText=NO_ID, disconnectEvery=10, receiptDelayMs=200) as smsc:
            await connect(here, smsc.port, "bind=transceiver&window=1")
            accepted = await here.accept(numbers(10, FIRST))
            view = await here.until(accepted, lambda v: v.counts["sent"] == 9 and v.counts["delivered"] == 1)
            assert view.counts["unknown"] == 0
            await is_sound(here, smsc)


@on_sqlite
async def test_it_ends_the_binds_itself_and_takes_them_again(store: Store, tmp_path: Path) -> None:
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log") as smsc:
            carrier_id = await connect(here, smsc.port, "bind=pair&window=20&enquire=0.2", 2)
            smsc.enquire()
            await until(lambda: smsc.counters()["enquired"] == 2 and smsc.counters()["enquiries"] >= 4, "enquiries both ways")
            accepted = await here.accept(numbers(400, FIRST))
            await until(lambda: smsc.counters()["taken"] > 40, "some taken")
            smsc.unbind()
            await until(lambda: smsc.counters()["binds"] == 4, "bound again")
            await all_bound(here, carrier_id, 2)
            view = await here.until(accepted, lambda v: v.state == "completed" and v.counts["sent"] == 0)
            assert smsc.counters()["unbound"] == 2
            assert view.counts["unknown"] <= 20
            assert view.counts["delivered"] + view.counts["unknown"] == 400
            await is_sound(here, smsc)


@on_sqlite
async def test_a_certificate_that_is_put_right(store: Store, tmp_path: Path) -> None:
    """While it is for another name nothing goes out, and nothing is lost."""
    authority = Authority(tmp_path)
    wrong, right = (authority.certificate(name) for name in ("DNS:elsewhere", "IP:127.0.0.1"))
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log", key=str(wrong.key), cert=str(wrong.certificate)) as smsc:
            url = f"smpps://clarion@127.0.0.1:{smsc.port}?ca={authority.file}"
            await store.write(add_carrier, "foreign", url, here.runtime.clock.now(), prefix="25471")
            here.begin()
            accepted = await here.accept(numbers(20, FIRST))
            told = sa.select(t.binds.c.reason).where(t.binds.c.reason.like("the certificate of%IP address mismatch%"))
            async with asyncio.timeout(PATIENCE_S):
                while not await here.all(told):
                    await asyncio.sleep(0.02)
            assert smsc.submits() == []
        with foreign_smsc(tmp_path / "log", port=smsc.port, key=str(right.key), cert=str(right.certificate)) as smsc:
            await here.until(accepted, lambda v: v.counts["delivered"] == 20)
            await is_sound(here, smsc)


async def test_it_is_killed_in_the_middle_and_comes_back(store: Store, tmp_path: Path) -> None:
    """What it had not answered is unknown and is not sent again; the rest goes to the one that comes after it."""
    async with road(store, begin=False) as here:
        with foreign_smsc(tmp_path / "log", receipts="none") as smsc:
            await connect(here, smsc.port, "bind=pair&window=20&rate=200", 2)
            accepted = await here.accept(numbers(300, FIRST))
            await until(lambda: smsc.counters()["taken"] > 60, "some taken")
            smsc.kill()
        with foreign_smsc(tmp_path / "log", port=smsc.port, receipts="none", firstId=100_000) as smsc:
            view = await here.until(accepted, lambda v: v.state == "completed")
            assert view.counts["unknown"] <= 20
            assert view.counts["sent"] + view.counts["unknown"] == 300
            await is_sound(here, smsc)
            states = sa.select(t.messages.c.recipient, t.deliveries.c.state).join_from(
                t.messages, t.deliveries, t.deliveries.c.message_id == t.messages.c.id
            )
            sent = {str(recipient) for recipient, state in await here.all(states) if state == "sent"}
            assert sent <= {submit["destination"] for submit in smsc.submits()}
