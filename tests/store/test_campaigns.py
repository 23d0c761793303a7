"""Campaigns, contacts and families on both databases."""

from uuid import UUID

import pytest
from tests.flow.rig import add_organization

from clarion.store import Store, campaigns, contacts, families
from clarion.store.campaigns import CampaignDraft
from clarion.store.catalog import Organization, load_organization
from clarion.store.contacts import ContactDraft
from clarion.store.errors import AlreadyThere

NOW = 1_763_856_000_000_000


async def organization(store: Store, name: str) -> Organization:
    await store.write(add_organization, name, 0, NOW)
    made = await store.read(load_organization, name)
    assert made is not None
    return made


def draft(organization_id: int, **changes: object) -> CampaignDraft:
    return CampaignDraft(organization_id, "teli", "c", "C", None, None, "{}", NOW)._replace(**changes)  # type: ignore[arg-type]


async def test_a_campaign_is_begun_filled_and_active(store: Store) -> None:
    acme = await organization(store, "acme")
    campaign_id = await store.write(campaigns.begin, draft(acme.id, sender="S", agent_id="A"), acme.id)
    assert campaign_id is not None
    await store.write(contacts.add, acme.id, campaign_id, [(k, "{}") for k in (3, 1, 3)], NOW)
    await store.write(contacts.add, acme.id, campaign_id, [(1, '{"a":1}'), (2, "{}")], NOW)
    found = await store.read(campaigns.find, acme.id, "teli", "c")
    assert found is not None
    assert (found.state, found.sender, found.agent_id) == ("processing", "S", "A")
    assert await store.write(campaigns.activate, campaign_id) == 3
    assert await store.read(campaigns.totals, campaign_id) == (3, 0)
    assert await store.read(contacts.among, campaign_id, [1, 2, 4]) == {1, 2}
    assert await store.read(campaigns.find, acme.id, "talkntalk", "c") is None


async def test_one_that_was_cut_off_is_taken_up_again(store: Store) -> None:
    acme = await organization(store, "acme")
    first = await store.write(campaigns.begin, draft(acme.id), acme.id)
    again = await store.write(campaigns.begin, draft(acme.id, name="D"), acme.id)
    assert first == again
    assert first is not None
    await store.write(campaigns.activate, first)
    assert await store.write(campaigns.begin, draft(acme.id, name="E"), acme.id) is None
    found = await store.read(campaigns.find, acme.id, "teli", "c")
    assert found is not None
    assert (found.name, found.state) == ("D", "active")


async def test_whoever_made_an_organization_acts_for_it(store: Store) -> None:
    acme, other = await organization(store, "acme"), await organization(store, "other")
    west_id = await store.write(families.create_child, acme, "West", "w@x.y", UUID(int=7), NOW)
    relatives = await store.read(families.relatives, acme.id)
    assert [(each.name, each.organization.name, each.created_at, each.sent) for each in relatives] == [
        ("acme", "acme", NOW, 0),
        ("West", "acme/West", NOW, 0),
    ]
    assert (relatives[1].organization.parent_id, relatives[1].organization.contact_email) == (acme.id, "w@x.y")
    assert await store.write(campaigns.begin, draft(west_id), acme.id) is not None
    assert await store.read(campaigns.find, acme.id, "teli", "c") is not None
    assert await store.read(campaigns.find, other.id, "teli", "c") is None
    # What one may act for may not be named twice; another tenant is free to.
    assert await store.write(campaigns.begin, draft(acme.id), acme.id) is None
    assert await store.write(campaigns.begin, draft(other.id), other.id) is not None
    with pytest.raises(AlreadyThere):
        await store.write(families.create_child, acme, "West", "w@x.y", UUID(int=8), NOW)
    assert await store.write(families.create_child, other, "West", "w@x.y", UUID(int=9), NOW)


async def test_a_contact_is_one_of_each_list_and_each_campaign(store: Store) -> None:
    acme = await organization(store, "acme")
    campaign_id = await store.write(campaigns.begin, draft(acme.id), acme.id)
    new = ContactDraft(acme.id, None, "l", 254712345678, "{}", NOW)
    first = await store.write(contacts.put, new)
    second = await store.write(contacts.put, new._replace(fields='{"a":1}', now=NOW + 1))
    assert (first.list_made, second.list_made) == (True, False)
    assert (first.id, first.created_at) == (second.id, second.created_at)
    third = await store.write(contacts.put, new._replace(campaign_id=campaign_id))
    fourth = await store.write(contacts.put, new._replace(campaign_id=campaign_id, list_id="m"))
    assert first.id != third.id == fourth.id
    assert fourth.list_made
