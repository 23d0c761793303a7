"""Teli's API (docs.teli.ai): bulk and single sends to the contacts of campaigns, campaigns, contacts, organizations."""

from clarion.api.faces.teli.router import TYPES, make_router

__all__ = ["TYPES", "make_router"]
