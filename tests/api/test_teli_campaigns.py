"""Teli's campaigns, contacts and organizations over HTTP: each row names its source."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.api.conftest import KEY, NOW, ORGANIZATION, OTHER_KEY, Unlimited, World, serving
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


async def test_a_contact_is_added(world: World) -> None:
    """Vendor-apis 1.8: 201 with `list_created` or `group_name`; chosen: `campaign_id` adds it to a campaign."""
    await world.post(CAMPAIGNS, CAMPAIGN | {"organization_id": OTHER}, OTHER_KEY)
    response = await world.post(CONTACTS, {"phone_number": "0734567890", "first_name": "Cleo", "pet": "cat"}, OTHER_KEY)
    assert response.status_code == 201
    body = response.json()
    list_id = body.pop("list_id")
    assert re.fullmatch(r"1763856000123x\d{18}", list_id)
    assert re.fullmatch(r"contact_1763856000123x\d{18}", body.pop("contact_id"))
    assert body == {"success": True, "message": "Contact created successfully", "list_created": True, "powered_by": "Teli"}
    again = {"phone_number": "+254 734 567 890", "list_id": list_id, "campaign_id": "camp_abc123", "organization_id": OTHER}
    second = (await world.post(CONTACTS, again, OTHER_KEY)).json()
    assert (second["list_id"], second["group_name"]) == (list_id, list_id)
    assert "list_created" not in second
    sent = (await world.post(BULK, SEED | {"phone_numbers": ["+254734567890"]}, OTHER_KEY)).json()
    assert sent["results"][0].get("error") == "Insufficient balance"
    rows = await world.store.read(lambda connection: list(connection.execute(tables.contacts.select())))
    assert {"first_name": "Cleo", "pet": "cat"} in [json.loads(row.fields) for row in rows]


async def test_the_same_contact_is_one(world: World) -> None:
    body = {"phone_number": "0734567890", "list_id": "friends", "first_name": "A"}
    first = (await world.post(CONTACTS, body, OTHER_KEY)).json()
    second = (await world.post(CONTACTS, body | {"first_name": "B"}, OTHER_KEY)).json()
    assert first["contact_id"] == second["contact_id"]
    assert await world.count(tables.contacts) == 1


REFUSED_CONTACTS = [
    ({}, 400, "phone_number is required"),
    ({"phone_number": None}, 400, "phone_number is required"),
    ({"phone_number": "12"}, 400, "Invalid phone number"),
    ({"phone_number": "0734567890", "organization_id": str(ORGANIZATION)}, 404, "Organization not found"),
    ({"phone_number": "0734567890", "campaign_id": "nothing"}, 404, "Campaign not found"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("body", "status", "error"), REFUSED_CONTACTS, ids=lambda value: str(value)[:40])
async def test_a_contact_that_is_refused(still_world: World, body: object, status: int, error: str) -> None:
    response = await still_world.post(CONTACTS, body, OTHER_KEY)
    assert (response.status_code, response.json()) == (status, refused(error))


async def test_organizations_that_a_key_makes(world: World) -> None:
    """Vendor-apis 1.8; choices, "Teli": a key acts for its organization and for those made with it."""
    response = await world.post(ORGANIZATIONS, {"name": "West", "contact_email": "west@acme.example"}, OTHER_KEY)
    assert response.status_code == 200
    body = response.json()
    made = body.pop("organization")
    assert body == {"success": True, "powered_by": "Teli"}
    west = made.pop("unique_id")
    assert made == {"name": "West", "sms_active": True, "teli_sms_number": None, "sms_registration_status": "not_started"}

    listed = (await world.get(ORGANIZATIONS, OTHER_KEY)).json()
    assert (listed["success"], listed["count"]) == (True, 2)
    assert [(each["name"], each["unique_id"], each["tenant_id"]) for each in listed["organizations"]] == [
        ("other", OTHER, OTHER),
        ("West", west, OTHER),
    ]
    one = (await world.get(f"{ORGANIZATIONS}/{west}", OTHER_KEY)).json()
    assert one["organization"] == listed["organizations"][1]
    assert one["organization"]["contact_email"] == "west@acme.example"
    assert one["organization"]["created_at"] == "2025-11-23T00:00:00.123456Z"

    # The key acts for it: its campaign, paid from its own wallet, which begins empty.
    await make_campaign_for(world, west)
    sent = (await world.post(BULK, SEED, OTHER_KEY)).json()
    assert sent["results"][0]["error"] == "Insufficient balance"
    listed = (await world.get(f"{ORGANIZATIONS}/{west}/campaigns?user_id=u1", OTHER_KEY)).json()
    assert [each["organization_id"] for each in listed["campaigns"]] == [west]

    taken = await world.post(ORGANIZATIONS, {"name": "West", "contact_email": "x@y.z"}, OTHER_KEY)
    assert (taken.status_code, taken.json()) == (400, refused("An organization named West already exists"))
    # Another tenant sees nothing of it, and may choose the same name and the same campaign id.
    assert (await world.post(CAMPAIGNS, CAMPAIGN | {"organization_id": west}, KEY)).json() == refused("Organization not found")
    assert (await world.get(f"{CAMPAIGNS}/camp_abc123", KEY)).json() == refused("Campaign not found")
    await make_campaign(world)


async def make_campaign_for(world: World, organization_id: str) -> None:
    response = await world.post(CAMPAIGNS, CAMPAIGN | {"organization_id": organization_id}, OTHER_KEY)
    assert response.status_code == 200, response.text


REFUSED_ORGANIZATIONS = [
    ({"contact_email": "a@b.c"}, 400, "name is required"),
    ({"name": " ", "contact_email": "a@b.c"}, 400, "name is required"),
    ({"name": "West"}, 400, "contact_email is required"),
    ({"name": "West", "contact_email": "nobody"}, 400, "contact_email must be an email address"),
    ({"name": "x" * 101, "contact_email": "a@b.c"}, 400, "name may have at most 100 characters"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("body", "status", "error"), REFUSED_ORGANIZATIONS, ids=lambda value: str(value)[:40])
async def test_an_organization_that_is_refused(still_world: World, body: object, status: int, error: str) -> None:
    response = await still_world.post(ORGANIZATIONS, body, OTHER_KEY)
    assert (response.status_code, response.json()) == (status, refused(error))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("organization_id", ["nobody", str(ORGANIZATION), "00000000-0000-0000-0000-000000000009"])
async def test_an_organization_that_is_not_the_keys(still_world: World, organization_id: str) -> None:
    response = await still_world.get(f"{ORGANIZATIONS}/{organization_id}", OTHER_KEY)
    assert (response.status_code, response.json()) == (404, refused("Organization not found"))


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
