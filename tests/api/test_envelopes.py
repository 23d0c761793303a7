"""Which vendor's envelope answers where no endpoint is: choices, "All faces"."""

import json

import pytest

from clarion.api import problem
from clarion.api.answers import Envelope
from clarion.api.envelopes import envelope_at
from clarion.api.faces.talkntalk.envelope import envelope as talkntalk
from clarion.api.faces.teekrr.envelope import envelope as teekrr
from clarion.api.faces.teli.envelope import envelope as teli
from clarion.api.refusals import SENTENCES, Code, Refusal

PATHS = [
    ("/sms", teekrr),
    ("/sms/", teekrr),
    ("/sms/x", teekrr),
    ("/email", teekrr),
    ("/whatsapp/test", teekrr),
    ("/broadcasts/1", teekrr),
    ("/smsx", problem.envelope),
    ("/v1/", talkntalk),
    ("/v1/sms/send-bulk/", talkntalk),
    ("/v1/x/y/", talkntalk),
    ("/v1", teli),
    ("/v1/sms/send-bulk", teli),
    ("/v1/campaigns/1", teli),
    ("/v1x/", problem.envelope),
    ("/api/proxy", teli),
    ("/api/proxy/v1/sms/send/", teli),
    ("/api/proxyx", problem.envelope),
    ("/api", problem.envelope),
    ("/", problem.envelope),
    ("", problem.envelope),
    ("*", problem.envelope),
    ("//v1/", problem.envelope),
    ("/docs/x", problem.envelope),
]


@pytest.mark.parametrize(("path", "envelope"), PATHS)
def test_the_path_chooses_the_envelope(path: str, envelope: Envelope) -> None:
    assert envelope_at(path) is envelope


FIELD = Refusal(Code.FIELD_MISSING, "message")

SHAPES = [
    (teli, FIELD, {"error": "message is required", "success": False, "powered_by": "Teli"}),
    (teekrr, FIELD, {"message": "This field is required.", "errors": [{"field": "message", "message": "This field is required."}]}),
    (teekrr, Refusal(Code.UNKNOWN_PATH), {"message": "There is nothing at this path."}),
    (talkntalk, FIELD, {"detail": "message: This field is required.", "message": ["This field is required."]}),
    (talkntalk, Refusal(Code.UNKNOWN_PATH), {"detail": "Not found."}),
    (
        talkntalk,
        Refusal(Code.KEY_EXPIRED),
        {"detail": "Invalid or revoked API key.", "code": "authentication_failed"},
    ),
    (
        problem.envelope,
        Refusal(Code.UNKNOWN_PATH),
        {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is nothing at this path."},
    ),
]


@pytest.mark.parametrize(("envelope", "refusal", "body"), SHAPES)
def test_each_envelope_has_its_vendors_shape(envelope: Envelope, refusal: Refusal, body: object) -> None:
    response = envelope(refusal)
    assert response.status_code == refusal.status
    assert json.loads(bytes(response.body)) == body


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_sentence(code: Code) -> None:
    assert SENTENCES[code].endswith((".", "}"))
