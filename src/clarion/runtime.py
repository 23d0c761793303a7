"""What a stage is given: the clock, the timer, ids, randomness, the store, the broker (law 6 of the design)."""

from dataclasses import dataclass

from clarion.broker import Broker
from clarion.core.clock import Clock, Ids, Random, Timer
from clarion.store import Store


@dataclass(frozen=True, slots=True)
class Runtime:
    """Made once in `wiring`, and by tests with parts of their own."""

    clock: Clock
    timer: Timer
    ids: Ids
    random: Random
    store: Store
    broker: Broker
