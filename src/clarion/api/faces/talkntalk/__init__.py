"""TalkNTalk's API (developers.talkntalk.africa): bulk and single sends, campaigns, the balance. Every path ends in a slash."""

from clarion.api.faces.talkntalk.router import TYPES, make_router

__all__ = ["TYPES", "make_router"]
