"""`POST /sms`: the order for the accept stage, and its outcome in the vendor's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.teekrr.choices import (
    ADDRESS_KEYS,
    AHEAD_MICROS,
    LANE,
    NAME,
    PAST_MICROS,
    REASONS,
    REASONS_SHOWN,
    SCHEDULE,
    label,
)
from clarion.api.faces.teekrr.shapes import SendSms, SmsAccepted, SmsBroadcast
from clarion.api.refusals import Code, Refusal
from clarion.core.moments import parse_moment, write_moment
from clarion.core.money import format_money
from clarion.core.states import State
from clarion.core.template import PLACES_MAX, Template
from clarion.flow.accept import accept
from clarion.flow.order import NobodyLeft, Order
from clarion.store import keywords, templates
from clarion.store.broadcasts import Shortfall
from clarion.store.catalog import Organization

SIMULATED = {"Clarion-Simulated": "true"}
"""Somebody who tries the API must not believe that a phone rang."""


@dataclass(frozen=True, slots=True)
class _Addressed:
    """Whom a request is for; `variables` are parallel to the recipients, None in the standard mode."""

    recipients: list[str]
    variables: list[Mapping[str, object]] | None


async def send_sms(call: Call, body: SendSms) -> Response | Refusal:
    """200 once the broadcast is durable. Bad recipients do not refuse it; a wallet that cannot pay for all of the others does."""
    not_before = _schedule(call, body)
    if isinstance(not_before, Refusal):
        return not_before
    addressed = _address(body)
    if isinstance(addressed, Refusal):
        return addressed
    text = await _text(call, body)
    if isinstance(text, Refusal):
        return text
    places = Template(text).variables
    if len(places) > PLACES_MAX:
        field = "templateName" if body.template_content is None else "templateContent"
        return Refusal(Code.PLACES_TOO_MANY, field, {"limit": PLACES_MAX})
    if addressed.variables is None and places:
        # In the standard mode nobody has a value for them, and a brace with a word in it is no text for a phone.
        return Refusal(Code.PLACES_WITHOUT_VALUES, "recipients", {"names": ", ".join(dict.fromkeys(places))})
    organization = call.organization
    store = call.services.runtime.store
    if body.keyword is not None and not await store.read(keywords.is_registered, organization.id, body.keyword):
        return Refusal(Code.UNKNOWN_KEYWORD, "keyword")
    order = Order(
        organization=organization,
        face=NAME,
        lane=LANE,
        text=text,
        sender=body.keyword or organization.default_sender,
        recipients=addressed.recipients,
        partial=False,
        variables=addressed.variables,
        not_before=not_before,
        name=body.campaign_name,
        needs_recipient=True,
        refunds_failed=True,
        request_id=call.request_id,
    )
    return await _accept(call, order)


async def _accept(call: Call, order: Order) -> Response | Refusal:
    try:
        accepted = await accept(call.services.runtime, await call.services.settings.catalog(), order)
    except Shortfall as shortfall:
        return _short(shortfall, order.organization)
    except NobodyLeft as nobody:
        return _nobody_left(nobody, "recipients" if order.variables is None else "recipientVariables")
    rejected = len(accepted.rejections)
    shown = SmsBroadcast(
        broadcast_uuid=str(accepted.broadcast_id),
        status=label(State.WAITING, chunk_open=order.not_before is None),
        queued=len(accepted.recipients) - rejected,
        rejected=rejected,
        scheduled_at=None if order.not_before is None else write_moment(order.not_before),
    )
    return answer(200, SmsAccepted(shown), SIMULATED if accepted.simulated else None)


def _schedule(call: Call, body: SendSms) -> int | Refusal | None:
    """When a scheduled broadcast begins, None for a quick one."""
    if body.type != SCHEDULE:
        return None
    field = "scheduledAt"
    if body.scheduled_at is None:
        return Refusal(Code.FIELD_MISSING, field)
    moment = parse_moment(body.scheduled_at, call.organization.zone)
    if moment is None:
        return Refusal(Code.TIME_FORM, field)
    now = call.services.runtime.clock.now()
    if moment < now - PAST_MICROS:
        return Refusal(Code.TIME_PAST, field)
    if moment > now + AHEAD_MICROS:
        return Refusal(Code.TIME_FAR, field)
    return moment


def _address(body: SendSms) -> _Addressed | Refusal:
    names = {"one": "recipients", "other": "recipientVariables"}
    if body.recipient_variables is None:
        if body.recipients is None:
            return Refusal(Code.FIELDS_NEITHER, "recipients", names)
        return _Addressed(body.recipients, None)
    if body.recipients is not None:
        return Refusal(Code.FIELDS_BOTH, "recipientVariables", names)
    recipients: list[str] = []
    variables: list[Mapping[str, object]] = []
    for position, item in enumerate(body.recipient_variables):
        recipient = _recipient(item)
        if recipient is None:
            return Refusal(Code.ITEM_WITHOUT_RECIPIENT, "recipientVariables", {"position": position})
        recipients.append(recipient)
        own = item.get("variables")
        variables.append(own if isinstance(own, dict) else item)
    return _Addressed(recipients, variables)


def _recipient(item: Mapping[str, Any]) -> str | None:
    for key in ADDRESS_KEYS:
        value = item.get(key)
        if isinstance(value, str):
            return value
        # A number that was written as one: some clients do.
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


async def _text(call: Call, body: SendSms) -> str | Refusal:
    names = {"one": "templateName", "other": "templateContent"}
    if body.template_name is None:
        return Refusal(Code.FIELDS_NEITHER, "templateName", names) if body.template_content is None else body.template_content
    if body.template_content is not None:
        return Refusal(Code.FIELDS_BOTH, "templateContent", names)
    text = await call.services.runtime.store.read(templates.approved_text, call.organization.id, body.template_name)
    return Refusal(Code.UNKNOWN_TEMPLATE, "templateName") if text is None else text


def _short(shortfall: Shortfall, organization: Organization) -> Refusal:
    available_milli = shortfall.available_milli + organization.limit_milli
    amounts = {
        "required": format_money(shortfall.required_milli, organization.currency),
        "available": format_money(available_milli, organization.currency),
    }
    return Refusal(Code.INSUFFICIENT_CREDIT, values=amounts)


def _nobody_left(nobody: NobodyLeft, field: str) -> Refusal:
    told = [
        f"{nobody.recipients[index][:64]}: {REASONS[rejection.reason].format(variable=rejection.variable)}"
        for index, rejection in sorted(nobody.rejections.items())[:REASONS_SHOWN]
    ]
    more = len(nobody.rejections) - len(told)
    return Refusal(Code.NOBODY_LEFT, field, {"reasons": "; ".join([*told, *([f"and {more} more"] if more else [])])})
