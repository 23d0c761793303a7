"""Teli's sends where nothing is connected: each row names its source. What happens on a real road is in `test_teli_road`."""

from typing import Any

import pytest
from tests.api.conftest import BALANCE, KEY, NOW, ORGANIZATION, OTHER_KEY, World

from clarion.store import tables

BULK = "/v1/sms/bulk-send"
PROXY = "/api/proxy/v1/sms/bulk-send"
SEND = "/v1/sms/send"
CAMPAIGNS = "/v1/campaigns"

KES = 100_000

CAMPAIGN = {
    "campaign_id": "camp_abc123",
    "campaign_name": "Offer",
    "organization_id": str(ORGANIZATION),
    "user_id": "u1",
    "sms_agent_id": "a1",
    "teli_sms_number": "254700000001",
    "contacts": [{"phone_number": "0712345678"}, {"phone_number": "+254723456789"}, {"phone_number": "+4915112345678"}],
}

SEED = {
    "campaign_id": "camp_abc123",
    "phone_numbers": ["+254712345678", "+254723456789", "+254734567890"],
    "message": "Hi! We have a special offer for you. Reply YES to learn more.",
}


def refused(error: str) -> dict[str, Any]:
    return {"success": False, "error": error, "powered_by": "Teli"}


async def make_campaign(world: World, **changes: Any) -> None:
    response = await world.post(CAMPAIGNS, CAMPAIGN | changes)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", [BULK, PROXY])
async def test_the_seeds_request(world: World, path: str) -> None:
    """Seed 000, "Example Response"; choices, "Teli": without an outcome it is durably queued, under both bases."""
    await make_campaign(world)
    await world.top_up(10 * KES)
    response = await world.client.post(path, json=SEED, headers={"X-API-Key": KEY})
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "message": "Bulk SMS complete: 2 sent, 1 failed",
        "total": 3,
        "sent": 2,
        "failed": 1,
        "results": [
            {"phone_number": "+254712345678", "status": "sent", "queued": True},
            {"phone_number": "+254723456789", "status": "sent", "queued": True},
            {
                "phone_number": "+254734567890",
                "status": "failed",
                "error": "Client +254734567890 not found in campaign camp_abc123",
            },
        ],
        "powered_by": "Teli",
    }
    assert await world.count(tables.messages) == 2
    assert (await world.get(BALANCE)).json()["balance"] == "8.00"


REFUSED = [
    # Seed 000, "400"; choices: missing, null, or no array.
    (SEED | {"phone_numbers": []}, 400, "phone_numbers must be a non-empty array"),
    (SEED | {"phone_numbers": None}, 400, "phone_numbers must be a non-empty array"),
    (SEED | {"phone_numbers": "+254712345678"}, 400, "phone_numbers must be a non-empty array"),
    (SEED | {"phone_numbers": {"0": "+254712345678"}}, 400, "phone_numbers must be a non-empty array"),
    ({"campaign_id": "camp_abc123", "message": "Hi"}, 400, "phone_numbers must be a non-empty array"),
    # Choices: more than 10,000 is 400 with the number.
    (SEED | {"phone_numbers": ["1"] * 10_001}, 400, "phone_numbers may have at most 10000 items"),
    (SEED | {"phone_numbers": ["+254712345678", 5]}, 400, "Every item of phone_numbers must be a string"),
    # Vendor-apis 1.3 [I], choices.
    ({"phone_numbers": ["1"], "message": "Hi"}, 400, "campaign_id is required"),
    (SEED | {"campaign_id": None}, 400, "campaign_id is required"),
    (SEED | {"campaign_id": ""}, 400, "campaign_id is required"),
    (SEED | {"campaign_id": 5}, 400, "campaign_id must be a string"),
    ({"campaign_id": "camp_abc123", "phone_numbers": ["1"]}, 400, "message is required"),
    (SEED | {"message": None}, 400, "message is required"),
    (SEED | {"message": " \n"}, 400, "message is required"),
    (SEED | {"message": "x" * 100_001}, 400, "message may have at most 100000 characters"),
    (SEED | {"campaign_id": "camp_other"}, 404, "Campaign not found"),
    (SEED | {"message": "a\0b"}, 400, "message may not contain null characters"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("body", "status", "error"), REFUSED, ids=lambda value: str(value)[-60:])
async def test_a_request_that_is_refused(still_world: World, body: object, status: int, error: str) -> None:
    for path in (BULK, PROXY):
        response = await still_world.post(path, body)
        assert (response.status_code, response.json()) == (status, refused(error))


# Vendor-apis 1.1 (T:authentication, T:errors): envelope and texts.
ENVELOPES = [
    ("POST", BULK, None, 401, "API key is required"),
    ("POST", BULK, "tk_live_nobody", 401, "Invalid API key"),
    ("POST", BULK, "tk_live_" + "c" * 32, 401, "Invalid API key"),
    ("POST", BULK, "tk_live_" + "d" * 32, 401, "Invalid API key"),
    ("POST", BULK, "tk_live_" + "e" * 32, 403, "API key lacks the required scope: send_sms."),
    ("POST", BULK, "tk_live_" + "f" * 32, 403, "This API key is for another API."),
    ("POST", "/v1/contacts", KEY, 403, "API key lacks the required scope: manage."),
    ("GET", BULK, KEY, 405, 'Method "GET" is not allowed here.'),
    ("DELETE", "/v1/campaigns/x", KEY, 405, 'Method "DELETE" is not allowed here.'),
    ("GET", "/v1/agents", KEY, 404, "There is nothing at this path."),
    ("POST", "/api/proxy/v1/nothing", KEY, 404, "There is nothing at this path."),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("method", "path", "key", "status", "error"), ENVELOPES)
async def test_every_refusal_has_the_envelope(still_world: World, method: str, path: str, key: str | None, status: int, error: str) -> None:
    headers = {"X-API-Key": key} if key else {}
    response = await still_world.client.request(method, path, headers=headers, json={} if method == "POST" else None)
    assert (response.status_code, response.json()) == (status, refused(error))


BROKEN = [
    (b"{", {}, 400, "The body is not JSON: "),
    (b"[]", {}, 400, "The body must be a JSON object, not array."),
    (b"\xff", {}, 400, "The body is not JSON: "),
    (b'{"other": ' + b"[" * 100_000, {}, 400, "The body is nested deeper than 32 levels."),
    (b"x" * ((1 << 20) + 1), {}, 413, "The body is larger than 1048576 bytes."),
    (b"{}", {"Content-Encoding": "gzip"}, 415, "Compressed bodies are not taken: gzip."),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("body", "headers", "status", "error"), BROKEN, ids=lambda value: str(value)[:20])
async def test_a_body_that_cannot_be_read(still_world: World, body: bytes, headers: dict[str, str], status: int, error: str) -> None:
    """Choices, "All faces": limits, in the face's envelope."""
    response = await still_world.post(BULK, body, headers=headers)
    assert response.status_code == status
    answered = response.json()
    assert answered["error"].startswith(error)
    assert (answered["success"], answered["powered_by"]) == (False, "Teli")


async def test_order_duplicates_and_each_failure_alone(world: World) -> None:
    """Choices, "Teli": the order of the request; a number that comes again is sent once; contacts match in any spelling."""
    await make_campaign(world)
    await world.top_up(10 * KES)
    await world.opt_out(254723456789)
    phones = ["+4915112345678", "12", "0712 345 678", "12", "+254712345678", "254723456789", "999", "+254734567890", "0734567890"]
    body = (await world.post(BULK, SEED | {"phone_numbers": phones})).json()
    assert [result["phone_number"] for result in body["results"]] == phones
    assert [(result["status"], result.get("error")) for result in body["results"]] == [
        ("failed", "No route to +4915112345678"),
        ("failed", "Invalid phone number"),
        ("sent", None),
        ("failed", "Duplicate of 12"),
        ("failed", "Duplicate of 0712 345 678"),
        ("failed", "Client 254723456789 has opted out"),
        ("failed", "Invalid phone number"),
        ("failed", "Client +254734567890 not found in campaign camp_abc123"),
        ("failed", "Duplicate of +254734567890"),
    ]
    assert (body["success"], body["total"], body["sent"], body["failed"]) == (True, 9, 1, 8)
    assert body["message"] == "Bulk SMS complete: 1 sent, 8 failed"
    assert await world.count(tables.messages) == 1


async def test_a_wallet_that_cannot_pay(world: World) -> None:
    """Choices, "Teli": an item error; a failed item never turns the whole request into an error."""
    await make_campaign(world)
    response = await world.post(BULK, SEED)
    assert response.status_code == 200
    body = response.json()
    assert [result.get("error") for result in body["results"]] == [
        "Insufficient balance",
        "Insufficient balance",
        "Client +254734567890 not found in campaign camp_abc123",
    ]
    assert (body["success"], body["sent"], body["failed"]) == (True, 0, 3)


async def test_ten_thousand_numbers(sqlite_world: World) -> None:
    """Choices, "Teli": more than 10,000 is 400; so many are answered, each in its place."""
    await make_campaign(sqlite_world)
    await sqlite_world.top_up(10 * KES)
    phones = [f"+2547{number:08}" for number in range(9_999)] + ["+254712345678"]
    body = (await sqlite_world.post(BULK, SEED | {"phone_numbers": phones})).json()
    assert (body["total"], body["sent"], body["failed"]) == (10_000, 1, 9_999)
    assert [result["phone_number"] for result in body["results"]] == phones
    assert [result["phone_number"] for result in body["results"] if result["status"] == "sent"] == phones[-1:]


async def test_a_text_that_is_too_long(sqlite_world: World) -> None:
    """Choices, "All faces": more than 10 segments refuse the recipient."""
    await make_campaign(sqlite_world)
    body = (await sqlite_world.post(BULK, SEED | {"message": "x" * 1531})).json()
    assert body["results"][0] == {"phone_number": "+254712345678", "status": "failed", "error": "Message is too long"}


async def test_places_in_a_text_are_sent_as_they_are(sqlite_world: World) -> None:
    """Choices, "Teli": `{{field}}` in a bulk text is sent as it stands."""
    await make_campaign(sqlite_world)
    await sqlite_world.top_up(10 * KES)
    await sqlite_world.post(BULK, SEED | {"message": "Hi {{first_name}} {x}"})
    shown = (await sqlite_world.get(f"{CAMPAIGNS}/camp_abc123/messages")).json()
    assert {message["message"] for message in shown["messages"]} == {"Hi {{first_name}} {x}"}


async def test_lanes_and_sender(sqlite_world: World) -> None:
    """Choices, "Teli": up to 100 in lane 1, more in lane 2, a single one before both; the sender is the campaign's number."""
    contacts = [{"phone_number": f"+2547{number:08}"} for number in range(101)]
    await make_campaign(sqlite_world, contacts=contacts)
    await sqlite_world.top_up(1_000 * KES)
    phones = [contact["phone_number"] for contact in contacts]
    await sqlite_world.post(BULK, SEED | {"phone_numbers": phones[:100]})
    await sqlite_world.post(BULK, SEED | {"phone_numbers": phones})
    await sqlite_world.post(SEND, {"campaign_id": "camp_abc123", "phone_number": phones[0], "message": "Hi"})
    rows = await sqlite_world.store.read(
        lambda connection: list(connection.execute(tables.broadcasts.select().order_by(tables.broadcasts.c.id)))
    )
    assert [(row.lane, row.sender, row.face, row.campaign_id) for row in rows] == [(lane, "+254700000001", "teli", 1) for lane in (1, 2, 0)]


async def test_a_single_send(world: World) -> None:
    """Vendor-apis 1.3, `POST /v1/sms/send`: these fields, the number normalised."""
    await make_campaign(world)
    await world.top_up(10 * KES)
    response = await world.post(SEND, {"campaign_id": "camp_abc123", "phone_number": "0712 345 678", "message": "Hello"})
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "message": "SMS sent successfully",
        "phone_number": "+254712345678",
        "campaign_id": "camp_abc123",
        "thread_qualified": True,
        "ai_disabled": True,
        "human_takeover": True,
        "powered_by": "Teli",
        "queued": True,
    }


# Chosen by the face: what a bulk send tells of an item is the refusal of a single send.
SINGLE: list[tuple[dict[str, Any], int, str]] = [
    ({"phone_number": "12"}, 400, "Invalid phone number"),
    ({"phone_number": "+254734567890"}, 404, "Client +254734567890 not found in campaign camp_abc123"),
    ({"phone_number": "+254712345678"}, 400, "Insufficient balance"),
    ({"phone_number": "+4915112345678"}, 400, "No route to +4915112345678"),
    ({"phone_number": "+254723456789"}, 400, "Client +254723456789 has opted out"),
    ({"message": "x" * 1531}, 400, "Message is too long"),
    # Vendor-apis 1.3, `POST /v1/sms/send`: three required fields, the message not empty.
    ({"phone_number": ""}, 400, "phone_number is required"),
    ({"phone_number": None}, 400, "phone_number is required"),
    ({"phone_number": 254712345678}, 400, "phone_number must be a string"),
    ({"message": ""}, 400, "message is required"),
    ({"message": None}, 400, "message is required"),
    ({"campaign_id": None}, 400, "campaign_id is required"),
    ({"campaign_id": ""}, 400, "campaign_id is required"),
    ({"campaign_id": "nothing"}, 404, "Campaign not found"),
]


async def test_a_single_send_that_fails(sqlite_world: World) -> None:
    await make_campaign(sqlite_world)
    await sqlite_world.opt_out(254723456789)
    for changes, status, error in SINGLE:
        body = {"campaign_id": "camp_abc123", "phone_number": "+254712345678", "message": "Hi"} | changes
        response = await sqlite_world.post(SEND, body)
        assert (response.status_code, response.json()) == (status, refused(error))
        (name, value), *_ = changes.items()
        if value is None:
            response = await sqlite_world.post(SEND, {field: given for field, given in body.items() if field != name})
            assert (response.status_code, response.json()) == (status, refused(error)), "absent as null"
    assert await sqlite_world.count(tables.messages) == 0


async def test_a_dry_run_sends_nothing(sqlite_world: World) -> None:
    """Vendor-apis 1.3: `dry_run` stays with the campaign; chosen: its sends are answered, nothing goes out or is paid."""
    await make_campaign(sqlite_world, dry_run=True)
    response = await sqlite_world.post(BULK, SEED)
    body = response.json()
    assert (body["sent"], body["failed"], body["dry_run"]) == (2, 1, True)
    assert body["results"][0] == {"phone_number": "+254712345678", "status": "sent"}
    assert response.headers["clarion-simulated"] == "true"
    assert await sqlite_world.count(tables.broadcasts) == 0


async def test_what_went_to_the_simulator_says_so(sqlite_world: World) -> None:
    await make_campaign(sqlite_world, contacts=[{"phone_number": "+15551234567"}])
    await sqlite_world.top_up(10 * KES)
    response = await sqlite_world.post(BULK, SEED | {"phone_numbers": ["+15551234567"]})
    assert response.json()["sent"] == 1
    assert response.headers["clarion-simulated"] == "true"


async def test_a_message_in_the_campaign(sqlite_world: World) -> None:
    """Vendor-apis 1.3, `GET /v1/campaigns/{id}/messages`; `status` and `queued` are ours."""
    await make_campaign(sqlite_world)
    await sqlite_world.top_up(10 * KES)
    await sqlite_world.post(BULK, SEED)
    marked = await sqlite_world.mark_all()
    await sqlite_world.end(marked[0], "sent")
    await sqlite_world.end(marked[1], "refused", "ESME_RINVDSTADR (0x0000000b)")
    body = (await sqlite_world.get(f"{CAMPAIGNS}/camp_abc123/messages")).json()
    newest, oldest = body.pop("messages")
    assert body == {"success": True, "count": 2, "has_more": False, "powered_by": "Teli"}
    assert newest.pop("message_id") > oldest.pop("message_id")
    assert oldest == {
        "phone_number": "+254712345678",
        "from_number": "+254700000001",
        "to_number": "+254712345678",
        "message": SEED["message"],
        "sender_type": "agent",
        "timestamp": "2025-11-23T00:00:00.123456Z",
        "thread_id": "+254712345678_camp_abc123",
        "status": "sent",
    }
    assert (newest["phone_number"], newest["status"]) == ("+254723456789", "failed")
    assert sqlite_world.clock.time == NOW


async def test_another_organizations_campaign_is_unknown(world: World) -> None:
    """Issue 8, "Tenancy"."""
    await make_campaign(world)
    for response in (
        await world.post(BULK, SEED, OTHER_KEY),
        await world.post(SEND, {"campaign_id": "camp_abc123", "phone_number": "+254712345678", "message": "Hi"}, OTHER_KEY),
        await world.get(f"{CAMPAIGNS}/camp_abc123", OTHER_KEY),
        await world.get(f"{CAMPAIGNS}/camp_abc123/messages", OTHER_KEY),
    ):
        assert (response.status_code, response.json()) == (404, refused("Campaign not found"))
    assert await world.count(tables.messages) == 0
