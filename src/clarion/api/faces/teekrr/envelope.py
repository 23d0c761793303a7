"""How Teekrr words a refusal (docs.teekrr.com, get-started/introduction)."""

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.refusals import Refusal


def envelope(refusal: Refusal) -> Response:
    """`{message}` and, where a field is at fault, `errors: [{field, message}]`."""
    sentence = refusal.sentence()
    body: dict[str, object] = {"message": sentence}
    if refusal.field is not None:
        body["errors"] = [{"field": refusal.field, "message": sentence}]
    return answer(refusal.status, body, refusal.headers)
