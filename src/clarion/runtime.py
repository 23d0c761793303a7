"""What a stage is given: the clock, the timer, ids, randomness, the store, the broker (law 6 of the design)."""

from dataclasses import dataclass

import structlog

from clarion.broker import Broker
from clarion.core.clock import Clock, Ids, Random, Timer
from clarion.store import Store
from clarion.store.errors import Unavailable
from clarion.store.interface import P, T, Transaction

PATIENCE_S = 1.0
"""Between two tries while the database does not answer."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Made once in `wiring`, and by tests with parts of their own."""

    clock: Clock
    timer: Timer
    ids: Ids
    random: Random
    store: Store
    broker: Broker

    async def write_patiently(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `store.write`, again until the database answers: for facts, which are never dropped and may be recorded twice."""
        while True:
            try:
                return await self.store.write(function, *args, **kwargs)
            except Unavailable as error:
                log.warning("store.unavailable", doing=getattr(function, "__name__", "write"), error=str(error))
                await self.timer.sleep(PATIENCE_S)
