"""What Teli's documents leave open, decided; and its words for our reasons."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from clarion.api.limits import Counter
from clarion.api.refusals import Code

NAME = "teli"

SEND_SCOPE = "send_sms"
MANAGE_SCOPE = "manage"
"""Contacts and organizations; campaigns and messages need the scope of sending."""

COUNTER = Counter("teli", 3_000, 60)
"""Teli documents no rate and no 429: this only bounds what one tenant can take of the server, all endpoints together."""

RECIPIENTS_MAX = 10_000
CONTACTS_MAX = 100_000
"""Of one request; as many as a voice campaign may have leads."""

FIELDS_BYTES_MAX = 64 << 10
"""Of what a client lets us keep beside a contact or a campaign: it comes back in every list."""

MESSAGE_CHARACTERS_MAX = 100_000
"""Far more than any number of segments that is sent; refused before it is measured."""

SMALL_MAX = 100
"""Larger requests travel with the broadcasts."""

SINGLE_LANE = 0
SMALL_LANE = 1
BULK_LANE = 2

MESSAGES_LIMIT = 100
MESSAGES_LIMIT_MAX = 10_000
"""Messages are paged by `since` alone, so a page must be able to hold one whole bulk send. A larger limit is taken as this one."""

SENDER_PATTERN = r"^(?:\+?[0-9]{1,15}|(?=.{0,10}[A-Za-z])[!-Z_a-z](?:[ -Z_a-z]{0,9}[!-Z_a-z])?)(?![\s\S])"
"""For a `teli_sms_number` that is no phone number: up to 15 digits, or up to 11 characters of GSM's basic alphabet with a letter."""

SENTENCES: Mapping[str, str] = {
    # Documented: "Errors", "Authentication", seed 000.
    Code.KEY_MISSING: "API key is required",
    Code.KEY_UNKNOWN: "Invalid API key",
    Code.KEY_REVOKED: "Invalid API key",
    Code.KEY_EXPIRED: "Invalid API key",
    f"{Code.FIELD_MISSING}:phone_numbers": "phone_numbers must be a non-empty array",
    f"{Code.FIELD_NULL}:phone_numbers": "phone_numbers must be a non-empty array",
    f"{Code.FIELD_EMPTY}:phone_numbers": "phone_numbers must be a non-empty array",
    f"{Code.FIELD_NOT_LIST}:phone_numbers": "phone_numbers must be a non-empty array",
    Code.UNKNOWN_CAMPAIGN: "Campaign not found",
    Code.UNKNOWN_ORGANIZATION: "Organization not found",
    Code.UNKNOWN_CONTACT: "Client {contact} not found in campaign {campaign}",
    # By their pattern.
    f"{Code.FIELD_MISSING}:contacts": "contacts must be a non-empty array",
    f"{Code.FIELD_NULL}:contacts": "contacts must be a non-empty array",
    f"{Code.FIELD_EMPTY}:contacts": "contacts must be a non-empty array",
    f"{Code.FIELD_NOT_LIST}:contacts": "contacts must be a non-empty array",
    Code.FIELD_MISSING: "{field} is required",
    Code.FIELD_NULL: "{field} is required",
    Code.FIELD_EMPTY: "{field} is required",
    Code.FIELD_NOT_TEXT: "{field} must be a string",
    Code.FIELD_NOT_LIST: "{field} must be an array",
    Code.FIELD_NOT_TEXTS: "Every item of {field} must be a string",
    Code.FIELD_TOO_MANY: "{field} may have at most {limit} items",
    Code.FIELD_TOO_LONG: "{field} may have at most {limit} characters",
    Code.FIELD_PATTERN: "{field} is required",
    f"{Code.FIELD_PATTERN}:campaign_id": "campaign_id must be 1 to 128 characters without slashes",
    f"{Code.FIELD_PATTERN}:contact_email": "contact_email must be an email address",
    f"{Code.FIELD_INVALID}:phone_number": "Invalid phone number",
    f"{Code.FIELD_INVALID}:teli_sms_number": "teli_sms_number must be a phone number or a sender id",
    Code.SENDER_UNREGISTERED: "{field} is not a registered sender",
    f"{Code.FIELD_INVALID}:voice_agent_id": "voice_agent_id and outbound_number are required when enable_sms_to_voice is true",
    f"{Code.FIELD_INVALID}:since": "since must be an ISO 8601 time",
    Code.FIELD_NOT_NUMBER: "{field} must be a whole number from 1",
    Code.FIELD_NUL: "{field} may not contain null characters",
    Code.FIELD_INVALID: "{field} has a value that is not allowed",
    Code.CAMPAIGN_EXISTS: "Campaign {campaign} already exists",
    Code.ORGANIZATION_EXISTS: "An organization named {organization} already exists",
    Code.NOT_SENT: "{reason}",
}

ITEM_ERRORS: Mapping[str, str] = {
    "invalid_number": "Invalid phone number",
    "opted_out": "Client {phone} has opted out",
    "insufficient_balance": "Insufficient balance",
    "skipped": "Insufficient balance",
    "no_route": "No route to {phone}",
    "too_long": "Message is too long",
    "validity_over": "Message expired before it could be sent",
}
"""For reasons of our own. A carrier's is told in `reasons.words`."""

NOT_IN_CAMPAIGN = "Client {phone} not found in campaign {campaign}"
"""The seed's."""

DUPLICATE = "Duplicate of {phone}"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time(at: int) -> str:
    """ISO 8601 with a `Z`, as the vendor's SMS campaigns have it. `at` in microseconds UTC."""
    return (_EPOCH + timedelta(microseconds=at)).replace(tzinfo=None).isoformat() + "Z"


def micros(text: str) -> int | None:
    """A time of the caller's; without a zone it is UTC. None for what is no ISO 8601."""
    for spelling in (text, text.replace(" ", "+")):  # an unescaped plus of a query arrives as a blank
        try:
            read = datetime.fromisoformat(spelling)
        except ValueError:
            continue
        aware = read if read.tzinfo else read.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1)
    return None


def row_id(kind: str, number: int, created_at: int) -> str:
    """`1762896364768x389173798861431550`: milliseconds and 18 digits, the vendor's form for what has no id of the client's own.

    The digits follow from the row and show no count of rows.
    """
    digits = int.from_bytes(hashlib.sha256(f"{kind} {number}".encode()).digest()[:8], "big") % 10**18
    return f"{created_at // 1000}x{digits:018d}"
