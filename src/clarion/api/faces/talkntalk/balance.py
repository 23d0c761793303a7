"""`GET /v1/balance/`."""

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.endpoint import Call
from clarion.api.faces.talkntalk.choices import utc_time
from clarion.api.faces.talkntalk.shapes import Balance
from clarion.core.money import format_amount
from clarion.store import views


async def balance(call: Call) -> Response:
    """What the wallet has available."""
    organization = call.organization
    available_milli = await call.services.runtime.store.read(views.balance, organization.id)
    shown = Balance(
        organisation=str(organization.public_id),
        balance=format_amount(available_milli, organization.currency),
        currency=organization.currency,
        retrieved_at=utc_time(call.services.runtime.clock.now()),
    )
    return answer(200, shown)
