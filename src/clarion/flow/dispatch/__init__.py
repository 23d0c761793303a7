"""Dispatch: takes chunks, puts their messages on the wire of a bind, and records how each one ended."""

from clarion.flow.dispatch.dispatcher import Dispatcher

__all__ = ["Dispatcher"]
