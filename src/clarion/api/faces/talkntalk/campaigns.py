"""`campaigns/status/` and `campaigns/messages/`: how a broadcast stands, and each of its messages."""

from functools import partial

from starlette.datastructures import QueryParams
from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.talkntalk.choices import (
    ERROR_LABELS,
    FAILED,
    LABELS,
    PAGE_MAX,
    PAGE_SIZE,
    PAGE_SIZE_MAX,
    SENT,
    campaign_status,
    count,
    delivery_rate,
    local_time,
    states_labelled,
)
from clarion.api.faces.talkntalk.networks import network_of
from clarion.api.faces.talkntalk.shapes import (
    CampaignMessage,
    CampaignMessages,
    CampaignMessagesQuery,
    CampaignQuery,
    CampaignStatus,
)
from clarion.api.origin import origin
from clarion.api.refusals import Code, Refusal
from clarion.core.public_id import message_ids
from clarion.store import views

UNKNOWN_CAMPAIGN = Refusal(Code.UNKNOWN_CAMPAIGN)
UNKNOWN_PAGE = Refusal(Code.UNKNOWN_PAGE)


async def status(call: Call, body: CampaignQuery) -> Response | Refusal:
    """Ids of another organization are unknown ones."""
    found = await call.services.runtime.store.read(views.broadcast, call.organization.id, body.campaign_id)
    if found is None:
        return UNKNOWN_CAMPAIGN
    time = partial(local_time, zone=call.organization.zone)
    shown = CampaignStatus(
        campaign_id=str(found.public_id),
        status=campaign_status(found),
        message=found.text,
        sender_id=found.sender,
        recipients_count=found.recipients,
        sent_count=count(found, SENT),
        failed_count=count(found, FAILED),
        delivery_rate=delivery_rate(found),
        created_at=time(found.created_at),
        started_at=None if found.started_at is None else time(found.started_at),
        finished_at=None if found.finished_at is None else time(found.finished_at),
    )
    return answer(200, shown)


async def messages(call: Call, body: CampaignMessagesQuery) -> Response | Refusal:
    """Messages in the order of their ids. Recipients that were refused at accept are in its answer only."""
    page = number_in(call.request.query_params, "page", 1)
    page_size = number_in(call.request.query_params, "page_size", PAGE_SIZE)
    if isinstance(page, Refusal):
        return page
    if isinstance(page_size, Refusal):
        return page_size
    page_size = min(page_size, PAGE_SIZE_MAX)
    if page > PAGE_MAX:
        return UNKNOWN_PAGE
    store = call.services.runtime.store
    found = await store.read(views.broadcast, call.organization.id, body.campaign_id)
    if found is None:
        return UNKNOWN_CAMPAIGN
    states = None if body.status is None else states_labelled(body.status)
    rows, total = await store.read(views.broadcast_messages, found, states, (page - 1) * page_size, page_size)
    total_pages = -(-total // page_size)
    if page > max(1, total_pages):
        return UNKNOWN_PAGE
    prefix, zone = message_ids(found.public_id), call.organization.zone
    shown = CampaignMessages(
        campaign_id=str(found.public_id),
        total=total,
        page=page,
        page_size=page_size,
        total_pages=total_pages,
        next=_page_url(call, page + 1, page_size) if page < total_pages else None,
        previous=_page_url(call, page - 1, page_size) if page > 1 else None,
        results=[_message(row, prefix, zone) for row in rows],
    )
    return answer(200, shown)


def _message(row: views.MessageView, prefix: str, zone: str) -> CampaignMessage:
    shown = CampaignMessage(
        id=f"{prefix}{row.offset:08x}",
        mobile=str(row.recipient),
        sender_id=row.sender,
        status=LABELS[row.state],
        network=network_of(row.recipient),
        created_at=local_time(row.created_at, zone),
        updated_at=local_time(row.updated_at, zone),
    )
    if row.reason and shown.status in ERROR_LABELS:
        shown.error = row.reason
    return shown


def number_in(query: QueryParams, name: str, default: int) -> int | Refusal:
    """A whole number from 1 in ASCII digits. 20 digits are more than any page has, and few enough to read."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) > 0):
        return Refusal(Code.FIELD_NOT_NUMBER, name)
    return int(text)


def _page_url(call: Call, page: int, page_size: int) -> str:
    base = origin(call.request, call.services.trusted_proxies)
    return f"{base}{call.request.url.path}?page={page}&page_size={page_size}"
