"""`clarion messages erase`: a person's number and texts are nowhere in the database, and every sum is what it was."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData
from tests.flow.hand import DAY, Hand, about, by_hand, fact, note

from clarion.store import optouts
from clarion.store.engine import open_store
from clarion.store.erasure import is_number
from clarion.wiring.machine import SystemClock, SystemTimer

ANN, BOB = 254_712_345_678, 254_712_345_679
ERASE = ("messages", "erase", "--recipient", "0712345678")


def by(url: str, work: Callable[[Hand], Awaitable[Any]]) -> Any:
    """Work on the database as stages do, ten days ago."""

    async def run() -> Any:
        store = await open_store(url, SystemTimer(), owner=True)
        try:
            hand = await by_hand(store)
            hand.clock.at = SystemClock().now() - 10 * DAY
            return await work(hand)
        finally:
            await store.close()

    return asyncio.run(run())


def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""

    def read(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        metadata = MetaData()
        metadata.reflect(connection)
        return {name: [tuple(row) for row in connection.execute(table.select())] for name, table in metadata.tables.items()}

    async def run() -> dict[str, list[tuple[Any, ...]]]:
        store = await open_store(url, SystemTimer())
        try:
            return await store.read(read)
        finally:
            await store.close()

    return asyncio.run(run())


def tables_with(url: str, *words: str) -> set[str]:
    return {name for name, rows in everything(url).items() for row in rows for cell in row for word in words if word in told(cell)}


def told(cell: Any) -> str:
    return bytes(cell).decode(errors="replace") if isinstance(cell, bytes | memoryview) else str(cell)


async def known_everywhere(hand: Hand) -> None:
    """Ann has messages of three kinds, a contact, an opt-out, a refusal, texts that she sent and receipts that fitted nothing."""
    await hand.accept([str(ANN), str(BOB)], text="To all")
    await hand.accept([str(ANN)], text="Secret of Ann")
    people = [{"name": "Ann's own"}, {"name": "Bob"}]
    await hand.accept([str(ANN), str(BOB), "12"], text="Dear {name}", variables=people + people[:1])
    taken = (await hand.take()).messages
    await hand.record([fact(message, "sent", hand.carrier_id) for message in taken])
    await hand.receive(*(about(message) for message in taken))
    await hand.receive(note("99", ANN), note("98", BOB))
    inbound = "INSERT INTO inbound (carrier_id, recipient, sender, text, data_coding, raw, part, parts, part_reference, received_at)"
    for sender, text, raw in (
        (str(ANN), "Ann writes", ""),
        ("0712345678", "at home", ""),
        ("", "", f"x{ANN}y"),
        (str(BOB), "Bob writes", ""),
    ):
        await hand.run(f"{inbound} VALUES (1, '22', '{sender}', '{text}', 0, CAST('{raw}' AS {blob(hand)}), 1, 1, 0, {hand.at})")
    contact = "INSERT INTO contacts (organization_id, recipient, fields, created_at)"
    await hand.run(
        f"{contact} VALUES ({hand.organization.id}, {ANN}, '{{}}', {hand.at}), ({hand.organization.id}, {BOB}, '{{}}', {hand.at})"
    )
    await hand.store.write(optouts.add, hand.organization.id, [ANN], "STOP", hand.at)
    await hand.accept(["+254 712-345-678", "0712 345 678", str(BOB)], text="Not for Ann")


def blob(hand: Hand) -> str:
    return "BLOB" if type(hand.store).__name__ == "SqliteStore" else "bytea"


def test_nothing_is_left_but_the_opt_out(clarion: Any, database_url: str) -> None:
    by(database_url, known_everywhere)
    before = clarion.json("broadcasts", "list")["broadcasts"]
    left = clarion.json(*ERASE, "--yes")
    assert left == {
        "recipient": f"+{ANN}",
        "messages": 3,
        "contacts": 1,
        "rejects": 1,
        "inbound": 3,
        "orphans": 1,
        "left_received": False,
        "opt_outs_kept": 1,
        "messages_left": 0,
    }
    words = (str(ANN), "712345678", "712-345-678", "712 345 678", "Secret", "Ann's own", "Ann writes", "at home")
    assert tables_with(database_url, *words) == {"suppressions"}
    assert tables_with(database_url, str(BOB)) >= {"messages", "contacts", "inbound", "orphans"}
    after = clarion.json("broadcasts", "list")["broadcasts"]
    assert [each | {"text": ""} for each in after] == [each | {"text": ""} for each in before]
    assert [each["text"] for each in after] == ["Not for Ann", "Dear {name}", "", "To all"]
    texts = {(each["recipient"], each["text"]) for each in clarion.json("messages", "list")["messages"]}
    assert texts >= {(None, ""), (None, "To all"), (f"+{BOB}", "Dear Bob")}
    assert "erased" in clarion("messages", "list").stdout
    assert clarion.json("doctor")["healthy"]
    again = clarion.json(*ERASE, "--yes")
    assert [again[kind] for kind in ("messages", "contacts", "rejects", "inbound", "orphans")] == [0] * 5
    assert [each["number"] for each in clarion.json("optouts", "list")["optouts"]] == [f"+{ANN}"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_not_even_in_the_file(clarion: Any, database_url: str, tmp_path: Any) -> None:
    by(database_url, known_everywhere)
    clarion.json(*ERASE, "--yes")
    octets = b"".join(path.read_bytes() for path in tmp_path.glob("clarion.db*"))
    assert b"Bob writes" in octets
    for words in (b"Secret of Ann", b"Dear Ann", b"Ann writes", b"712-345-678"):
        assert words not in octets


def test_what_has_not_ended_is_left_and_told(clarion: Any, database_url: str) -> None:
    async def work(hand: Hand) -> None:
        await hand.accept([str(ANN), str(BOB)], text="Ended")
        taken = (await hand.take()).messages
        await hand.record([fact(message, "sent", hand.carrier_id) for message in taken])
        hand.clock.at += 9 * DAY
        await hand.accept([str(ANN)], text="Yesterday")
        await hand.record([fact(message, "sent", hand.carrier_id) for message in (await hand.take()).messages])
        await hand.accept([str(ANN)], text="To be sent")

    by(database_url, work)
    done = clarion(*ERASE, "--yes")
    assert done.returncode == 1
    assert "2 messages were left, for they have not ended" in done.stderr
    assert "none: the number may be written to" in done.stdout
    texts = [(each["recipient"], each["text"]) for each in clarion.json("messages", "list")["messages"]]
    assert texts == [(f"+{ANN}", "To be sent"), (f"+{ANN}", "Yesterday"), (f"+{BOB}", "Ended"), (None, "Ended")]


def test_of_one_organization_alone(clarion: Any, database_url: str) -> None:
    async def work(hand: Hand) -> None:
        other = await hand.organize("other")
        for organization in (hand.organization, other):
            await hand.accept([str(ANN)], organization=organization)
        await hand.record([fact(message, "sent", hand.carrier_id) for message in (await hand.take()).messages])
        await hand.receive(note("99", ANN))

    by(database_url, work)
    done = clarion.json(*ERASE, "--yes", "--organization", "other")
    assert (done["messages"], done["orphans"], done["left_received"]) == (1, 0, True)
    found = {each["organization"]: each["recipient"] for each in clarion.json("messages", "list")["messages"]}
    assert found == {"acme": f"+{ANN}", "other": None}
    assert clarion.json(*ERASE, "--yes")["orphans"] == 1


def test_it_asks_and_refuses(beside_sqlite: Any) -> None:
    beside_sqlite.json("organizations", "create", "Acme")
    done = beside_sqlite.alone(*ERASE)
    assert done.returncode == 1
    assert f"Erase +{ANN} for good (0 messages and 0 contacts, and what came in)?" in done.stdout + done.stderr
    assert "no phone number" in beside_sqlite.refused("messages", "erase", "--recipient", "Ann", "--yes", code=2)
    beside_sqlite.json("organizations", "create", "Uganda", "--region", "UG")
    assert "write it with its plus" in beside_sqlite.refused(*ERASE, "--yes", code=2)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("254712345678", True),
        ("+254 712 345 678", True),
        ("0712-345-678", True),
        ("00254712345678", True),
        ("1712345678", False),
        ("345678", False),
        ("", False),
        ("Ann", False),
        ("254712345679", False),
    ],
)
def test_spellings_of_a_number(text: str, *, same: bool) -> None:
    assert is_number(text, ANN, ["KE", "US"]) is same
