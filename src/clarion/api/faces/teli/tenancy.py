"""Whom a key acts for: its organization, and those made with it. Everything else is answered as unknown."""

from clarion.api.endpoint import Call
from clarion.api.faces.teli.choices import NAME
from clarion.api.refusals import Code, Refusal
from clarion.store import campaigns
from clarion.store.campaigns import Campaign
from clarion.store.catalog import Organization, load_family

UNKNOWN_ORGANIZATION = Refusal(Code.UNKNOWN_ORGANIZATION)
UNKNOWN_CAMPAIGN = Refusal(Code.UNKNOWN_CAMPAIGN)


async def organization_at(call: Call, organization_id: str) -> Organization | Refusal:
    """The organization of this `unique_id`, which is the UUID that it has in the whole house."""
    own = call.organization
    if organization_id.lower() == str(own.public_id):
        return own
    family = await call.services.runtime.store.read(load_family, own.id)
    found = next((each for each in family if str(each.public_id) == organization_id.lower()), None)
    return found or UNKNOWN_ORGANIZATION


async def campaign_at(call: Call, campaign_id: str) -> tuple[Campaign, Organization] | Refusal:
    """The campaign of this id, and whose it is."""
    own, read = call.organization, call.services.runtime.store.read
    # PostgreSQL's text has no null characters, so no campaign's id has one.
    found = None if "\0" in campaign_id else await read(campaigns.find, own.id, NAME, campaign_id)
    if found is None:
        return UNKNOWN_CAMPAIGN
    if found.organization_id == own.id:
        return found, own
    family = await read(load_family, own.id)
    owner = next((each for each in family if each.id == found.organization_id), None)
    return UNKNOWN_CAMPAIGN if owner is None else (found, owner)
