"""What a stage is given: the clock, the timer, ids, randomness, the store, the broker (law 6 of the design)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from clarion.broker import Broker
from clarion.core.clock import Clock, Ids, Random, Timer
from clarion.store import Store
from clarion.store.errors import Unavailable
from clarion.store.interface import P, T, Transaction

PATIENCE_S = 1.0
"""Between two tries while the database does not answer."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Deadline:
    """Until when, by `Timer.monotonic`, the process must have ended; None while it is to go on."""

    at: float | None = None


@dataclass(slots=True)
class ShortOrders:
    """Short orders whose write is under way; long ones give way to them."""

    count: int = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """While the block runs."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


@dataclass(slots=True)
class CutOff:
    """Broadcasts whose accept the database did not take to its end: sweep takes them back as soon as it takes anything."""

    broadcast_ids: set[int] = field(default_factory=set)

    @contextmanager
    def unless_published(self, broadcast_id: int) -> Iterator[None]:
        """What adds to a broadcast and publishes it. Raises what the block raises."""
        try:
            yield
        except Unavailable:
            self.broadcast_ids.add(broadcast_id)
            raise


@dataclass(frozen=True, slots=True)
class Runtime:
    """Made once in `wiring`, and by tests with parts of their own."""

    clock: Clock
    timer: Timer
    ids: Ids
    random: Random
    store: Store
    broker: Broker
    deadline: Deadline = field(default_factory=Deadline)
    short_orders: ShortOrders = field(default_factory=ShortOrders)
    cut_off: CutOff = field(default_factory=CutOff)

    def stop_within(self, seconds: float) -> None:
        """The process is ending: what waits for the database gives up in time."""
        self.deadline.at = self.timer.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds to the end of the process; infinite while none is near."""
        return math.inf if self.deadline.at is None else max(0.0, self.deadline.at - self.timer.monotonic())

    async def write_patiently(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `store.write`, again until the database answers: for facts, which are never dropped and may be recorded twice.

        Raises `Unavailable` only where the process must end before another try (`stop_within`).
        """
        while True:
            try:
                return await self.store.write(function, *args, **kwargs)
            except Unavailable as error:
                log.warning("store.unavailable", doing=getattr(function, "__name__", "write"), error=str(error))
                if self.left_s <= PATIENCE_S:
                    raise
                await self.timer.sleep(PATIENCE_S)
