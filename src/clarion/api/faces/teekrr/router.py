"""Teekrr's endpoints: path, rate, operation, and what the OpenAPI document says of each."""

import math
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from clarion.api.authentication import Rule
from clarion.api.documentation import operation
from clarion.api.endpoint import Handler, posted
from clarion.api.faces.teekrr import sending, shapes
from clarion.api.faces.teekrr.choices import COUNTER, NAME, SCOPE
from clarion.api.faces.teekrr.envelope import envelope
from clarion.api.limits import Counter
from clarion.api.services import Services
from clarion.api.trace import trace_of
from clarion.core.rates import Admission

TYPES = (shapes.SendSms, shapes.SmsAccepted, shapes.SmsRefused)
"""Everything that the OpenAPI document has to describe."""

REFUSALS: Mapping[int, tuple[str, type]] = {
    400: ("The body is not JSON, a field is missing or wrong, or no recipient is left", shapes.SmsRefused),
    401: ("Missing or invalid API key", shapes.SmsRefused),
    402: ("The wallet cannot pay for all recipients; nothing was kept", shapes.SmsRefused),
    403: ("The key lacks the scope `send_sms`, is for another API, or may not be used from this address", shapes.SmsRefused),
    413: ("The body is too large", shapes.SmsRefused),
    415: ("The body is compressed", shapes.SmsRefused),
    429: ("Rate limit exceeded: retry after the seconds in `Retry-After`", shapes.SmsRefused),
    500: ("Something broke; the sentence names the request id", shapes.SmsRefused),
    503: ("The database did not answer", shapes.SmsRefused),
}


def make_router(services: Services) -> APIRouter:
    """Paths as documented; with a slash at the end they are nothing."""
    router = APIRouter(tags=["Teekrr"])
    router.add_api_route(
        "/sms",
        _counted(posted(services, Rule(NAME, SCOPE, COUNTER), envelope, shapes.SendSms, sending.send_sms), COUNTER),
        methods=["POST"],
        operation_id="teekrr_send_sms",
        summary="Send an SMS broadcast to up to 10,000 recipients, now or later",
        response_class=Response,
        openapi_extra=operation(
            request=shapes.SendSms,
            example={
                "campaignName": "November offers",
                "type": "quick broadcast",
                "templateContent": "Hi {name}, your code is {code}.",
                "recipientVariables": [
                    {"recipient": "60123456789", "variables": {"name": "Aisyah", "code": "SAVE20"}},
                    {"recipient": "254712345678", "variables": {"name": "Wanjiru", "code": "SAVE25"}},
                ],
            },
            answers={200: ("Broadcast accepted (queued or scheduled)", shapes.SmsAccepted), **REFUSALS},
        ),
    )
    return router


def _counted(handle: Handler, counter: Counter) -> Handler:
    """Every counted answer tells what is left, in the headers of services like this one (draft-ietf-httpapi-ratelimit-headers-06)."""

    async def counted(request: Request) -> Response:
        response = await handle(request)
        admission = trace_of(request.scope).admission
        if admission is not None:
            response.headers.update(_rate_headers(admission, counter))
        return response

    return counted


def _rate_headers(admission: Admission, counter: Counter) -> dict[str, str]:
    # The window slides: with the request just counted, all of it is free again after a whole span.
    reset_s = counter.span_s if admission.allowed else max(1, math.ceil(admission.retry_after_s))
    return {
        "RateLimit-Policy": f"{counter.limit};w={counter.span_s:g}",
        "RateLimit-Limit": str(counter.limit),
        "RateLimit-Remaining": str(admission.remaining),
        "RateLimit-Reset": f"{reset_s:g}",
    }
