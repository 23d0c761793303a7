"""How Teekrr words a refusal (docs.teekrr.com, get-started/introduction)."""

from http import HTTPStatus

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.faces.teekrr.choices import BODY, SENTENCES
from clarion.api.refusals import Refusal


def envelope(refusal: Refusal) -> Response:
    """`{message}`, and for a 400 `errors: [{field, message}]` too; other statuses are documented without."""
    sentence = refusal.sentence(SENTENCES)
    body: dict[str, object] = {"message": sentence}
    if refusal.status == HTTPStatus.BAD_REQUEST:
        body["errors"] = [{"field": refusal.field or BODY, "message": sentence}]
    return answer(refusal.status, body, refusal.headers)
