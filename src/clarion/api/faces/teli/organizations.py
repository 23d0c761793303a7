"""Organizations that the key acts for: its own, and those that it makes. Each has a wallet of its own, which begins empty."""

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.teli.choices import time
from clarion.api.faces.teli.shapes import (
    TeliMadeOrganization,
    TeliNewOrganization,
    TeliNewOrganizationAnswer,
    TeliOrganization,
    TeliOrganizationAnswer,
    TeliOrganizations,
)
from clarion.api.faces.teli.tenancy import UNKNOWN_ORGANIZATION
from clarion.api.refusals import Code, Refusal
from clarion.store import families
from clarion.store.catalog import Organization
from clarion.store.errors import AlreadyThere
from clarion.store.families import Relative

REGISTRATION = "not_started"
"""10DLC belongs to the carriers that one connects; nothing of it is registered here."""


async def create(call: Call, body: TeliNewOrganization) -> Response | Refusal:
    """In the currency and billing of the key's own organization."""
    runtime = call.services.runtime
    now = runtime.clock.now()
    public_id = runtime.ids.broadcast(now)
    name = body.name.strip()
    try:
        await runtime.store.write(families.create_child, call.organization, name, body.contact_email, public_id, now)
    except AlreadyThere:
        return Refusal(Code.ORGANIZATION_EXISTS, values={"organization": name})
    made = TeliMadeOrganization(str(public_id), name, sms_active=True, teli_sms_number=None, sms_registration_status=REGISTRATION)
    return answer(200, TeliNewOrganizationAnswer(success=True, organization=made, powered_by=call.services.powered_by))


async def list_all(call: Call) -> Response:
    """The key's own first."""
    found = await call.services.runtime.store.read(families.relatives, call.organization.id)
    shown = [_organization(each, call.organization) for each in found]
    return answer(200, TeliOrganizations(success=True, count=len(shown), organizations=shown, powered_by=call.services.powered_by))


async def show(call: Call) -> Response | Refusal:
    """One of them."""
    wanted = call.request.path_params["org_id"].lower()
    found = await call.services.runtime.store.read(families.relatives, call.organization.id)
    one = next((each for each in found if str(each.organization.public_id) == wanted), None)
    if one is None:
        return UNKNOWN_ORGANIZATION
    shown = TeliOrganizationAnswer(success=True, organization=_organization(one, call.organization), powered_by=call.services.powered_by)
    return answer(200, shown)


def _organization(relative: Relative, tenant: Organization) -> TeliOrganization:
    organization = relative.organization
    created_at = time(relative.created_at)
    return TeliOrganization(
        id=str(organization.public_id),
        unique_id=str(organization.public_id),
        name=relative.name,
        organization_name=relative.name,
        tenant_id=str(tenant.public_id),
        status="active",
        contact_email=organization.contact_email,
        sms_active=True,
        teli_sms_number=organization.default_sender,
        sms_phone_number=organization.default_sender,
        sms_registration_status=REGISTRATION,
        business_registration_id=None,
        sms_registration_id=None,
        sms_registration_uuid=None,
        registration_submitted_at=None,
        registration_approved_at=None,
        total_sms_outbound=relative.sent,
        total_sms_inbound=0,
        total_mms_outbound=0,
        total_mms_inbound=0,
        total_voice_seconds=0,
        created_at=created_at,
        modified_at=created_at,
        updated_at=created_at,
    )
