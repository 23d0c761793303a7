"""What TalkNTalk's documents leave open, decided; and its words for our states.

The vendor's API looks like Django REST Framework (its 401 and throttle sentences are that framework's own), so where nothing is
documented the framework's habits are followed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo

from clarion.api.limits import Counter
from clarion.api.refusals import Code
from clarion.core.states import State
from clarion.store.views import BroadcastView

NAME = "talkntalk"

SCOPE = "send_sms"
"""Reading needs the scope of its sending."""

# "Rate limits" of the vendor's guide: sliding windows, by organisation.
BULK_COUNTER = Counter("talkntalk.send_bulk", 60, 60)
SINGLE_COUNTER = Counter("talkntalk.send", 300, 60)
STATUS_COUNTER = Counter("talkntalk.campaign_status", 300, 60)
MESSAGES_COUNTER = Counter("talkntalk.campaign_messages", 300, 60)
BALANCE_COUNTER = Counter("talkntalk.balance", 300, 60)
VERIFY_COUNTER = Counter("talkntalk.verify", 300, 60)
LIST_COUNTER = Counter("talkntalk.messages", 300, 60)
SENDERS_COUNTER = Counter("talkntalk.sender_ids", 300, 60)

RECIPIENTS_MAX = 10_000
"""The seed's; counted before duplicates are removed."""

MESSAGE_CHARACTERS_MAX = 100_000
"""Far more than any number of segments that is sent; refused before it is measured."""

SENDER_PATTERN = r"^(?:\+?[0-9]{1,15}|(?=.{0,10}[A-Za-z])[!-Z_a-z](?:[ -Z_a-z]{0,9}[!-Z_a-z])?)(?![\s\S])"
"""A number of up to 15 digits, or up to 11 ASCII characters of GSM's basic alphabet (3GPP TS 23.038 6.2.1) with a letter among them."""

SINGLE_LANE = 0
BULK_LANE = 2

SINGLE_FAILURE_STATUS: Mapping[str, HTTPStatus] = {"insufficient_balance": HTTPStatus.PAYMENT_REQUIRED}
"""What a single send answers when its one recipient fails; what is not here is 400. No 5xx: the same request would fail again."""

SINGLE_FAILURE_FIELD: Mapping[str, str] = {"invalid_number": "mobile", "opted_out": "mobile", "no_route": "mobile", "too_long": "message"}
"""The field that is at fault, named the way that validation errors name it."""

ITEM_DETAILS: Mapping[str, str] = {
    "insufficient_balance": "Insufficient balance. Required {required}, available {available}.",  # the seed's
    "skipped": "Processing stopped due to insufficient balance.",  # the seed's
    "invalid_number": "This is not a valid phone number.",
    "opted_out": "This recipient has opted out.",
    "no_route": "There is no route to this number.",
    "too_long": "The message has more segments than are allowed.",
    "send_failed": "The message could not be sent.",
}
"""Sentences for the `detail` of a failed recipient. A reason that is not here is told as `send_failed`."""

SENTENCES: Mapping[str, str] = {
    # Documented: "Authentication", "Rate limits".
    Code.KEY_MISSING: "Authentication credentials were not provided.",
    Code.KEY_UNKNOWN: "Invalid or revoked API key.",
    Code.KEY_REVOKED: "Invalid or revoked API key.",
    Code.KEY_EXPIRED: "Invalid or revoked API key.",
    Code.THROTTLED: "Request was throttled. Expected available in {seconds} seconds.",
    # Django REST Framework's.
    Code.BODY_MALFORMED: "JSON parse error - {reason}",
    Code.BODY_NOT_OBJECT: "Invalid data. Expected an object, but got {got}.",
    Code.FIELD_NOT_TEXT: "Not a valid string.",
    Code.FIELD_NOT_LIST: 'Expected a list of items but got type "{got}".',
    Code.FIELD_NOT_TEXTS: "Every item must be a string.",
    Code.FIELD_EMPTY: "This list may not be empty.",
    Code.FIELD_TOO_MANY: "Ensure this field has no more than {limit} elements.",
    Code.FIELD_TOO_LONG: "Ensure this field has no more than {limit} characters.",
    Code.FIELD_NOT_ID: "Must be a valid UUID.",
    Code.FIELD_NOT_CHOICE: "This is not a valid choice.",
    Code.FIELD_NOT_NUMBER: "A valid integer from 1 is required.",
    Code.UNKNOWN_CAMPAIGN: "Campaign not found.",
    Code.UNKNOWN_PAGE: "Invalid page.",
    Code.UNKNOWN_PATH: "Not found.",
    Code.WRONG_METHOD: 'Method "{method}" not allowed.',
    f"{Code.FIELD_PATTERN}:message": "This field may not be blank.",
    f"{Code.FIELD_PATTERN}:mobile": "This field may not be blank.",
    f"{Code.FIELD_PATTERN}:sender_id": (
        "Enter a valid sender id: up to 11 characters with at least one letter among them, or up to 15 digits."
    ),
}

SHOWN_CODES: Mapping[str, str] = {
    Code.KEY_MISSING: "authentication_failed",
    Code.KEY_UNKNOWN: "authentication_failed",
    Code.KEY_REVOKED: "authentication_failed",
    Code.KEY_EXPIRED: "authentication_failed",
    Code.ADDRESS_CLOSED: "permission_denied",
    Code.FACE_CLOSED: "permission_denied",
    Code.SCOPE_MISSING: "permission_denied",
}
"""Only the seed's 401 is documented with a `code`; other refusals have none."""

LABELS: Mapping[str, str] = {
    State.WAITING: "queued",
    State.RETRY: "queued",
    State.MARKED: "sent",
    State.UNKNOWN: "sent",
    State.UNDETERMINED: "sent",
    State.SENT: "sent",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "undelivered",
    State.REFUSED: "failed",
    State.SUPPRESSED: "failed",
    State.EXPIRED: "failed",
    State.CANCELLED: "cancelled",
}
"""The vendor's word for each of our states."""

SENT = (State.SENT, State.DELIVERED, State.UNDELIVERED)
FAILED = (State.REFUSED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED)
PERHAPS_SENT = (*SENT, State.MARKED, State.UNKNOWN, State.UNDETERMINED)
ERROR_LABELS = frozenset({"failed", "undelivered", "cancelled"})
"""Messages with one of these labels show why, as `error`."""

PAGE_SIZE = 100
PAGE_SIZE_MAX = 500
"""Documented. A larger size is taken as this one, as the framework's `max_page_size` does."""

PAGE_MAX = 10**9
"""A page number beyond this is not looked for."""


LOOK_BACK_MICROS = 90 * 86_400 * 1_000_000
"""What `bulk-sms/messages/` lists: exact totals of years would be counted at every page."""

MOBILE_DIGITS_MAX = 20
"""Of a partial number in the filter."""

API_FACES = ("teli", "talkntalk", "teekrr")
"""Broadcasts of these have the source `api`, all others `web`."""

PROVIDER = "Clarion"
"""The vendor names its own upstream here; ours are nobody's business."""


def states_labelled(label: str) -> frozenset[str]:
    """Our states that the vendor calls so."""
    return frozenset(state for state, name in LABELS.items() if name == label)


def campaign_status(broadcast: BroadcastView) -> str:
    """`queued` until the first mark, `running`, then `completed`, `cancelled`, or `failed` if certainly nothing was ever sent."""
    if broadcast.state == "cancelled":
        return "cancelled"
    if broadcast.state == "completed":
        return "completed" if count(broadcast, PERHAPS_SENT) else "failed"
    return "queued" if broadcast.started_at is None else "running"


def delivery_rate(broadcast: BroadcastView) -> float:
    """Documented as sent / recipients * 100 with one decimal: a rate of submission, despite its name. 0 without recipients."""
    return round(count(broadcast, SENT) / broadcast.recipients * 100, 1) if broadcast.recipients else 0.0


def count(broadcast: BroadcastView, states: tuple[State, ...]) -> int:
    """How many messages of a broadcast are in any of these states."""
    return sum(broadcast.counts.get(state, 0) for state in states)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_time(at: int, zone: str) -> str:
    """ISO 8601 in the organization's zone, as the vendor's samples have `+03:00`. `at` in microseconds UTC."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone)).isoformat()


def utc_time(at: int) -> str:
    """ISO 8601 with `+00:00`, as the vendor's balance and contacts have it."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat()
