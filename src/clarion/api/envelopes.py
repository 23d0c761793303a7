"""Which envelope answers at a path where no endpoint is, or where an endpoint broke: the one whose path space it lies in."""

from clarion.api import problem
from clarion.api.answers import Envelope
from clarion.api.faces.talkntalk.envelope import envelope as talkntalk
from clarion.api.faces.teekrr.envelope import envelope as teekrr
from clarion.api.faces.teli.envelope import envelope_for as teli
from clarion.api.services import POWERED_BY

TEEKRR_ROOTS = frozenset({"sms", "email", "whatsapp", "broadcasts"})


def envelope_at(path: str, powered_by: str = POWERED_BY) -> Envelope:
    """TalkNTalk's paths are those under /v1 with a final slash, Teli's those without one and everything behind its proxy."""
    root, *rest = path.split("/")[1:] or [""]
    if root in TEEKRR_ROOTS:
        return teekrr
    if root == "v1":
        return talkntalk if path.endswith("/") else teli(powered_by)
    if root == "api" and rest[:1] == ["proxy"]:
        return teli(powered_by)
    return problem.envelope
