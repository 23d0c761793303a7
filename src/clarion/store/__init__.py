"""The truth: the only room with SQL in it."""

from clarion.store.interface import Store

__all__ = ["Store"]
