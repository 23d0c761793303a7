"""Teli's contacts and organizations over HTTP: each row names its source."""

import json
import re

import pytest
from tests.api.conftest import KEY, ORGANIZATION, OTHER_KEY, World
from tests.api.test_teli_campaigns import CONTACTS, ORGANIZATIONS, OTHER
from tests.api.test_teli_sending import BULK, CAMPAIGN, CAMPAIGNS, SEED, make_campaign, refused

from clarion.store import tables


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
    assert one == {"success": True, "organization": listed["organizations"][1], "powered_by": "Teli"}
    nothing_yet = ("sms_registration_uuid", "registration_submitted_at", "registration_approved_at", "teli_sms_number", "sms_phone_number")
    totals = ("total_sms_outbound", "total_sms_inbound", "total_mms_outbound", "total_mms_inbound", "total_voice_seconds")
    assert one["organization"] == {
        "id": west,
        "unique_id": west,
        "name": "West",
        "organization_name": "West",
        "tenant_id": OTHER,
        "status": "active",
        "contact_email": "west@acme.example",
        "sms_active": True,
        "sms_registration_status": "not_started",
        "business_registration_id": None,
        "sms_registration_id": None,
        **dict.fromkeys(nothing_yet),
        **dict.fromkeys(totals, 0),
        **dict.fromkeys(("created_at", "modified_at", "updated_at"), "2025-11-23T00:00:00.123456Z"),
    }

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
