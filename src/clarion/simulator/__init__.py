"""A carrier to try Clarion on: a real SMPP server with faults on demand."""

from clarion.simulator.faults import SeededRandom
from clarion.simulator.settings import Counters, SmscSettings
from clarion.simulator.smsc import Smsc

__all__ = ["Counters", "SeededRandom", "Smsc", "SmscSettings"]
