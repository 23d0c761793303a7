"""The steps that every endpoint of a face begins with, so that a face is left with its operation alone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from clarion.api.answers import Envelope
from clarion.api.authentication import Rule, admit
from clarion.api.bodies import decode, read
from clarion.api.refusals import Refusal
from clarion.api.services import Services
from clarion.api.trace import trace_of
from clarion.store.catalog import Organization

B = TypeVar("B", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request. `body` as it came, for what its type does not know."""

    services: Services
    request: Request
    organization: Organization
    body: bytes = b""

    @property
    def request_id(self) -> str:
        """What `X-Request-Id` says in the answer."""
        return trace_of(self.request.scope).request_id


Handler = Callable[[Request], Awaitable[Response]]
Operation = Callable[[Call, B], Awaitable[Response | Refusal]]


def posted(services: Services, rule: Rule, envelope: Envelope, body_type: type[B], operation: Operation[B]) -> Handler:
    """Admit, read, decode, operate; whatever is refused on the way is worded by the envelope."""
    decoder = msgspec.json.Decoder(body_type)

    async def handle(request: Request) -> Response:
        organization = await admit(request, services, rule)
        if isinstance(organization, Refusal):
            return envelope(organization)
        body = await read(request, services.body_limit_bytes)
        if isinstance(body, Refusal):
            return envelope(body)
        decoded = decode(decoder, body)
        if isinstance(decoded, Refusal):
            return envelope(decoded)
        outcome = await operation(Call(services, request, organization, body), decoded)
        return envelope(outcome) if isinstance(outcome, Refusal) else outcome

    return handle


def fetched(services: Services, rule: Rule, envelope: Envelope, operation: Callable[[Call], Awaitable[Response | Refusal]]) -> Handler:
    """The same for requests without a body."""

    async def handle(request: Request) -> Response:
        organization = await admit(request, services, rule)
        if isinstance(organization, Refusal):
            return envelope(organization)
        outcome = await operation(Call(services, request, organization))
        return envelope(outcome) if isinstance(outcome, Refusal) else outcome

    return handle
