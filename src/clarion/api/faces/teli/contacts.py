"""`POST /v1/contacts`: one contact, into a list and, if it names one, a campaign."""

from msgspec import UNSET
from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.teli.choices import FIELDS_BYTES_MAX, row_id
from clarion.api.faces.teli.leads import fields_of, read_lead
from clarion.api.faces.teli.shapes import TeliNewContact, TeliNewContactAnswer
from clarion.api.faces.teli.tenancy import UNKNOWN_CAMPAIGN, campaign_at, organization_at
from clarion.api.refusals import Code, Refusal
from clarion.core.phone import parse
from clarion.store import contacts
from clarion.store.contacts import ContactDraft

PLACES = ("phone_number", "organization_id", "user_id", "list_id", "campaign_id")
"""Fields that say whose contact it is; all others are its own."""


async def create(call: Call, body: TeliNewContact) -> Response | Refusal:
    """201, also for a number that is there already: it has the new fields then."""
    if len(call.body) > FIELDS_BYTES_MAX:
        return Refusal(Code.BODY_TOO_LARGE, values={"limit": FIELDS_BYTES_MAX})
    organization = call.organization
    if body.organization_id is not None:
        found = await organization_at(call, body.organization_id)
        if isinstance(found, Refusal):
            return found
        organization = found
    campaign_id = None
    if body.campaign_id is not None:
        owned = await campaign_at(call, body.campaign_id)
        if isinstance(owned, Refusal):
            return owned
        campaign, owner = owned
        if body.organization_id is not None and owner.id != organization.id:
            return UNKNOWN_CAMPAIGN
        organization, campaign_id = owner, campaign.id
    number = parse(body.phone_number, organization.region)
    if number is None:
        return Refusal(Code.FIELD_INVALID, "phone_number")
    runtime = call.services.runtime
    now = runtime.clock.now()
    list_id = body.list_id or row_id("list", number, now)
    fields = fields_of(read_lead(call.body), *PLACES)
    put = await runtime.store.write(contacts.put, ContactDraft(organization.id, campaign_id, list_id, number, fields, now))
    shown = TeliNewContactAnswer(
        success=True,
        contact_id=f"contact_{row_id('contact', put.id, put.created_at)}",
        list_id=list_id,
        message="Contact created successfully",
        powered_by=call.services.powered_by,
        group_name=UNSET if put.list_made else list_id,
        list_created=True if put.list_made else UNSET,
    )
    return answer(201, shown)
