"""How a broadcast's messages are laid out as chunks: contiguous ranges, each of one carrier and at most 500 long."""

from collections.abc import Sequence
from typing import NamedTuple

CHUNK_MESSAGES_MAX = 500
"""Large enough that claims cost nothing, small enough that pause, cancel and fair shares bite at once."""


class Range(NamedTuple):
    """Messages `start` up to, not including, `end`, of one carrier."""

    start: int
    end: int
    carrier_id: int


def lay_out(carriers: Sequence[int]) -> tuple[list[int], list[Range]]:
    """Sort messages by carrier within slices of 500. `carriers` holds each message's carrier, in the order of the request.

    Returns the order (at place k stands the index of the message that comes k-th) and the ranges over those places.
    """
    order: list[int] = []
    ranges: list[Range] = []
    for start in range(0, len(carriers), CHUNK_MESSAGES_MAX):
        indexes = list(range(start, min(start + CHUNK_MESSAGES_MAX, len(carriers))))
        if len(set(carriers[start : start + CHUNK_MESSAGES_MAX])) == 1:
            order += indexes
            ranges.append(Range(start, start + len(indexes), carriers[start]))
            continue
        indexes.sort(key=carriers.__getitem__)
        order += indexes
        begin = start
        for place in range(start + 1, start + len(indexes) + 1):
            if place == start + len(indexes) or carriers[order[place]] != carriers[order[begin]]:
                ranges.append(Range(begin, place, carriers[order[begin]]))
                begin = place
    return order, ranges
