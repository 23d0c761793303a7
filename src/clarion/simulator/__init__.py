"""A carrier to try Clarion on: a real SMPP server with faults on demand."""

from clarion.simulator.counters import Counters
from clarion.simulator.settings import SmscSettings
from clarion.simulator.smsc import Smsc

__all__ = ["Counters", "Smsc", "SmscSettings"]
