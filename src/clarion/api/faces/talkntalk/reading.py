"""`GET /v1/`, `bulk-sms/messages/` and `bulk-sms/sender-ids/`: whose key it is, what was sent, under which senders."""

import re
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.talkntalk.campaigns import UNKNOWN_PAGE, number_in
from clarion.api.faces.talkntalk.choices import (
    API_FACES,
    ERROR_LABELS,
    LABELS,
    LOOK_BACK_MICROS,
    MOBILE_DIGITS_MAX,
    PAGE_MAX,
    PAGE_SIZE,
    PAGE_SIZE_MAX,
    PROVIDER,
    local_time,
    states_labelled,
)
from clarion.api.faces.talkntalk.networks import OTHER, network_of
from clarion.api.faces.talkntalk.shapes import (
    Label,
    Message,
    MessagePage,
    Organisation,
    SenderId,
    SenderIds,
    Source,
    Verified,
)
from clarion.api.origin import origin
from clarion.api.refusals import Code, Refusal
from clarion.core.phone import parse
from clarion.core.public_id import message_ids
from clarion.store import message_lists, senders
from clarion.store.message_lists import Listed, Wanted

FILTERS = ("status", "mobile", "sender_id", "source")

_BETWEEN_DIGITS = re.compile(r"[\s()+.\-]+")


async def verify(call: Call) -> Response:
    """Whose key this is."""
    organization = call.organization
    slug = re.sub(r"[^a-z0-9]+", "-", organization.name.lower()).strip("-")
    return answer(200, Verified("TalkNTalk", "v1", Organisation(str(organization.public_id), organization.name, slug)))


async def sender_ids(call: Call) -> Response:
    """The registered ones."""
    organization = call.organization
    found = await call.services.runtime.store.read(senders.of_organization, organization.id)
    shown = [
        SenderId(
            id=sender.id,
            sender_id=sender.sender,
            type=sender.kind,
            network=sender.network or OTHER,
            status="active",
            is_default=sender.sender == organization.default_sender,
            provider=PROVIDER,
        )
        for sender in found
    ]
    return answer(200, SenderIds(len(shown), shown))


async def messages(call: Call) -> Response | Refusal:
    """The newest first, of the last 90 days. Recipients that were refused at accept are in its answer only."""
    query = call.request.query_params
    page = number_in(query, "page", 1)
    if isinstance(page, Refusal):
        return page
    page_size = number_in(query, "page_size", PAGE_SIZE)
    if isinstance(page_size, Refusal):
        return page_size
    wanted = _wanted(call, query)
    if isinstance(wanted, Refusal):
        return wanted
    page_size = min(page_size, PAGE_SIZE_MAX)
    if page > PAGE_MAX:
        return UNKNOWN_PAGE
    rows, total = await call.services.runtime.store.read(message_lists.page, wanted, (page - 1) * page_size, page_size)
    total_pages = -(-total // page_size)
    if page > max(1, total_pages):
        return UNKNOWN_PAGE
    shown = MessagePage(
        total=total,
        page=page,
        page_size=page_size,
        total_pages=total_pages,
        next=_page_url(call, page + 1, page_size) if page < total_pages else None,
        previous=_page_url(call, page - 1, page_size) if page > 1 else None,
        results=[_message(row, call.organization.zone) for row in rows],
    )
    return answer(200, shown)


def _wanted(call: Call, query: QueryParams) -> Wanted | Refusal:
    """An empty filter is none, as a form sends it."""
    given = {name: query[name] for name in FILTERS if query.get(name)}
    for name, value in given.items():
        if "\0" in value:
            return Refusal(Code.FIELD_NUL, name)
    status, source, sender = given.get("status"), given.get("source"), given.get("sender_id")
    if status is not None and status not in set(Label):
        return Refusal(Code.FIELD_NOT_CHOICE, "status")
    if source is not None and source not in set(Source):
        return Refusal(Code.FIELD_NOT_CHOICE, "source")
    wanted = Wanted(
        organization_id=call.organization.id,
        states=None if status is None else states_labelled(status),
        sender=sender,
        since=call.services.runtime.clock.now() - LOOK_BACK_MICROS,
        faces=API_FACES if source == Source.API else None,
        not_faces=API_FACES if source == Source.WEB else None,
    )
    mobile = given.get("mobile")
    return wanted if mobile is None else _to(wanted, mobile, call.organization.region)


def _to(wanted: Wanted, mobile: str, region: str) -> Wanted | Refusal:
    """A number in any spelling, or the digits that numbers begin or end with."""
    digits = _BETWEEN_DIGITS.sub("", mobile)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MOBILE_DIGITS_MAX):
        return Refusal(Code.FIELD_INVALID, "mobile")
    numbers = () if digits.startswith("0") else message_lists.numbers_beginning(digits)
    whole = parse(mobile, region)
    return wanted._replace(numbers=(*numbers, *(() if whole is None else ((whole, whole),))), ending=digits)


def _message(row: Listed, zone: str) -> Message:
    shown = Message(
        id=f"{message_ids(row.broadcast)}{row.offset:08x}",
        mobile=str(row.recipient),
        sender_id=row.sender,
        message=row.text,
        status=LABELS[row.state],
        network=network_of(row.recipient),
        source=Source.API if row.face in API_FACES else Source.WEB,
        scheduled_at=None if row.not_before is None else local_time(row.not_before, zone),
        created_at=local_time(row.created_at, zone),
        updated_at=local_time(row.updated_at, zone),
    )
    if row.reason and shown.status in ERROR_LABELS:
        shown.error = row.reason
    return shown


def _page_url(call: Call, page: int, page_size: int) -> str:
    """With the filters of this page."""
    query = call.request.query_params
    values = {"page": page, "page_size": page_size} | {name: query[name] for name in FILTERS if query.get(name)}
    return f"{origin(call.request, call.services.trusted_proxies)}{call.request.url.path}?{urlencode(values)}"
