"""Who the caller is and under which URL we were reached, as far as proxies that are trusted say so."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def origin(request: Request, trusted_proxies: Sequence[Network]) -> str:
    """`https://host:port`. What a proxy says in `X-Forwarded-Proto` and `X-Forwarded-Host` counts only if it is trusted."""
    scheme, host = request.url.scheme, request.url.netloc
    if _is_trusted(request, trusted_proxies):
        forwarded = _nearest(request, "x-forwarded-proto").lower()
        scheme = forwarded if forwarded in {"http", "https"} else scheme
        host = _nearest(request, "x-forwarded-host") or host
    return f"{scheme}://{host}"


def client_address(request: Request, trusted_proxies: Sequence[Network]) -> Address | None:
    """The peer's address; behind trusted proxies the last of `X-Forwarded-For` that is none of theirs. None if that is no address."""
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",") if trusted_proxies else []
    address = _peer(request)
    while address is not None and hops and any(address in network for network in trusted_proxies):
        hop = hops.pop().strip()
        if not hop and not hops:
            break
        address = _address(hop)
    return address


def _is_trusted(request: Request, trusted_proxies: Sequence[Network]) -> bool:
    peer = _peer(request) if trusted_proxies else None
    return peer is not None and any(peer in network for network in trusted_proxies)


def _peer(request: Request) -> Address | None:
    """A Unix socket has a path."""
    return None if request.client is None else _address(request.client.host)


def _address(text: str) -> Address | None:
    """Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. An IPv4 address in IPv6's clothes is the IPv4 address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _nearest(request: Request, header: str) -> str:
    """Each proxy adds what it saw at the end; the last is the word of the one that is trusted."""
    return request.headers.get(header, "").rpartition(",")[2].strip()
