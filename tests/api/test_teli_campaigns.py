"""Teli's campaigns over HTTP: each row names its source."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.api.conftest import NOW, ORGANIZATION, OTHER_KEY, Unlimited, World, serving
from tests.api.test_teli_sending import BULK, CAMPAIGN, CAMPAIGNS, KES, SEED, make_campaign, refused

from clarion.store import Store, control, tables

CONTACTS = "/v1/contacts"
ORGANIZATIONS = "/v1/organizations"

OTHER = "00000000-0000-0000-0000-000000000002"
"""The public id of the organization whose key has every scope."""


@pytest.fixture
async def free_world(sqlite_store: Store) -> AsyncIterator[World]:
    """Without rates, and with another name in the answers."""
    async with serving(sqlite_store, Unlimited(), powered_by="Reseller") as made:
        yield made


async def test_a_campaign_is_made_and_read(world: World) -> None:
    """Vendor-apis 1.3, `POST /v1/campaigns` and `GET /v1/campaigns/{id}`: these fields; status lower case, then upper."""
    leads = [*CAMPAIGN["contacts"], {"phone_number": "0712 345 678"}, {"first_name": "X"}, "no object", {"phone_number": "12"}, None]
    response = await world.post(CAMPAIGNS, CAMPAIGN | {"contacts": leads, "extraction_fields": ["budget"]})
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "campaign_id": "camp_abc123",
        "status": "active",
        "message": "Campaign upload started successfully",
        "agent": {"agent_id": "a1", "agent_name": None},
        "details": {
            "total_contacts": 3,
            "invalid_leads_count": 4,
            "estimated_processing_seconds": 0,
            "has_drips": False,
            "voice_transfer_enabled": False,
        },
        "powered_by": "Teli",
    }
    await world.top_up(10 * KES)
    await world.post(BULK, SEED)
    for base in ("", "/api/proxy"):
        body = (await world.get(f"{base}{CAMPAIGNS}/camp_abc123")).json()
        assert body == {
            "success": True,
            "campaign": {
                "campaign_id": "camp_abc123",
                "campaign_name": "Offer",
                "status": "ACTIVE",
                "sms_agent_id": "a1",
                "organization_id": str(ORGANIZATION),
                "outbound_number": "+254700000001",
                "direction": "outbound",
                "total_contacts": 3,
                "total_messages": 2,
                "created_at": "2025-11-23T00:00:00.123456Z",
                "enable_sms_to_voice": False,
                "drip_schedule": [],
                "extraction_fields": ["budget"],
            },
            "powered_by": "Teli",
        }


async def test_a_campaigns_status_follows_its_sends(world: World) -> None:
    """Vendor-apis 1.3, "SMS campaign status": ACTIVE, PAUSED, COMPLETED, ENDED; chosen by the life cycle of voice campaigns (1.4)."""
    await make_campaign(world, contacts=[{"phone_number": phone} for phone in ("0712345678", "0723456789", "0734567890")])
    await world.top_up(100 * KES)
    await world.opt_out(254734567890)
    write = world.store.write

    async def status() -> str:
        shown = (await world.get(f"{CAMPAIGNS}/camp_abc123")).json()["campaign"]["status"]
        listed = (await world.get(f"{ORGANIZATIONS}/{ORGANIZATION}/campaigns?user_id=u1")).json()["campaigns"]
        assert [each["status"] for each in listed] == [shown]
        return str(shown)

    async def bulk(*phones: str) -> int:
        assert (await world.post(BULK, SEED | {"phone_numbers": phones})).status_code == 200
        return await world.store.read(lambda connection: int(connection.execute(newest).scalar_one()))

    newest = sa.select(sa.func.max(tables.broadcasts.c.id))
    assert await status() == "ACTIVE", "nothing was sent yet"
    await bulk("0734567890")
    assert await status() == "ACTIVE", "nor was this: it had opted out"
    first = await bulk("0712345678", "0723456789")
    assert await status() == "ACTIVE"
    await write(control.pause, first)
    assert await status() == "PAUSED"
    second = await bulk("0712345678")
    assert await status() == "ACTIVE", "another send goes out meanwhile"
    await write(control.cancel, second)
    assert await status() == "PAUSED", "the first one still waits for a person"
    await write(control.resume, first, NOW)
    assert await status() == "ACTIVE"
    await write(control.cancel_slice, NOW)
    for message in await world.mark_all():
        await world.end(message, "delivered")
    assert await status() == "ENDED", "the newest was called off"
    third = await bulk("0723456789")
    assert await status() == "ACTIVE"
    (message,) = await world.mark_all()
    assert message.broadcast_id == third
    await world.end(message, "refused", "ESME_RINVDSTADR (0x0000000b)")
    assert await status() == "COMPLETED", "nothing is left to be sent, whatever became of it"
    assert (await world.get(f"{CAMPAIGNS}/camp_abc123")).json()["campaign"]["total_messages"] == 4


async def test_custom_fields_stay_with_a_contact(sqlite_world: World) -> None:
    """Choices, "All faces": contacts keep unknown fields."""
    await make_campaign(sqlite_world, contacts=[{"phone_number": 254712345678, "unique_id": "u-1", "deep": {"a": [1, "\0"]}}])
    ((recipient, fields),) = await sqlite_world.store.read(
        lambda connection: [tuple(row) for row in connection.execute(tables.contacts.select().with_only_columns(*_CONTACT))]
    )
    assert recipient == 254712345678
    assert json.loads(fields) == {"unique_id": "u-1", "deep": {"a": [1, "\0"]}}


_CONTACT = (tables.contacts.c.recipient, tables.contacts.c.fields)


# Vendor-apis 1.3: required fields; texts by the pattern of seed 000 and T:errors [I].
REFUSED_CAMPAIGNS = [
    *(
        ({field: None}, 400, f"{field} is required")
        for field in ("campaign_id", "campaign_name", "organization_id", "user_id", "sms_agent_id", "teli_sms_number")
    ),
    ({"contacts": None}, 400, "contacts must be a non-empty array"),
    ({"contacts": []}, 400, "contacts must be a non-empty array"),
    ({"contacts": {}}, 400, "contacts must be a non-empty array"),
    ({"campaign_name": ""}, 400, "campaign_name is required"),
    ({"campaign_name": "x" * 201}, 400, "campaign_name may have at most 200 characters"),
    ({"campaign_id": "a/b"}, 400, "campaign_id must be 1 to 128 characters without slashes"),
    ({"campaign_id": "x" * 129}, 400, "campaign_id must be 1 to 128 characters without slashes"),
    ({"organization_id": "nobody"}, 404, "Organization not found"),
    ({"organization_id": OTHER}, 404, "Organization not found"),
    ({"teli_sms_number": "?" * 30}, 400, "teli_sms_number must be a phone number or a sender id"),
    ({"enable_sms_to_voice": True}, 400, "voice_agent_id and outbound_number are required when enable_sms_to_voice is true"),
    ({"dry_run": "yes"}, 400, "dry_run has a value that is not allowed"),
    ({"campaign_name": "a\0"}, 400, "campaign_name may not contain null characters"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("changes", "status", "error"), REFUSED_CAMPAIGNS, ids=lambda value: str(value)[:40])
async def test_a_campaign_that_is_refused(still_world: World, changes: dict[str, Any], status: int, error: str) -> None:
    response = await still_world.post(CAMPAIGNS, CAMPAIGN | changes)
    assert (response.status_code, response.json()) == (status, refused(error))
    missing = [field for field, value in changes.items() if value is None]
    if missing:
        body = {field: value for field, value in CAMPAIGN.items() if field not in missing}
        assert (await still_world.post(CAMPAIGNS, body)).json() == refused(error)


async def test_a_campaign_id_is_taken_once(world: World) -> None:
    """Choices, "Teli voice", held here too: an existing `campaign_id` is 400, and nothing is changed. Other tenants may choose it."""
    await make_campaign(world)
    response = await world.post(CAMPAIGNS, CAMPAIGN | {"contacts": [{"phone_number": "0799999999"}]})
    assert (response.status_code, response.json()) == (400, refused("Campaign camp_abc123 already exists"))
    assert await world.count(tables.contacts) == 3
    other = await world.post(CAMPAIGNS, CAMPAIGN | {"organization_id": OTHER}, OTHER_KEY)
    assert other.status_code == 200


async def test_contacts_that_are_all_invalid_make_an_empty_campaign(sqlite_world: World) -> None:
    """Choices, "Teli voice": all invalid is 200 with 0."""
    body = (await sqlite_world.post(CAMPAIGNS, CAMPAIGN | {"contacts": [{}, 5]})).json()
    assert (body["success"], body["details"]["total_contacts"], body["details"]["invalid_leads_count"]) == (True, 0, 2)


async def test_many_contacts(world: World) -> None:
    leads = [{"phone_number": f"+2547{number:08}", "first_name": f"N{number}"} for number in range(3_001)]
    body = (await world.post(CAMPAIGNS, CAMPAIGN | {"contacts": leads + leads[:10]})).json()
    assert (body["details"]["total_contacts"], body["details"]["invalid_leads_count"]) == (3_001, 0)


async def test_a_sender_that_is_not_registered(sqlite_world: World) -> None:
    """Choices, "All faces": where registration is on, an unknown sender is 400 on that field."""
    await sqlite_world.store.write(lambda connection: connection.execute(tables.organizations.update().values(registered_senders=True)))
    response = await sqlite_world.post(CAMPAIGNS, CAMPAIGN)
    assert (response.status_code, response.json()) == (400, refused("teli_sms_number is not a registered sender"))


OPTIONS: dict[str, Any] = {
    "enable_sms_to_voice": True,
    "voice_agent_id": "agent_86f826bf8f59bacd5c10ae948a",
    "outbound_number": "+15174686941",
    "dry_run": True,
    "enable_number_validation": True,
    "mms_media_url": "https://acme.example/offer.png",
    "followup_interval": 3600,
    "extraction_fields": ["budget", {"name": "age", "description": "In years", "type": "number"}],
    "custom_follow_up": "Still there?",
}


async def test_the_options_of_a_campaign_are_kept(sqlite_world: World) -> None:
    """Vendor-apis 1.3: the optional fields of `POST /v1/campaigns` come back in the list; extraction fields may be mixed."""
    made = (await sqlite_world.post(CAMPAIGNS, CAMPAIGN | OPTIONS | {"teli_sms_number": "+254700000001"})).json()
    assert made["details"]["voice_transfer_enabled"] is True
    (listed,) = (await sqlite_world.get(f"{ORGANIZATIONS}/{ORGANIZATION}/campaigns?user_id=u1")).json()["campaigns"]
    assert {name: listed[name] for name in OPTIONS} == OPTIONS
    shown = (await sqlite_world.get(f"{CAMPAIGNS}/camp_abc123")).json()["campaign"]
    assert (shown["enable_sms_to_voice"], shown["extraction_fields"]) == (True, OPTIONS["extraction_fields"])
    assert (shown["outbound_number"], listed["teli_sms_number"]) == ("+254700000001", "+254700000001")
    without = {name: value for name, value in OPTIONS.items() if name != "outbound_number"}
    response = await sqlite_world.post(CAMPAIGNS, CAMPAIGN | without | {"campaign_id": "second"})
    error = "voice_agent_id and outbound_number are required when enable_sms_to_voice is true"
    assert (response.status_code, response.json()) == (400, refused(error)), "both are required"


async def test_campaigns_of_an_organization(sqlite_world: World) -> None:
    """Vendor-apis 1.3, `GET /v1/organizations/{org_id}/campaigns`: `user_id` is required, `is_admin` shows the whole organization's."""
    await make_campaign(sqlite_world)
    await make_campaign(sqlite_world, campaign_id="second", user_id="u2", teli_sms_number="DUKA", dry_run=True, followup_interval=60)
    path = f"{ORGANIZATIONS}/{ORGANIZATION}/campaigns"
    body = (await sqlite_world.get(f"{path}?user_id=u1")).json()
    (first,) = body.pop("campaigns")
    assert body == {"success": True, "count": 1, "powered_by": "Teli"}
    assert re.fullmatch(r"1763856000123x\d{18}", first.pop("campaign_id_pk"))
    assert first == {
        "campaign_id": "camp_abc123",
        "campaign_name": "Offer",
        "campaign_type": "sms",
        "status": "ACTIVE",
        "campaign_create_time": "2025-11-23T00:00:00.123456Z",
        "sms_agent_id": "a1",
        "teli_sms_number": "+254700000001",
        "starting_message": None,
        "objective_prompt": None,
        "organization_id": str(ORGANIZATION),
        "user_id": "u1",
        "created_by_user_id": "u1",
        "tenant_id": str(ORGANIZATION),
        "enable_sms_to_voice": False,
        "voice_agent_id": None,
        "outbound_number": None,
        "drip_enabled": False,
        "drip_schedule": [],
        "drip_start_datetime": None,
        "mms_media_url": None,
        "followup_interval": 0,
        "use_jit_queue": False,
        "dry_run": False,
        "enable_number_validation": False,
        "extraction_fields": [],
        "custom_follow_up": None,
    }
    every = (await sqlite_world.get(f"{path}?user_id=u1&is_admin=true")).json()
    assert [each["campaign_id"] for each in every["campaigns"]] == ["second", "camp_abc123"]
    assert (every["campaigns"][0]["dry_run"], every["campaigns"][0]["teli_sms_number"]) == (True, "DUKA")
    for bad, status, error in (
        (path, 400, "user_id is required"),
        (f"{ORGANIZATIONS}/{OTHER}/campaigns?user_id=u1", 404, "Organization not found"),
        (f"{ORGANIZATIONS}/x/campaigns?user_id=u1", 404, "Organization not found"),
    ):
        response = await sqlite_world.get(bad)
        assert (response.status_code, response.json()) == (status, refused(error))


async def test_messages_by_since_and_limit(world: World) -> None:
    """Vendor-apis 1.3, `GET /v1/campaigns/{id}/messages`: the newest first, `since` gives only later ones, `limit` 100 by default."""
    contacts = [{"phone_number": f"+2547{number:08}"} for number in range(150)]
    await make_campaign(world, contacts=contacts)
    await world.top_up(1_000 * KES)
    phones = [contact["phone_number"] for contact in contacts]
    await world.post(BULK, SEED | {"phone_numbers": phones})
    world.clock.time = NOW + 60_000_000
    await world.post(BULK, SEED | {"phone_numbers": phones[:2], "message": "later"})
    path = f"{CAMPAIGNS}/camp_abc123/messages"
    page = (await world.get(path)).json()
    assert (page["count"], page["has_more"], len(page["messages"])) == (100, True, 100)
    assert [message["phone_number"] for message in page["messages"][:3]] == [phones[1], phones[0], phones[149]]
    assert len({message["message_id"] for message in page["messages"]}) == 100
    every = (await world.get(f"{path}?limit=1000")).json()
    assert (every["count"], every["has_more"]) == (152, False)
    for since in ("2025-11-23T00:00:00.123456Z", "2025-11-23T00:00:30", "2025-11-23T03:00:30+03:00", "2025-11-23 00:00:30"):
        later = (await world.get(path, params={"since": since})).json()
        assert [message["message"] for message in later["messages"]] == ["later", "later"], since
    unescaped = (await world.get(f"{path}?since=2025-11-23T03:00:30+03:00")).json()
    assert unescaped["count"] == 2
    for query, error in (
        ("limit=0", "limit must be a whole number from 1"),
        ("limit=x", "limit must be a whole number from 1"),
        ("since=yesterday", "since must be an ISO 8601 time"),
    ):
        response = await world.get(f"{path}?{query}")
        assert (response.status_code, response.json()) == (400, refused(error))


async def test_a_resellers_name_is_in_every_answer(free_world: World) -> None:
    """Issue 8: `powered_by` is Teli unless configured otherwise."""
    await make_campaign(free_world)
    for response in (
        await free_world.post(BULK, SEED),
        await free_world.post(BULK, {}),
        await free_world.get(f"{CAMPAIGNS}/camp_abc123"),
        await free_world.get("/v1/nothing"),
        await free_world.get(BULK),
        await free_world.get(CAMPAIGNS + "/x", None),
    ):
        assert response.json()["powered_by"] == "Reseller"


async def test_what_is_kept_beside_a_number_is_bounded(sqlite_world: World) -> None:
    """Issue 8, "Limits on everything": what comes back in every list is at most 64 KiB."""
    note = "x" * (64 << 10)
    too_large = (413, refused("The body is larger than 65536 bytes."))
    response = await sqlite_world.post(CONTACTS, {"phone_number": "0734567890", "note": note}, OTHER_KEY)
    assert (response.status_code, response.json()) == too_large
    response = await sqlite_world.post(CAMPAIGNS, CAMPAIGN | {"custom_follow_up": note})
    assert (response.status_code, response.json()) == too_large
    response = await sqlite_world.post(CONTACTS, {"phone_number": "0734567890", "list_id": "x" * 201}, OTHER_KEY)
    assert (response.status_code, response.json()) == (400, refused("list_id may have at most 200 characters"))
    assert await sqlite_world.count(tables.contacts) == 0
