"""What `POST /sms` accepts, and what it leaves behind. Each row names where the seed, the vendor's pages or our choices say so."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.api.conftest import KENYA, KEY, NOW, OTHER_KEY, Unlimited, World, serving

from clarion.api.faces.teekrr.choices import label, labelled
from clarion.core.states import State
from clarion.flow.plan import plan
from clarion.store import Store, doctor, keywords, tables, templates, views

SMS = "/sms"
SECOND = 1_000_000
HOUR = 3_600 * SECOND

QUICK: dict[str, Any] = {
    "campaignName": "November",
    "type": "quick broadcast",
    "templateContent": "Hello",
    "recipients": ["254712345678", "+254 723 456 789"],
}
LATER: dict[str, Any] = {**QUICK, "type": "schedule broadcast", "scheduledAt": "2025-11-24T10:00:00+03:00"}
DYNAMIC: dict[str, Any] = {key: value for key, value in QUICK.items() if key != "recipients"} | {
    "templateContent": "Hi {name}, {code}!",
    "recipientVariables": [
        {"recipient": "254712345678", "variables": {"name": "Asha", "code": "A1"}},
        {"recipient": "254723456789", "variables": {"name": "Juma", "code": 7}},
    ],
}


@pytest.fixture
async def world(store: Store) -> Any:
    async with serving(store, Unlimited()) as made:
        await made.top_up(1_000 * 100_000)
        yield made


async def texts(world: World) -> list[tuple[int, str]]:
    """(recipient, text) of every message in the database."""
    m, b = tables.messages.c, tables.broadcasts.c
    query = sa.select(m.recipient, sa.func.coalesce(m.text, b.text)).join_from(tables.messages, tables.broadcasts, b.id == m.broadcast_id)
    return await world.store.read(lambda connection: [tuple(row) for row in connection.execute(query.order_by(m.id))])


async def rejects(world: World) -> list[tuple[int, str, str]]:
    r = tables.rejects.c
    query = sa.select(r.position, r.recipient, r.reason).order_by(r.broadcast_id, r.position)
    return await world.store.read(lambda connection: [tuple(row) for row in connection.execute(query)])


async def broadcast(world: World) -> Any:
    """The newest row."""
    query = sa.select(tables.broadcasts).order_by(tables.broadcasts.c.id.desc()).limit(1)
    return await world.store.read(lambda connection: connection.execute(query).one())


async def accepted(world: World, body: dict[str, Any]) -> dict[str, Any]:
    response = await world.post(SMS, body)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    assert list(shown) == ["data"]
    return shown["data"]


async def test_a_quick_broadcast_is_accepted_and_stored(world: World) -> None:
    """Seed 003 "Send SMS broadcast"; choices, Teekrr: 200 with `data`."""
    data = await accepted(world, QUICK)
    assert data == {"broadcastUuid": data["broadcastUuid"], "status": "enqueued", "queued": 2, "rejected": 0, "scheduledAt": None}
    row = await broadcast(world)
    assert row.public_id == UUID(data["broadcastUuid"])
    assert (row.face, row.lane, row.state, row.name, row.refunds_failed) == ("teekrr", 2, "accepted", "November", True)
    assert (row.sender, row.text, row.not_before) == ("DUKA", "Hello", None)
    assert await texts(world) == [(254712345678, "Hello"), (254723456789, "Hello")]
    holds = await world.store.read(lambda c: c.execute(sa.select(tables.holds.c.amount_milli)).scalars().all())
    assert holds == [200_000], "one row for each recipient, credit reserved for each (seed 003)"


async def test_identical_bodies_make_two_broadcasts(world: World) -> None:
    """Seed 003, "Idempotency": the API does not dedupe identical request bodies."""
    assert (await accepted(world, QUICK))["broadcastUuid"] != (await accepted(world, QUICK))["broadcastUuid"]
    assert await world.count(tables.messages) == 4


RENDERED: list[tuple[str, str, list[dict[str, Any]], list[str]]] = [
    (
        "seed 003: per-recipient {name} substitution; vendor-apis 3.3: nested form",
        "Hi {name}",
        [{"recipient": "254712345678", "variables": {"name": "Asha"}}],
        ["Hi Asha"],
    ),
    ("vendor-apis 3.3: flat form", "Hi {name}", [{"recipient": "254712345678", "name": "Asha"}], ["Hi Asha"]),
    *(
        (f"vendor-apis 3.3: address under {key}", "Hi {name}", [{key: "254712345678", "variables": {"name": "Asha"}}], ["Hi Asha"])
        for key in ("to", "phone", "phoneNumber", "mobile", "email")
    ),
    ("choices: the first address key", "Hi {email}", [{"email": "a@b.c", "to": "254712345678"}], ["Hi a@b.c"]),
    ("choices: a number that is one", "Hi {n}", [{"recipient": 254712345678, "n": 1}], ["Hi 1"]),
    ("choices: numbers and booleans", "{a} {b} {c}", [{"to": "254712345678", "a": 1, "b": 2.5, "c": True}], ["1 2.5 true"]),
    ("chosen: an empty text is a value, null is none", "Hi {name}!", [{"to": "254712345678", "name": ""}], ["Hi !"]),
    ("choices: a place that comes twice", "{a}{a}", [{"to": "254712345678", "a": "x"}], ["xx"]),
    ("choices: values are not read again", "{a}", [{"to": "254712345678", "a": "{b}", "b": "no"}], ["{b}"]),
    ("choices: a lone brace is text", "{ {a} }", [{"to": "254712345678", "a": "x"}], ["{ x }"]),
    (
        "choices: duplicates are one row, the first one's",
        "Hi {name}",
        [{"to": "254712345678", "name": "Asha"}, {"to": "0712 345 678", "name": "Juma"}],
        ["Hi Asha"],
    ),
]


@pytest.mark.parametrize(("source", "content", "items", "expected"), RENDERED, ids=[row[0] for row in RENDERED])
async def test_values_are_put_in_for_each_recipient(
    world: World, source: str, content: str, items: list[dict[str, Any]], expected: list[str]
) -> None:
    data = await accepted(world, {**DYNAMIC, "templateContent": content, "recipientVariables": items})
    assert (data["queued"], data["rejected"]) == (len(expected), 0)
    assert [text for _, text in await texts(world)] == expected


async def test_bad_recipients_are_rows_with_a_reason_and_refuse_nobody_else(world: World) -> None:
    """Choices, Teekrr: bad numbers and missing variables; All faces: no route, opted out, too long."""
    await world.opt_out(254700000001)
    items = [
        {"to": "254712345678", "name": "Asha"},
        {"to": "banana", "name": "x"},
        {"to": "254700000001", "name": "x"},
        {"to": "254700000002"},
        {"to": "254700000003", "name": None},
        {"to": "254700000004", "name": {"first": "x"}},
        {"to": "60123456789", "name": "x"},
        {"to": "254700000005", "name": "y" * 2_000},
        {"to": "254700000006", "name": " "},
    ]
    data = await accepted(world, {**DYNAMIC, "templateContent": "{name}", "recipientVariables": items})
    assert (data["queued"], data["rejected"]) == (1, 8)
    assert await rejects(world) == [
        (1, "banana", "invalid_number"),
        (2, "254700000001", "opted_out"),
        (3, "254700000002", "missing_variable: name"),
        (4, "254700000003", "missing_variable: name"),
        (5, "254700000004", "missing_variable: name"),
        (6, "60123456789", "no_route"),
        (7, "254700000005", "too_long"),
        (8, "254700000006", "empty_text"),
    ]
    assert (await broadcast(world)).rejected == 8
    holds = await world.store.read(lambda c: c.execute(sa.select(tables.holds.c.amount_milli)).scalars().all())
    assert holds == [100_000], "no credit is held for them"


async def test_short_credit_keeps_nothing(world: World) -> None:
    """Seed 003: credit reserved atomically, 402. Also where the request takes more than one transaction."""
    for count in (2, 1_500):
        recipients = [str(254_710_000_000 + number) for number in range(count)]
        response = await world.post(SMS, {**QUICK, "recipients": recipients}, key=OTHER_KEY)
        assert response.status_code == 402
        assert response.json() == {"message": f"Insufficient credit: KES {count}.00 required, KES 0.00 available."}
    for table in (tables.broadcasts, tables.messages, tables.holds, tables.chunks, tables.rejects):
        assert await world.count(table) == 0, table.name
    assert await world.store.read(doctor.examine, NOW) == []


async def test_postpaid_is_taken_up_to_the_cap(world: World) -> None:
    """Vendor-apis 3.1, "Billing"; choices: over the credit limit 402."""
    await world.store.write(lambda c: c.execute(sa.update(tables.organizations).values(billing="postpaid", limit_milli=300_000)).rowcount)
    assert (await world.post(SMS, QUICK, key=OTHER_KEY)).status_code == 200
    response = await world.post(SMS, QUICK, key=OTHER_KEY)
    assert response.status_code == 402
    assert response.json() == {"message": "Insufficient credit: KES 2.00 required, KES 1.00 available."}


async def test_templates_by_name(world: World) -> None:
    """Seed 003, "Template resolution": an existing approved template owned by your client."""
    named = {key: value for key, value in DYNAMIC.items() if key != "templateContent"} | {"templateName": "welcome"}

    async def refused() -> bool:
        response = await world.post(SMS, named)
        sentence = "There is no approved template of this name."
        return response.status_code == 400 and response.json() == {
            "message": sentence,
            "errors": [{"field": "templateName", "message": sentence}],
        }

    write = world.store.write
    assert await refused(), "unknown"
    await write(templates.add, 1, "welcome", "One {name}", NOW)
    assert await refused(), "a draft"
    await write(templates.decide, 1, "welcome", None, templates.REJECTED)
    assert await refused(), "rejected"
    await write(templates.add, 2, "welcome", "Of another", NOW)
    await write(templates.decide, 2, "welcome", None, templates.APPROVED)
    assert await refused(), "another client's"
    await write(templates.decide, 1, "welcome", 1, templates.APPROVED)
    await accepted(world, named)
    await write(templates.add, 1, "welcome", "Two {name}", NOW)
    await accepted(world, named)
    await write(templates.decide, 1, "welcome", None, templates.APPROVED)
    await accepted(world, named)
    assert [text for _, text in await texts(world)] == ["One Asha", "One Juma", "One Asha", "One Juma", "Two Asha", "Two Juma"]


async def test_a_registered_keyword_is_the_sender(world: World) -> None:
    """Seed 003, keyword: sender-ID prefix, must be a registered keyword on your client."""
    body = {**QUICK, "keyword": "PROMO"}
    await world.store.write(keywords.add, 2, "PROMO", NOW)
    response = await world.post(SMS, body)
    assert response.status_code == 400
    assert response.json()["errors"] == [{"field": "keyword", "message": "This keyword is not registered."}]
    await world.store.write(keywords.add, 1, "PROMO", NOW)
    await accepted(world, body)
    assert (await broadcast(world)).sender == "PROMO"


WITHIN: list[tuple[str, dict[str, Any], int]] = [
    ("seed 003: campaignName >=1 character", {"campaignName": "x"}, 2),
    ("seed 003: templateContent >=1 character", {"templateContent": "x"}, 2),
    ("seed 003: keyword 1-10 characters", {"keyword": "K"}, 2),
    ("seed 003: keyword 1-10 characters", {"keyword": "ABCDEFGHIJ"}, 2),
    ("seed 003: templateName 1-512 characters", {"templateContent": None, "templateName": "t"}, 2),
    ("seed 003: templateName 1-512 characters", {"templateContent": None, "templateName": "t" * 512}, 2),
    ("seed 003: maximum 10,000", {"recipients": [str(254_710_000_000 + number) for number in range(10_000)]}, 10_000),
    (
        "seed 003: maximum 10,000, both modes",
        {"recipients": None, "recipientVariables": [{"to": str(254_710_000_000 + number)} for number in range(10_000)]},
        10_000,
    ),
]


@pytest.mark.parametrize(("source", "changes", "queued"), WITHIN, ids=[f"{k}-{row[0]}" for k, row in enumerate(WITHIN)])
async def test_the_documented_bounds_are_taken(sqlite_world: World, source: str, changes: dict[str, Any], queued: int) -> None:
    await sqlite_world.top_up(20_000 * 100_000)
    write = sqlite_world.store.write
    for keyword in ("K", "ABCDEFGHIJ"):
        await write(keywords.add, 1, keyword, NOW)
    for name in ("t", "t" * 512):
        await write(templates.add, 1, name, "Hello", NOW)
        await write(templates.decide, 1, name, None, templates.APPROVED)
    assert (await accepted(sqlite_world, {**QUICK, **changes}))["queued"] == queued, source


SCHEDULES: list[tuple[str, str, str]] = [
    ("seed 003: ISO 8601", "2025-11-24T10:00:00+03:00", "2025-11-24T07:00:00.000Z"),
    ("seed 003: ISO 8601", "2025-11-24T10:00:00Z", "2025-11-24T10:00:00.000Z"),
    ("choices: without a zone, the organization's", "2025-11-24T10:00:00", "2025-11-24T07:00:00.000Z"),
    ("choices: 60 s past is not past", "2025-11-22T23:59:01Z", "2025-11-22T23:59:01.000Z"),
    ("choices: a year ahead", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00.000Z"),
]


@pytest.mark.parametrize(("source", "given", "shown"), SCHEDULES, ids=[row[1] for row in SCHEDULES])
async def test_a_schedule_is_held_until_its_time(world: World, source: str, given: str, shown: str) -> None:
    data = await accepted(world, {**LATER, "scheduledAt": given})
    assert (data["status"], data["queued"], data["scheduledAt"]) == ("pending", 2, shown)
    chunks = await world.store.read(lambda c: c.execute(sa.select(tables.chunks.c.opens_at, tables.chunks.c.state)).all())
    assert chunks == [((await broadcast(world)).not_before, "waiting")]
    assert await world.count(tables.holds) == 1, "choices: its money is held from accept"


async def test_a_schedule_on_a_quick_broadcast_is_ignored(world: World) -> None:
    """Choices, Teekrr: ignored on a quick broadcast, whatever it is."""
    assert (await accepted(world, {**QUICK, "scheduledAt": "yesterday"}))["scheduledAt"] is None


async def test_a_failed_receipt_gives_the_credit_back(world: World) -> None:
    """Vendor-apis 3.1, "Billing": released on permanent failure. Choices: Teekrr's refund is on."""
    await accepted(world, QUICK)
    first, second = await world.mark_all()
    await world.end(first, State.SENT)
    await world.end(first, State.UNDELIVERED, "UNDELIV")
    await world.end(second, State.REFUSED, "bad")
    assert await world.store.read(views.balance, 1) == 1_000 * 100_000
    assert await world.store.read(doctor.examine, NOW) == []


async def test_what_goes_to_the_simulator_says_so(world: World) -> None:
    response = await world.post(SMS, {**QUICK, "recipients": ["+12025550123"]})
    assert (response.status_code, response.headers["clarion-simulated"]) == (200, "true")
    assert "clarion-simulated" not in (await world.post(SMS, QUICK)).headers


async def test_unknown_fields_nulls_and_any_content_type_are_taken(world: World) -> None:
    """Choices, All faces: unknown fields are ignored; the body is read as JSON whatever the Content-Type says."""
    body = {**QUICK, "templateName": None, "recipientVariables": None, "scheduledAt": None, "keyword": None, "color": {"a": [1]}}
    response = await world.post(SMS, body, headers={"Content-Type": "text/plain"})
    assert response.status_code == 200


async def test_the_wire_is_asked_in_turn(world: World) -> None:
    """A quick broadcast goes by plan like all of lane 2."""
    await accepted(world, QUICK)
    await plan(world.services.runtime)
    states = await world.store.read(lambda c: c.execute(sa.select(tables.chunks.c.state, tables.chunks.c.carrier_id)).all())
    assert states == [("ready", KENYA)]


LABELS = [
    # Choices, the table of states; the words are the seed's, literally.
    (State.WAITING, False, "pending"),
    (State.WAITING, True, "enqueued"),
    (State.RETRY, True, "enqueued"),
    (State.MARKED, True, "send"),
    (State.UNKNOWN, True, "send"),
    (State.UNDETERMINED, True, "send"),
    (State.SENT, True, "send"),
    (State.DELIVERED, True, "delivered"),
    (State.UNDELIVERED, True, "failed"),
    (State.REFUSED, True, "failed"),
    (State.SUPPRESSED, True, "failed"),
    (State.EXPIRED, True, "failed"),
    (State.CANCELLED, True, "failed"),
]


@pytest.mark.parametrize(("state", "chunk_open", "word"), LABELS)
def test_states_have_the_seeds_words(state: str, chunk_open: bool, word: str) -> None:
    assert label(state, chunk_open=chunk_open) == word


def test_every_state_has_a_word() -> None:
    assert {state for state, _, _ in LABELS} == set(State)


async def test_the_key_may_come_in_either_header(world: World) -> None:
    """Choices, All faces: X-API-Key or Bearer."""
    response = await world.post(SMS, QUICK, key=None, headers={"X-API-Key": KEY})
    assert response.status_code == 200


async def test_a_broadcast_is_counted_in_the_seeds_words(world: World) -> None:
    """Choices, Teekrr: the literal words wherever a `broadcastUuid` is looked up; in all, one row for each recipient."""
    data = await accepted(world, {**QUICK, "recipients": [*(str(254_712_000_000 + k) for k in range(6)), "banana"]})

    async def words() -> dict[str, int]:
        view = await world.store.read(views.broadcast, 1, UUID(data["broadcastUuid"]))
        assert view is not None
        return {word: count for word, count in labelled(view, await world.store.read(views.unmarked_open, view.id)).items() if count}

    assert await words() == {"pending": 6, "failed": 1}
    await plan(world.services.runtime)
    assert await words() == {"enqueued": 6, "failed": 1}
    messages = await world.mark_all()
    assert await words() == {"send": 6, "failed": 1}
    for message, state in zip(messages, (State.SENT, State.REFUSED, State.UNKNOWN, State.SENT, State.SENT), strict=False):
        await world.end(message, state)
    await world.end(messages[3], State.DELIVERED)
    await world.end(messages[4], State.UNDELIVERED)
    assert await words() == {"send": 3, "delivered": 1, "failed": 3}
