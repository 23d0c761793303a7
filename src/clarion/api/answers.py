"""Answers in JSON, encoded by msgspec: 10,000 results take milliseconds where pydantic takes tens."""

from collections.abc import Callable, Mapping

import msgspec
from starlette.responses import Response

from clarion.api.refusals import Refusal

JSON = "application/json"

Envelope = Callable[[Refusal], Response]
"""Words a refusal the way that a vendor does."""


def answer(status: int, body: object, headers: Mapping[str, str] | None = None, media_type: str = JSON) -> Response:
    """`body` is anything that msgspec encodes."""
    return Response(msgspec.json.encode(body), status, headers, media_type)
