"""Under which URL the caller reached us, for links in answers."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.requests import Request


def origin(request: Request, trusted_proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """`https://host:port`. What a proxy says in `X-Forwarded-Proto` and `X-Forwarded-Host` counts only if it is trusted."""
    scheme, host = request.url.scheme, request.url.netloc
    if _is_trusted(request, trusted_proxies):
        forwarded = _nearest(request, "x-forwarded-proto").lower()
        scheme = forwarded if forwarded in {"http", "https"} else scheme
        host = _nearest(request, "x-forwarded-host") or host
    return f"{scheme}://{host}"


def _is_trusted(request: Request, trusted_proxies: Sequence[IPv4Network | IPv6Network]) -> bool:
    if request.client is None or not trusted_proxies:
        return False
    try:
        peer = ip_address(request.client.host)
    except ValueError:
        return False  # a Unix socket has a path
    return any(peer in network for network in trusted_proxies)


def _nearest(request: Request, header: str) -> str:
    """Each proxy adds what it saw at the end; the last is the word of the one that is trusted."""
    return request.headers.get(header, "").rpartition(",")[2].strip()
