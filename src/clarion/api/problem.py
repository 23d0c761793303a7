"""Refusals outside the vendors' path spaces: problem details for HTTP APIs (RFC 9457)."""

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.refusals import Refusal

MEDIA_TYPE = "application/problem+json"


def envelope(refusal: Refusal) -> Response:
    """`{type, title, status, detail}` and, where a field is at fault, `errors: [{detail, pointer}]`."""
    sentence = refusal.sentence()
    body: dict[str, object] = {
        "type": "about:blank",
        "title": refusal.status.phrase,
        "status": refusal.status.value,
        "detail": sentence,
    }
    if refusal.field is not None:
        body["errors"] = [{"detail": sentence, "pointer": f"#/{refusal.field}"}]
    return answer(refusal.status, body, refusal.headers, MEDIA_TYPE)
