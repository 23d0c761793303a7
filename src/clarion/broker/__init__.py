"""Rings: hints that there is something to do. A ring may be lost, doubled or merged; everybody polls as well (law 1)."""

from clarion.broker.interface import Broker

__all__ = ["Broker"]
