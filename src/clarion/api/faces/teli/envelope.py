"""How Teli words a refusal (docs.teli.ai, partner-api/errors)."""

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.refusals import Refusal

POWERED_BY = "Teli"


def envelope(refusal: Refusal) -> Response:
    """`{error, success, powered_by}`: some documented samples leave out one of the last two; all three are always sent."""
    return answer(refusal.status, {"error": refusal.sentence(), "success": False, "powered_by": POWERED_BY}, refusal.headers)
