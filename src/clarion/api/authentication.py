"""Who asks, and whether they may: the key, where it is used from, the rate, the face, the scope, in this order.

Every authenticated request counts against the rate, whatever its answer; unauthenticated ones do not, nor those from a network that is not
the key's: or anybody, or whoever found a key, could use up an organization's rate.
"""

import hashlib
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request

from clarion.api.limits import Counter, throttled
from clarion.api.origin import client_address
from clarion.api.refusals import Code, Refusal
from clarion.api.services import Services
from clarion.api.trace import trace_of
from clarion.store.catalog import Key, Organization

KEY_CHARACTERS_MAX = 256
"""Ours have 40; what is longer is not hashed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an endpoint asks of its caller."""

    face: str
    scope: str
    counter: Counter


async def admit(request: Request, services: Services, rule: Rule) -> Organization | Refusal:
    """The organization that the request acts for."""
    key = await _authenticate(request.headers, services)
    if isinstance(key, Refusal):
        return key
    if not _from_allowed_network(request, services, key):
        return Refusal(Code.ADDRESS_CLOSED)
    organization = key.organization
    trace_of(request.scope).organization_id = organization.id
    structlog.contextvars.bind_contextvars(organization_id=organization.id)
    if organization.rate_limited:
        admission = await services.limits.admit(organization.id, rule.counter)
        trace_of(request.scope).admission = admission
        if not admission.allowed:
            return throttled(admission)
    if key.face not in {None, rule.face}:
        return Refusal(Code.FACE_CLOSED)
    if key.scopes is not None and rule.scope not in key.scopes:
        return Refusal(Code.SCOPE_MISSING, values={"scope": rule.scope})
    return organization


async def _authenticate(headers: Headers, services: Services) -> Key | Refusal:
    presented = _presented(headers)
    if not presented:
        return _unauthorized(Code.KEY_MISSING)
    # Looked up by digest: how long that takes tells nothing about a key that is nearly right.
    key = await services.settings.key(hashlib.sha256(presented).digest()) if len(presented) <= KEY_CHARACTERS_MAX else None
    if key is None:
        return _unauthorized(Code.KEY_UNKNOWN)
    if key.revoked_at is not None:
        return _unauthorized(Code.KEY_REVOKED)
    if key.expires_at is not None and key.expires_at <= services.runtime.clock.now():
        return _unauthorized(Code.KEY_EXPIRED)
    return key


def _from_allowed_network(request: Request, services: Services, key: Key) -> bool:
    if key.networks is None:
        return True
    address = client_address(request, services.trusted_proxies)
    return address is not None and any(address in network for network in key.networks)


def _presented(headers: Headers) -> bytes:
    """The key of `Authorization: Bearer`, else that of `X-API-Key`; empty if there is neither."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        token = headers.get("x-api-key", "")
    return token.strip().encode("latin-1")


def _unauthorized(code: Code) -> Refusal:
    return Refusal(code, headers={"WWW-Authenticate": "Bearer"})
