"""What the app is given by `wiring`."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from prometheus_client import CollectorRegistry

from clarion.api.limits import RequestLimits
from clarion.flow.settings import Settings
from clarion.runtime import Runtime

BODY_LIMIT_BYTES = 16 << 20
"""10,000 recipients with some variables each are about 2 MiB."""

POWERED_BY = "Teli"
"""What Teli's answers name as their maker, unless a reseller says otherwise."""

OUTCOME_WAIT_S = 20.0
"""How long a send that tells its outcomes waits for them."""


@dataclass(frozen=True, slots=True)
class Services:
    """`ready` says why the process should get no traffic; an empty list is ready. `stopping`: it ends, and no request should wait.

    `trusted_proxies` are the networks whose `X-Forwarded-*` headers are believed.
    """

    runtime: Runtime
    settings: Settings
    limits: RequestLimits
    ready: Callable[[], list[str]]
    registry: CollectorRegistry
    body_limit_bytes: int = BODY_LIMIT_BYTES
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    powered_by: str = POWERED_BY
    outcome_wait_s: float = OUTCOME_WAIT_S
    stopping: Callable[[], bool] = bool
