"""The ids the world sees: a broadcast is a UUIDv7 (RFC 9562 5.7) whose last 32 bits are zero, its messages carry their offset there."""

import re
from uuid import UUID

RANDOM_BITS = 42
"""How many random bits `make` wants: 12 behind the version, 30 behind the variant."""

OFFSET_MAX = (1 << 32) - 1

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
# Canonical form only, in ASCII: `UUID` itself also takes braces, URNs and the digits of every script.
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def make(now_micros: int, random_bits: int) -> UUID:
    """The id of a broadcast made at `now_micros` (microseconds UTC). `random_bits` are the lowest RANDOM_BITS of an integer."""
    milliseconds = now_micros // 1000 & (1 << 48) - 1
    behind_version = random_bits >> 30 & (1 << 12) - 1
    behind_variant = random_bits & (1 << 30) - 1
    return UUID(int=milliseconds << 80 | _VERSION | behind_version << 64 | _VARIANT | behind_variant << 32)


def message_ids(broadcast: UUID) -> str:
    """What the ids of its messages begin with: message `offset` (from 1) is `f"{prefix}{offset:08x}"`."""
    return str(broadcast)[:28]


def split(public_id: UUID) -> tuple[UUID, int]:
    """The broadcast and the offset in it; 0 is the broadcast itself."""
    return UUID(int=public_id.int & ~OFFSET_MAX), public_id.int & OFFSET_MAX


def parse(text: str) -> tuple[UUID, int] | None:
    """What a client sent, as `split` gives it; None if it cannot be an id of ours."""
    return split(UUID(text)) if _CANONICAL.fullmatch(text) else None
