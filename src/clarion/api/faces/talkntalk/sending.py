"""`send-bulk/` and `send/`: the order for the accept stage, and its outcome in the vendor's words."""

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.talkntalk.choices import (
    BULK_LANE,
    ITEM_DETAILS,
    NAME,
    SINGLE_FAILURE_FIELD,
    SINGLE_FAILURE_STATUS,
    SINGLE_LANE,
    local_time,
)
from clarion.api.faces.talkntalk.shapes import Failed, Label, Queued, Send, SendAnswer, SendBulk, SendBulkAnswer
from clarion.api.refusals import Refusal
from clarion.api.senders import refused_sender
from clarion.core.money import format_money
from clarion.core.public_id import message_ids
from clarion.flow.accept import accept
from clarion.flow.order import Accepted, Order, Rejection
from clarion.store.catalog import Organization

SLICE = 1_000
"""Results that are made between two turns of the event loop: about 1 ms of work."""

SIMULATED = {"Clarion-Simulated": "true"}
"""Somebody who tries the API must not believe that a phone rang."""


async def send_bulk(call: Call, body: SendBulk) -> Response | Refusal:
    """201 if all are queued, else 207, also when none is (seed 002 has no other answer for failed recipients)."""
    refused = await refused_sender(call.services, call.organization, body.sender_id, "sender_id")
    if refused is not None:
        return refused
    accepted = await _accept(call, BULK_LANE, body.message, body.sender_id, body.recipients)
    errors = [_failed(accepted.recipients[index], rejection, call.organization) for index, rejection in sorted(accepted.rejections.items())]
    prefix = message_ids(accepted.broadcast_id)
    results: list[Queued] = []
    for start in range(0, len(accepted.offsets), SLICE):
        places = zip(accepted.offsets[start : start + SLICE], accepted.recipients[start : start + SLICE], strict=True)
        results += [Queued(f"{prefix}{offset:08x}", mobile) for offset, mobile in places if offset]
        await call.services.runtime.timer.sleep(0)
    shown = SendBulkAnswer(
        campaign_id=str(accepted.broadcast_id),
        queued=len(results),
        failed=len(errors),
        total=len(accepted.recipients),
        sender_id=accepted.sender,
        results=results,
        errors=errors,
    )
    return answer(207 if errors else 201, shown, _headers(accepted))


async def send(call: Call, body: Send) -> Response | Refusal:
    """201; if the one recipient fails, a refusal of the whole request with the code that a bulk send gives that recipient."""
    refused = await refused_sender(call.services, call.organization, body.sender_id, "sender_id")
    if refused is not None:
        return refused
    accepted = await _accept(call, SINGLE_LANE, body.message, body.sender_id, [body.mobile])
    if accepted.rejections:
        return _single_failure(_failed(body.mobile, accepted.rejections[0], call.organization))
    shown = SendAnswer(
        id=f"{message_ids(accepted.broadcast_id)}{accepted.offsets[0]:08x}",
        mobile=body.mobile,
        sender_id=accepted.sender,
        message=body.message,
        status=Label.QUEUED,
        created_at=local_time(accepted.created_at, call.organization.zone),
    )
    return answer(201, shown, _headers(accepted))


async def _accept(call: Call, lane: int, text: str, sender: str | None, recipients: list[str]) -> Accepted:
    catalog = await call.services.settings.catalog()
    order = Order(
        organization=call.organization,
        face=NAME,
        lane=lane,
        text=text,
        sender=sender or call.organization.default_sender,
        recipients=recipients,
        partial=True,
        request_id=call.request_id,
    )
    return await accept(call.services.runtime, catalog, order)


def _failed(mobile: str, rejection: Rejection, organization: Organization) -> Failed:
    code = rejection.reason if rejection.reason in ITEM_DETAILS else "send_failed"
    detail = ITEM_DETAILS[code]
    if code == "insufficient_balance":
        detail = detail.format(
            required=format_money(rejection.required_milli, organization.currency),
            available=format_money(rejection.available_milli, organization.currency),
        )
    return Failed(mobile, code, detail)


def _single_failure(failed: Failed) -> Response:
    body: dict[str, object] = {"detail": failed.detail, "code": failed.error}
    field = SINGLE_FAILURE_FIELD.get(failed.error)
    if field is not None:
        body[field] = [failed.detail]
    return answer(SINGLE_FAILURE_STATUS.get(failed.error, 400), body)


def _headers(accepted: Accepted) -> dict[str, str] | None:
    return SIMULATED if accepted.simulated else None
