"""`sms/bulk-send` and `sms/send`: one text to contacts of a campaign, answered once it is known what became of it, or that it is queued."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.teli.choices import (
    BULK_LANE,
    DUPLICATE,
    ITEM_ERRORS,
    NAME,
    NOT_IN_CAMPAIGN,
    SINGLE_LANE,
    SMALL_LANE,
    SMALL_MAX,
)
from clarion.api.faces.teli.reasons import words
from clarion.api.faces.teli.shapes import TeliBulkResult, TeliBulkSend, TeliBulkSendAnswer, TeliSend, TeliSendAnswer
from clarion.api.faces.teli.tenancy import campaign_at
from clarion.api.refusals import Code, Refusal
from clarion.core.phone import format_international, parse_many
from clarion.core.states import State
from clarion.flow import wait
from clarion.flow.accept import SLICE, accept
from clarion.flow.order import Order
from clarion.store import contacts
from clarion.store.campaigns import Campaign
from clarion.store.catalog import Organization
from clarion.store.outlook import Ending

SENT = "sent"
FAILED = "failed"

FAILURES = frozenset({State.REFUSED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED, State.UNDELIVERED})
TAKEN = frozenset({State.SENT, State.DELIVERED})
"""What is neither is on its way, or in doubt: it is told as sent, because a client that repeated it might double it."""

SIMULATED = {"Clarion-Simulated": "true"}
"""Somebody who tries the API must not believe that a phone rang."""


@dataclass(slots=True)
class _Sorted:
    """The entries of a request: what fails at once by its index, and the others' indexes, with all numbers (0: none)."""

    numbers: list[int]
    failed: dict[int, str] = field(default_factory=dict)
    outgoing: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sent:
    """The results in the order of the request. `simulated`: no phone rings."""

    results: list[TeliBulkResult]
    numbers: list[int]
    simulated: bool
    dry_run: bool


async def bulk_send(call: Call, body: TeliBulkSend) -> Response | Refusal:
    """200, also when every message failed: `success` says that the operation was carried out."""
    found = await campaign_at(call, body.campaign_id)
    if isinstance(found, Refusal):
        return found
    lane = SMALL_LANE if len(body.phone_numbers) <= SMALL_MAX else BULK_LANE
    done = await _send(call, found, body.phone_numbers, body.message, lane)
    sent = sum(result.status == SENT for result in done.results)
    failed = len(done.results) - sent
    shown = TeliBulkSendAnswer(
        success=True,
        message=f"Bulk SMS complete: {sent} sent, {failed} failed",
        total=len(done.results),
        sent=sent,
        failed=failed,
        results=done.results,
        powered_by=call.services.powered_by,
        dry_run=True if done.dry_run else msgspec.UNSET,
    )
    return answer(200, shown, SIMULATED if done.simulated else None)


async def send(call: Call, body: TeliSend) -> Response | Refusal:
    """A person takes the thread over. What a bulk send would tell of its one item is a refusal here."""
    found = await campaign_at(call, body.campaign_id)
    if isinstance(found, Refusal):
        return found
    done = await _send(call, found, [body.phone_number], body.message, SINGLE_LANE)
    result = done.results[0]
    if result.status == FAILED:
        error = str(result.error)
        if error == NOT_IN_CAMPAIGN.format(phone=body.phone_number, campaign=body.campaign_id):
            return Refusal(Code.UNKNOWN_CONTACT, values={"contact": body.phone_number, "campaign": body.campaign_id})
        return Refusal(Code.NOT_SENT, values={"reason": error})
    shown = TeliSendAnswer(
        success=True,
        message="SMS sent successfully",
        phone_number=format_international(done.numbers[0]),
        campaign_id=body.campaign_id,
        thread_qualified=True,
        ai_disabled=True,
        human_takeover=True,
        powered_by=call.services.powered_by,
        queued=result.queued,
        dry_run=True if done.dry_run else msgspec.UNSET,
    )
    return answer(200, shown, SIMULATED if done.simulated else None)


async def _send(call: Call, owned: tuple[Campaign, Organization], phones: Sequence[str], text: str, lane: int) -> _Sent:
    campaign, organization = owned
    sort = await _sort(call, owned, phones)
    results: list[TeliBulkResult | None] = [None] * len(phones)
    for index, error in sort.failed.items():
        results[index] = TeliBulkResult(phones[index], FAILED, error=error)
    dry_run = bool(msgspec.json.decode(campaign.details).get("dry_run"))
    simulated = dry_run
    if sort.outgoing and not dry_run:
        services = call.services
        catalog = await services.settings.catalog()
        recipients = [phones[index] for index in sort.outgoing]
        order = Order(
            organization,
            NAME,
            lane,
            text,
            campaign.sender,
            recipients,
            partial=True,
            campaign_id=campaign.id,
            request_id=call.request_id,
        )
        accepted = await accept(services.runtime, catalog, order)
        endings = {}
        if len(accepted.rejections) < len(recipients):
            endings = await wait.for_outcomes(services.runtime, catalog, accepted.broadcast_id, services.outcome_wait_s, services.stopping)
        simulated = accepted.simulated
        for place, (index, offset) in enumerate(zip(sort.outgoing, accepted.offsets, strict=True)):
            phone = phones[index]
            if offset:
                results[index] = _result(phone, endings.get(offset))
            else:
                reason = accepted.rejections[place].reason
                results[index] = TeliBulkResult(phone, FAILED, error=words(State.REFUSED, reason, phone))
    shown = [TeliBulkResult(phones[index], SENT) if result is None else result for index, result in enumerate(results)]
    return _Sent(shown, sort.numbers, simulated, dry_run)


def _result(phone: str, ending: Ending | None) -> TeliBulkResult:
    if ending is None or ending.state not in FAILURES | TAKEN:
        return TeliBulkResult(phone, SENT, queued=True)
    if ending.state in TAKEN:
        return TeliBulkResult(phone, SENT)
    return TeliBulkResult(phone, FAILED, error=words(ending.state, ending.reason, phone))


async def _sort(call: Call, owned: tuple[Campaign, Organization], phones: Sequence[str]) -> _Sorted:
    """What is a number, comes for the first time, and is a contact of the campaign, in whatever spelling."""
    campaign, organization = owned
    runtime = call.services.runtime
    sort = _Sorted([])
    for start in range(0, len(phones), SLICE):
        sort.numbers += [number or 0 for number in parse_many(phones[start : start + SLICE], organization.region)]
        await runtime.timer.sleep(0)
    known = await runtime.store.read(contacts.among, campaign.id, [number for number in sort.numbers if number])
    first: dict[int | str, str] = {}
    for index, (phone, number) in enumerate(zip(phones, sort.numbers, strict=True)):
        earlier = first.get(number or phone)
        first.setdefault(number or phone, phone)
        if earlier is not None:
            sort.failed[index] = DUPLICATE.format(phone=earlier)
        elif not number:
            sort.failed[index] = ITEM_ERRORS["invalid_number"]
        elif number not in known:
            sort.failed[index] = NOT_IN_CAMPAIGN.format(phone=phone, campaign=campaign.external_id)
        else:
            sort.outgoing.append(index)
    return sort
