"""How Teli words a refusal (docs.teli.ai, partner-api/errors)."""

from functools import cache

from starlette.responses import Response

from clarion.api.answers import Envelope, answer
from clarion.api.faces.teli.choices import SENTENCES
from clarion.api.refusals import Refusal
from clarion.api.services import POWERED_BY


@cache
def envelope_for(powered_by: str) -> Envelope:
    """`{error, success, powered_by}`: some documented samples leave out one of the last two; all three are always sent."""

    def worded(refusal: Refusal) -> Response:
        named = Refusal(refusal.code, refusal.field, {"field": refusal.field, **refusal.values})
        return answer(
            refusal.status,
            {"error": named.sentence(SENTENCES), "success": False, "powered_by": powered_by},
            refusal.headers,
        )

    return worded


envelope = envelope_for(POWERED_BY)
