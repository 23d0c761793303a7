"""How TalkNTalk words a refusal (developers.talkntalk.africa, authentication/overview)."""

from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.faces.talkntalk.choices import SENTENCES, SHOWN_CODES
from clarion.api.refusals import Refusal


def envelope(refusal: Refusal) -> Response:
    """`{detail}`, with `code` where the vendor has one, and `{"<field>": ["…"]}` beside it where a field is at fault."""
    sentence = refusal.sentence(SENTENCES)
    if refusal.field is None:
        body: dict[str, object] = {"detail": sentence}
    else:
        body = {"detail": f"{refusal.field}: {sentence}", refusal.field: [sentence]}
    if refusal.code in SHOWN_CODES:
        body["code"] = SHOWN_CODES[refusal.code]
    return answer(refusal.status, body, refusal.headers)
