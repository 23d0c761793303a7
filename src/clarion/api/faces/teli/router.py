"""Teli's endpoints: path, scope, operation, and what the OpenAPI document says of each. They answer under two bases."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from clarion.api.authentication import Rule
from clarion.api.documentation import operation
from clarion.api.endpoint import Call, fetched, posted
from clarion.api.faces.teli import campaigns, contacts, examples, organizations, sending, shapes
from clarion.api.faces.teli.choices import COUNTER, MANAGE_SCOPE, MESSAGES_LIMIT, MESSAGES_LIMIT_MAX, NAME, SEND_SCOPE
from clarion.api.faces.teli.envelope import envelope_for
from clarion.api.refusals import Refusal
from clarion.api.services import Services

BASES = ("/v1", "/api/proxy/v1")
"""The documents use both; the first is the one that the OpenAPI document shows."""

TYPES = (
    shapes.TeliBulkSend,
    shapes.TeliBulkSendAnswer,
    shapes.TeliSend,
    shapes.TeliSendAnswer,
    shapes.TeliNewCampaign,
    shapes.TeliNewCampaignAnswer,
    shapes.TeliCampaignAnswer,
    shapes.TeliCampaigns,
    shapes.TeliMessages,
    shapes.TeliNewContact,
    shapes.TeliNewContactAnswer,
    shapes.TeliNewOrganization,
    shapes.TeliNewOrganizationAnswer,
    shapes.TeliOrganizations,
    shapes.TeliOrganizationAnswer,
    shapes.TeliRefused,
)
"""Everything that the OpenAPI document has to describe."""

REFUSALS: Mapping[int, tuple[str, type]] = {
    401: ("Missing or invalid API key", shapes.TeliRefused),
    403: ("The key lacks the scope, or is for another API", shapes.TeliRefused),
    429: ("Too many requests: retry after the seconds in `Retry-After`", shapes.TeliRefused),
    500: ("Something broke; the text names the request id", shapes.TeliRefused),
    503: ("The database did not answer", shapes.TeliRefused),
}
INVALID: Mapping[int, tuple[str, type]] = {400: ("A field or a parameter is missing or wrong", shapes.TeliRefused)}
UNREADABLE: Mapping[int, tuple[str, type]] = {
    **INVALID,
    413: ("The body is too large", shapes.TeliRefused),
    415: ("The body is compressed", shapes.TeliRefused),
}
UNKNOWN: Mapping[int, tuple[str, type]] = {404: ("The key acts for nothing of this id", shapes.TeliRefused)}


@dataclass(frozen=True, slots=True)
class _Posted:
    path: str
    name: str
    summary: str
    scope: str
    body: type
    example: object
    operation: Callable[[Call, Any], Awaitable[Response | Refusal]]
    answers: Mapping[int, tuple[str, type]]


@dataclass(frozen=True, slots=True)
class _Fetched:
    path: str
    name: str
    summary: str
    scope: str
    operation: Callable[[Call], Awaitable[Response | Refusal]]
    answers: Mapping[int, tuple[str, type]]
    parameters: Sequence[Mapping[str, Any]] = ()


POSTED = (
    _Posted(
        "/sms/bulk-send",
        "teli_bulk_send",
        "Send one text to up to 10,000 contacts of a campaign",
        SEND_SCOPE,
        shapes.TeliBulkSend,
        examples.BULK_SEND,
        sending.bulk_send,
        {200: ("What became of each message", shapes.TeliBulkSendAnswer), **UNKNOWN},
    ),
    _Posted(
        "/sms/send",
        "teli_send",
        "Send one text to one contact of a campaign",
        SEND_SCOPE,
        shapes.TeliSend,
        examples.SEND,
        sending.send,
        {200: ("It was sent, or is queued", shapes.TeliSendAnswer), **UNKNOWN},
    ),
    _Posted(
        "/campaigns",
        "teli_create_campaign",
        "Make a campaign with its contacts",
        SEND_SCOPE,
        shapes.TeliNewCampaign,
        examples.CAMPAIGN,
        campaigns.create,
        {200: ("The campaign has its contacts", shapes.TeliNewCampaignAnswer), **UNKNOWN},
    ),
    _Posted(
        "/contacts",
        "teli_create_contact",
        "Add one contact",
        MANAGE_SCOPE,
        shapes.TeliNewContact,
        examples.CONTACT,
        contacts.create,
        {201: ("The contact is stored", shapes.TeliNewContactAnswer), **UNKNOWN},
    ),
    _Posted(
        "/organizations",
        "teli_create_organization",
        "Make an organization that the key acts for",
        MANAGE_SCOPE,
        shapes.TeliNewOrganization,
        examples.ORGANIZATION,
        organizations.create,
        {200: ("The organization is there, with an empty wallet", shapes.TeliNewOrganizationAnswer)},
    ),
)

FETCHED = (
    _Fetched(
        "/campaigns/{campaign_id}",
        "teli_campaign",
        "How a campaign stands",
        SEND_SCOPE,
        campaigns.show,
        {200: ("The campaign", shapes.TeliCampaignAnswer), **UNKNOWN},
        (examples.CAMPAIGN_PATH,),
    ),
    _Fetched(
        "/campaigns/{campaign_id}/messages",
        "teli_campaign_messages",
        "The messages of a campaign, the newest first",
        SEND_SCOPE,
        campaigns.messages,
        {200: ("Messages", shapes.TeliMessages), **UNKNOWN, **INVALID},
        (examples.CAMPAIGN_PATH, examples.SINCE, examples.limit(MESSAGES_LIMIT, MESSAGES_LIMIT_MAX)),
    ),
    _Fetched(
        "/organizations/{org_id}/campaigns",
        "teli_organization_campaigns",
        "The campaigns of an organization",
        SEND_SCOPE,
        campaigns.list_of_organization,
        {200: ("Campaigns", shapes.TeliCampaigns), **UNKNOWN, **INVALID},
        (examples.ORGANIZATION_PATH, examples.USER_ID, examples.IS_ADMIN),
    ),
    _Fetched(
        "/organizations",
        "teli_organizations",
        "The organizations that the key acts for",
        MANAGE_SCOPE,
        organizations.list_all,
        {200: ("Organizations", shapes.TeliOrganizations)},
    ),
    _Fetched(
        "/organizations/{org_id}",
        "teli_organization",
        "One organization that the key acts for",
        MANAGE_SCOPE,
        organizations.show,
        {200: ("The organization", shapes.TeliOrganizationAnswer), **UNKNOWN},
        (examples.ORGANIZATION_PATH,),
    ),
)


def make_router(services: Services) -> APIRouter:
    """Paths as documented, without a final slash; with it they are nothing of Teli's."""
    router = APIRouter(tags=["Teli"])
    for base in BASES:
        shown = base == BASES[0]
        for entry in POSTED:
            _add_posted(router, services, base, entry, shown=shown)
        for each in FETCHED:
            _add_fetched(router, services, base, each, shown=shown)
    return router


def _add_posted(router: APIRouter, services: Services, base: str, entry: _Posted, *, shown: bool) -> None:
    answers = {**entry.answers, **UNREADABLE, **REFUSALS}
    router.add_api_route(
        base + entry.path,
        posted(services, _rule(entry.scope), envelope_for(services.powered_by), entry.body, entry.operation),
        methods=["POST"],
        operation_id=entry.name,
        summary=entry.summary,
        status_code=min(answers),
        response_class=Response,
        include_in_schema=shown,
        openapi_extra=operation(request=entry.body, example=entry.example, answers=answers),
    )


def _add_fetched(router: APIRouter, services: Services, base: str, entry: _Fetched, *, shown: bool) -> None:
    router.add_api_route(
        base + entry.path,
        fetched(services, _rule(entry.scope), envelope_for(services.powered_by), entry.operation),
        methods=["GET"],
        operation_id=entry.name,
        summary=entry.summary,
        response_class=Response,
        include_in_schema=shown,
        openapi_extra=operation(answers={**entry.answers, **REFUSALS}, parameters=entry.parameters),
    )


def _rule(scope: str) -> Rule:
    return Rule(NAME, scope, COUNTER)
