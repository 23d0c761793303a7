"""Teekrr's API (docs.teekrr.com): SMS broadcasts, quick or scheduled, with a text of their own or an approved template."""

from clarion.api.faces.teekrr.router import TYPES, make_router

__all__ = ["TYPES", "make_router"]
