"""The number or name that a campaign writes from."""

import re

from clarion.api.faces.teli.choices import SENDER_PATTERN
from clarion.core.phone import format_international, parse
from clarion.store.catalog import Organization

_SENDER = re.compile(SENDER_PATTERN)


def sender_from(text: str, organization: Organization) -> str | None:
    """`+15551234567` for a phone number in any spelling, a legal sender id as it is, None for everything else."""
    number = parse(text, organization.region)
    if number is not None:
        return format_international(number)
    stripped = text.strip()
    return stripped if _SENDER.search(stripped) else None
