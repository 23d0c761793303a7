"""What Teekrr's documents leave open, decided; and its words for our states."""

from collections.abc import Mapping

from clarion.api.limits import Counter
from clarion.api.refusals import Code
from clarion.core.states import State

NAME = "teekrr"

SCOPE = "send_sms"

COUNTER = Counter("teekrr.sms", 10, 900)
"""The seed's 10 requests in 15 minutes, by organization; WhatsApp and email will have their own."""

LANE = 2

RECIPIENTS_MAX = 10_000
"""The seed's; counted before duplicates are removed."""

CAMPAIGN_CHARACTERS_MAX = 1_000
CONTENT_CHARACTERS_MAX = 100_000
"""The seed has no upper bounds for these two: far more than anybody sends."""

QUICK = "quick broadcast"
SCHEDULE = "schedule broadcast"

PAST_MICROS = 60 * 1_000_000
"""A schedule may be so far in the past: clocks differ, and a request takes its time."""

AHEAD_MICROS = 366 * 86_400 * 1_000_000

ADDRESS_KEYS = ("recipient", "to", "phone", "phoneNumber", "mobile", "email")
"""Under which of its keys an item of `recipientVariables` has its number: the first of these that it has."""

REASONS_SHOWN = 3
"""How many recipients a refusal names when none is left."""

SENTENCES: Mapping[str, str] = {
    # Documented: K:authentication.
    Code.KEY_MISSING: "Missing or invalid Authorization header",
    Code.KEY_UNKNOWN: "Invalid API key",
    Code.KEY_REVOKED: "API key has been revoked",
    Code.KEY_EXPIRED: "API key has expired",
    Code.ADDRESS_CLOSED: "Request IP is not in the API key whitelist",
    # Chosen in their style.
    Code.SCOPE_MISSING: "API key lacks the required scope: {scope}",
    f"{Code.FIELD_PATTERN}:templateContent": "This field may not be blank.",
    f"{Code.FIELD_NOT_CHOICE}:type": f'This field must be "{QUICK}" or "{SCHEDULE}".',
    f"{Code.FIELD_MISSING}:scheduledAt": f'This field is required when type is "{SCHEDULE}".',
    f"{Code.FIELD_INVALID}:recipientVariables": "Every item of this array must be an object.",
}

REASONS: Mapping[str, str] = {
    "invalid_number": "it is not a valid phone number",
    "opted_out": "this recipient has opted out",
    "no_route": "there is no route to this number",
    "missing_variable": "it has no value for {variable}",
    "empty_text": "nothing is left of the text",
    "too_long": "the text has more segments than are allowed",
}
"""Why a recipient's row is `failed` from the start, in words. Rejections for want of money do not happen: the whole request is 402."""

BODY = "body"
"""The field of an error that lies in no field: the body is no JSON, or no object."""

_LABELS: Mapping[str, str] = {
    State.RETRY: "enqueued",
    State.MARKED: "send",
    State.UNKNOWN: "send",
    State.UNDETERMINED: "send",
    State.SENT: "send",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "failed",
    State.REFUSED: "failed",
    State.SUPPRESSED: "failed",
    State.EXPIRED: "failed",
    State.CANCELLED: "failed",
}


def label(state: str, *, chunk_open: bool) -> str:
    """The seed's word, literally, for a state of ours: `pending → enqueued → send → delivered | failed`.

    What waits is `pending` until its chunk opens: scheduled, paused or paced.
    """
    if state == State.WAITING:
        return "enqueued" if chunk_open else "pending"
    return _LABELS[state]
