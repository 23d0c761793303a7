"""TalkNTalk's endpoints: path, rate, operation, and what the OpenAPI document says of each."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from clarion.api.authentication import Rule
from clarion.api.documentation import operation
from clarion.api.endpoint import fetched, posted
from clarion.api.faces.talkntalk import balance, campaigns, reading, sending, shapes
from clarion.api.faces.talkntalk.choices import (
    BALANCE_COUNTER,
    BULK_COUNTER,
    LIST_COUNTER,
    MESSAGES_COUNTER,
    NAME,
    PAGE_SIZE,
    PAGE_SIZE_MAX,
    SCOPE,
    SENDERS_COUNTER,
    SINGLE_COUNTER,
    STATUS_COUNTER,
    VERIFY_COUNTER,
)
from clarion.api.faces.talkntalk.envelope import envelope
from clarion.api.limits import Counter
from clarion.api.services import Services

TYPES = (
    shapes.SendBulk,
    shapes.SendBulkAnswer,
    shapes.Send,
    shapes.SendAnswer,
    shapes.CampaignQuery,
    shapes.CampaignStatus,
    shapes.CampaignMessagesQuery,
    shapes.CampaignMessages,
    shapes.Balance,
    shapes.Verified,
    shapes.MessagePage,
    shapes.SenderIds,
    shapes.Refused,
)
"""Everything that the OpenAPI document has to describe."""

REFUSALS: Mapping[int, tuple[str, type]] = {
    400: ("The body is not JSON, or a field is missing or wrong", shapes.Refused),
    401: ("Missing or invalid API key", shapes.Refused),
    403: ("The key lacks the scope `send_sms`, or is for another API", shapes.Refused),
    413: ("The body is too large", shapes.Refused),
    415: ("The body is compressed", shapes.Refused),
    429: ("Rate limit exceeded: retry after the seconds in `Retry-After`", shapes.Refused),
    500: ("Something broke; the sentence names the request id", shapes.Refused),
    503: ("The database did not answer", shapes.Refused),
}

UNKNOWN_CAMPAIGN = {404: ("This organisation has no such campaign, or it no such page", shapes.Refused)}

EXAMPLE_CAMPAIGN = "018f3a2b-7c1d-7e4a-9b2c-3d4e00000000"

PAGE_PARAMETERS = (
    {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 1}},
    {"name": "page_size", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE}},
)


FILTER_PARAMETERS = (
    {"name": "status", "in": "query", "schema": {"type": "string", "enum": list(shapes.Label)}},
    {"name": "mobile", "in": "query", "schema": {"type": "string"}, "description": "A number, or the digits that it begins or ends with"},
    {"name": "sender_id", "in": "query", "schema": {"type": "string"}, "description": "Exact, in any case"},
    {"name": "source", "in": "query", "schema": {"type": "string", "enum": list(shapes.Source)}},
)

NO_PAGE = {404: ("There is no such page", shapes.Refused)}


def make_router(services: Services) -> APIRouter:
    """Paths as documented, with their slash; without it they are nothing."""
    router = APIRouter(prefix="/v1", tags=["TalkNTalk"])
    _add_sending(router, services)
    _add_campaigns(router, services)
    _add_reading(router, services)
    return router


def _add_sending(router: APIRouter, services: Services) -> None:
    router.add_api_route(
        "/sms/send-bulk/",
        posted(services, _rule(BULK_COUNTER), envelope, shapes.SendBulk, sending.send_bulk),
        methods=["POST"],
        operation_id="talkntalk_send_bulk",
        summary="Send one text to up to 10,000 recipients",
        status_code=201,
        response_class=Response,
        openapi_extra=operation(
            request=shapes.SendBulk,
            example={
                "recipients": ["254712345678", "254723456789"],
                "message": "Your promo code is SAVE20. Valid today only!",
                "sender_id": "TALKNTALK",
            },
            answers={
                201: ("All messages are queued", shapes.SendBulkAnswer),
                207: ("Some recipients failed: see `errors`", shapes.SendBulkAnswer),
                **REFUSALS,
            },
        ),
    )
    router.add_api_route(
        "/sms/send/",
        posted(services, _rule(SINGLE_COUNTER), envelope, shapes.Send, sending.send),
        methods=["POST"],
        operation_id="talkntalk_send",
        summary="Send one text to one recipient",
        status_code=201,
        response_class=Response,
        openapi_extra=operation(
            request=shapes.Send,
            example={"mobile": "254712345678", "message": "Your code is 4921", "sender_id": "TALKNTALK"},
            answers={
                201: ("The message is queued", shapes.SendAnswer),
                402: ("The wallet cannot pay it", shapes.Refused),
                **REFUSALS,
            },
        ),
    )


def _add_campaigns(router: APIRouter, services: Services) -> None:
    router.add_api_route(
        "/sms/campaigns/status/",
        posted(services, _rule(STATUS_COUNTER), envelope, shapes.CampaignQuery, campaigns.status),
        methods=["POST"],
        operation_id="talkntalk_campaign_status",
        summary="How a campaign stands",
        response_class=Response,
        openapi_extra=operation(
            request=shapes.CampaignQuery,
            example={"campaign_id": EXAMPLE_CAMPAIGN},
            answers={200: ("The campaign", shapes.CampaignStatus), **UNKNOWN_CAMPAIGN, **REFUSALS},
        ),
    )
    router.add_api_route(
        "/sms/campaigns/messages/",
        posted(services, _rule(MESSAGES_COUNTER), envelope, shapes.CampaignMessagesQuery, campaigns.messages),
        methods=["POST"],
        operation_id="talkntalk_campaign_messages",
        summary="The messages of a campaign, by page",
        response_class=Response,
        openapi_extra=operation(
            request=shapes.CampaignMessagesQuery,
            example={"campaign_id": EXAMPLE_CAMPAIGN, "status": "delivered"},
            parameters=PAGE_PARAMETERS,
            answers={200: ("One page of messages", shapes.CampaignMessages), **UNKNOWN_CAMPAIGN, **REFUSALS},
        ),
    )


def _add_reading(router: APIRouter, services: Services) -> None:
    refused = {status: REFUSALS[status] for status in (401, 403, 429, 500, 503)}
    for path, counter, name, summary, handler, shape in (
        ("/", VERIFY_COUNTER, "verify", "Whose key this is", reading.verify, shapes.Verified),
        ("/balance/", BALANCE_COUNTER, "balance", "What the wallet has available", balance.balance, shapes.Balance),
        ("/bulk-sms/sender-ids/", SENDERS_COUNTER, "sender_ids", "The registered sender ids", reading.sender_ids, shapes.SenderIds),
    ):
        router.add_api_route(
            path,
            fetched(services, _rule(counter), envelope, handler),
            methods=["GET"],
            operation_id=f"talkntalk_{name}",
            summary=summary,
            response_class=Response,
            openapi_extra=operation(answers={200: (summary, shape), **refused}),
        )
    router.add_api_route(
        "/bulk-sms/messages/",
        fetched(services, _rule(LIST_COUNTER), envelope, reading.messages),
        methods=["GET"],
        operation_id="talkntalk_messages",
        summary="The messages of the last 90 days, by page",
        response_class=Response,
        openapi_extra=operation(
            parameters=(*PAGE_PARAMETERS, *FILTER_PARAMETERS),
            answers={200: ("One page of messages", shapes.MessagePage), 400: REFUSALS[400], **NO_PAGE, **refused},
        ),
    )


def _rule(counter: Counter) -> Rule:
    return Rule(NAME, SCOPE, counter)
