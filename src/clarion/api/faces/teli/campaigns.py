"""Campaigns: made with their contacts, read, listed, and their messages."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.teli.choices import FIELDS_BYTES_MAX, MESSAGES_LIMIT, MESSAGES_LIMIT_MAX, NAME, micros, row_id, time
from clarion.api.faces.teli.leads import read_leads
from clarion.api.faces.teli.numbers import sender_from
from clarion.api.faces.teli.sending import FAILED, FAILURES, SENT, TAKEN
from clarion.api.faces.teli.shapes import (
    TeliCampaign,
    TeliCampaignAgent,
    TeliCampaignAnswer,
    TeliCampaigns,
    TeliCampaignUpload,
    TeliListedCampaign,
    TeliMessage,
    TeliMessages,
    TeliNewCampaign,
    TeliNewCampaignAnswer,
)
from clarion.api.faces.teli.tenancy import campaign_at, organization_at
from clarion.api.refusals import Code, Refusal
from clarion.api.senders import refused_sender
from clarion.core.phone import format_international
from clarion.core.public_id import message_ids
from clarion.flow.accept import SLICE
from clarion.store import campaigns, contacts
from clarion.store.campaigns import Campaign, CampaignDraft, CampaignMessage
from clarion.store.catalog import Organization

KEPT = (
    "user_id",
    "enable_sms_to_voice",
    "voice_agent_id",
    "outbound_number",
    "dry_run",
    "enable_number_validation",
    "mms_media_url",
    "followup_interval",
    "extraction_fields",
    "custom_follow_up",
)
"""Fields of a new campaign that are kept as they came."""

TRUE = frozenset({"true", "1", "yes"})


async def create(call: Call, body: TeliNewCampaign) -> Response | Refusal:
    """Stores the contacts before it answers. An id that is taken is 400 and changes nothing."""
    organization = await organization_at(call, body.organization_id)
    if isinstance(organization, Refusal):
        return organization
    sender = sender_from(body.teli_sms_number, organization)
    if sender is None:
        return Refusal(Code.FIELD_INVALID, "teli_sms_number")
    refused = await refused_sender(call.services, organization, sender, "teli_sms_number")
    if refused is not None:
        return refused
    if body.enable_sms_to_voice and not (body.voice_agent_id and body.outbound_number):
        return Refusal(Code.FIELD_INVALID, "voice_agent_id")
    runtime = call.services.runtime
    details = msgspec.json.encode({name: getattr(body, name) for name in KEPT}).decode()
    if len(details) > FIELDS_BYTES_MAX:
        return Refusal(Code.BODY_TOO_LARGE, values={"limit": FIELDS_BYTES_MAX})
    now = runtime.clock.now()
    draft = CampaignDraft(organization.id, NAME, body.campaign_id, body.campaign_name, sender, body.sms_agent_id, details, now)
    campaign_id = await runtime.store.write(campaigns.begin, draft, call.organization.id)
    if campaign_id is None:
        return Refusal(Code.CAMPAIGN_EXISTS, values={"campaign": body.campaign_id})
    invalid = await _store_contacts(call, organization, campaign_id, body.contacts, now)
    total = await runtime.store.write(campaigns.activate, campaign_id)
    shown = TeliNewCampaignAnswer(
        success=True,
        campaign_id=body.campaign_id,
        status=campaigns.ACTIVE,
        message="Campaign upload started successfully",
        agent=TeliCampaignAgent(body.sms_agent_id, None),
        details=TeliCampaignUpload(total, invalid, 0, has_drips=False, voice_transfer_enabled=bool(body.enable_sms_to_voice)),
        powered_by=call.services.powered_by,
    )
    return answer(200, shown)


async def _store_contacts(call: Call, organization: Organization, campaign_id: int, leads: Sequence[msgspec.Raw], now: int) -> int:
    """In slices that do not wait for each other's commit; returns how many leads have no number that could be written to."""
    runtime = call.services.runtime
    writes = []
    invalid = 0
    for start in range(0, len(leads), SLICE):
        records, without = read_leads(leads[start : start + SLICE], organization.region)
        invalid += without
        writes.append(asyncio.ensure_future(runtime.store.write(contacts.add, organization.id, campaign_id, records, now)))
        await runtime.timer.sleep(0)
    await asyncio.gather(*writes)
    return invalid


async def show(call: Call) -> Response | Refusal:
    """One campaign with its totals."""
    found = await campaign_at(call, call.request.path_params["campaign_id"])
    if isinstance(found, Refusal):
        return found
    campaign, organization = found
    read = call.services.runtime.store.read
    totals, standings = await read(campaigns.totals, campaign.id), await read(campaigns.standings, [campaign.id])
    details = msgspec.json.decode(campaign.details)
    shown = TeliCampaign(
        campaign_id=campaign.external_id,
        campaign_name=campaign.name,
        status=_status(campaign, standings),
        sms_agent_id=campaign.agent_id,
        organization_id=str(organization.public_id),
        outbound_number=campaign.sender,
        direction="outbound",
        total_contacts=totals.contacts,
        total_messages=totals.messages,
        created_at=time(campaign.created_at),
        enable_sms_to_voice=bool(details.get("enable_sms_to_voice")),
        drip_schedule=[],
        extraction_fields=details.get("extraction_fields") or [],
    )
    return answer(200, TeliCampaignAnswer(success=True, campaign=shown, powered_by=call.services.powered_by))


async def list_of_organization(call: Call) -> Response | Refusal:
    """Those that the user made, or with `is_admin` all of the organization."""
    organization = await organization_at(call, call.request.path_params["org_id"])
    if isinstance(organization, Refusal):
        return organization
    query = call.request.query_params
    user_id = query.get("user_id", "").strip()
    if not user_id:
        return Refusal(Code.FIELD_MISSING, "user_id")
    every = query.get("is_admin", "").lower() in TRUE
    read = call.services.runtime.store.read
    found = await read(campaigns.campaigns_of, organization.id, NAME)
    pairs = [(campaign, msgspec.json.decode(campaign.details)) for campaign in found]
    wanted = [(campaign, details) for campaign, details in pairs if every or details.get("user_id") == user_id]
    standings = await read(campaigns.standings, [campaign.id for campaign, _ in wanted])
    shown = [_listed(campaign, details, organization, call.organization, _status(campaign, standings)) for campaign, details in wanted]
    return answer(200, TeliCampaigns(success=True, count=len(shown), campaigns=shown, powered_by=call.services.powered_by))


async def messages(call: Call) -> Response | Refusal:
    """The newest first. There is no cursor: `since` gives what is later."""
    query = call.request.query_params
    after = _since(query)
    if isinstance(after, Refusal):
        return after
    limit = _limit(query)
    if isinstance(limit, Refusal):
        return limit
    found = await campaign_at(call, call.request.path_params["campaign_id"])
    if isinstance(found, Refusal):
        return found
    campaign, _ = found
    rows = await call.services.runtime.store.read(campaigns.messages, campaign.id, after, limit + 1)
    shown = TeliMessages(
        success=True,
        messages=[_message(row, campaign) for row in rows[:limit]],
        count=len(rows[:limit]),
        has_more=len(rows) > limit,
        powered_by=call.services.powered_by,
    )
    return answer(200, shown)


def _message(row: CampaignMessage, campaign: Campaign) -> TeliMessage:
    phone = format_international(row.recipient)
    shown = TeliMessage(
        message_id=f"{message_ids(row.broadcast)}{row.offset:08x}",
        phone_number=phone,
        from_number=row.sender,
        to_number=phone,
        message=row.text,
        sender_type="agent",
        timestamp=time(row.created_at),
        thread_id=f"{phone}_{campaign.external_id}",
        status=FAILED if row.state in FAILURES else SENT,
    )
    if row.state not in FAILURES | TAKEN:
        shown.queued = True
    return shown


def _listed(
    campaign: Campaign, details: dict[str, Any], organization: Organization, tenant: Organization, status: str
) -> TeliListedCampaign:
    user_id = details.get("user_id") or ""
    return TeliListedCampaign(
        campaign_id=campaign.external_id,
        campaign_id_pk=row_id("campaign", campaign.id, campaign.created_at),
        campaign_name=campaign.name,
        campaign_type="sms",
        status=status,
        campaign_create_time=time(campaign.created_at),
        sms_agent_id=campaign.agent_id,
        teli_sms_number=campaign.sender,
        starting_message=None,
        objective_prompt=None,
        organization_id=str(organization.public_id),
        user_id=user_id,
        created_by_user_id=user_id,
        tenant_id=str(tenant.public_id),
        enable_sms_to_voice=bool(details.get("enable_sms_to_voice")),
        voice_agent_id=details.get("voice_agent_id"),
        outbound_number=details.get("outbound_number"),
        drip_enabled=False,
        drip_schedule=[],
        drip_start_datetime=None,
        mms_media_url=details.get("mms_media_url"),
        followup_interval=details.get("followup_interval") or 0,
        use_jit_queue=False,
        dry_run=bool(details.get("dry_run")),
        enable_number_validation=bool(details.get("enable_number_validation")),
        extraction_fields=details.get("extraction_fields") or [],
        custom_follow_up=details.get("custom_follow_up"),
    )


def _status(campaign: Campaign, standings: Mapping[int, str]) -> str:
    """In capitals where campaigns are read; one of which nothing was sent yet is active."""
    return standings.get(campaign.id, campaigns.ACTIVE).upper()


def _since(query: QueryParams) -> int | Refusal:
    text = query.get("since")
    if not text:
        return -1
    at = micros(text)
    return Refusal(Code.FIELD_INVALID, "since") if at is None else at


def _limit(query: QueryParams) -> int | Refusal:
    text = query.get("limit")
    if not text:
        return MESSAGES_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) > 0):
        return Refusal(Code.FIELD_NOT_NUMBER, "limit")
    return min(int(text), MESSAGES_LIMIT_MAX)
