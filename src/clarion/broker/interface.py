"""What every broker does."""

from collections.abc import Iterable
from typing import Protocol

PLAN = "plan"
"""The topic on which the planner listens. Carriers have `carrier_topic(id)`."""


def carrier_topic(carrier_id: int) -> str:
    """Where the binds of a carrier listen."""
    return f"carrier:{carrier_id}"


class Listener(Protocol):
    """One who waits for rings. Rings that come while nobody waits are kept, as one."""

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, at most so long; True if one came. The caller looks into the store either way."""
        ...

    def close(self) -> None: ...


class Broker(Protocol):
    """Carries rings from whoever committed something to whoever takes it up."""

    def ring(self, topic: str) -> None:
        """Never blocks, never raises; call it after the commit."""
        ...

    def listen(self, topics: Iterable[str]) -> Listener: ...

    async def close(self) -> None: ...
