"""What a request may be refused for: a code, its status, and a sentence that a face may word in its own way.

Refusals are values: whoever finds a reason returns a `Refusal`, and the envelope of the path that was asked makes an answer of it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus


class Code(StrEnum):
    """Reasons that every face shares. A face may have more of its own."""

    KEY_MISSING = "key_missing"
    KEY_UNKNOWN = "key_unknown"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    ADDRESS_CLOSED = "address_closed"
    FACE_CLOSED = "face_closed"
    SCOPE_MISSING = "scope_missing"
    THROTTLED = "throttled"

    BODY_TOO_LARGE = "body_too_large"
    BODY_ENCODED = "body_encoded"
    BODY_MALFORMED = "body_malformed"
    BODY_TOO_DEEP = "body_too_deep"
    BODY_NOT_OBJECT = "body_not_object"

    FIELD_MISSING = "field_missing"
    FIELD_NULL = "field_null"
    FIELD_NOT_TEXT = "field_not_text"
    FIELD_NOT_LIST = "field_not_list"
    FIELD_NOT_TEXTS = "field_not_texts"
    FIELD_EMPTY = "field_empty"
    FIELD_TOO_MANY = "field_too_many"
    FIELD_TOO_LONG = "field_too_long"
    FIELD_PATTERN = "field_pattern"
    FIELD_NOT_ID = "field_not_id"
    FIELD_NOT_CHOICE = "field_not_choice"
    FIELD_NOT_NUMBER = "field_not_number"
    FIELD_NUL = "field_nul"
    FIELD_INVALID = "field_invalid"
    FIELDS_BOTH = "fields_both"
    FIELDS_NEITHER = "fields_neither"
    TIME_FORM = "time_form"
    TIME_PAST = "time_past"
    TIME_FAR = "time_far"
    UNKNOWN_TEMPLATE = "unknown_template"
    UNKNOWN_KEYWORD = "unknown_keyword"
    ITEM_WITHOUT_RECIPIENT = "item_without_recipient"
    PLACES_WITHOUT_VALUES = "places_without_values"
    PLACES_TOO_MANY = "places_too_many"
    NOBODY_LEFT = "nobody_left"
    INSUFFICIENT_CREDIT = "insufficient_credit"
    SENDER_UNREGISTERED = "sender_unregistered"

    UNKNOWN_CAMPAIGN = "unknown_campaign"
    UNKNOWN_PAGE = "unknown_page"
    UNKNOWN_ORGANIZATION = "unknown_organization"
    UNKNOWN_CONTACT = "unknown_contact"
    CAMPAIGN_EXISTS = "campaign_exists"
    ORGANIZATION_EXISTS = "organization_exists"
    NOT_SENT = "not_sent"
    UNKNOWN_PATH = "unknown_path"
    WRONG_METHOD = "wrong_method"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


STATUS: Mapping[str, HTTPStatus] = {
    Code.KEY_MISSING: HTTPStatus.UNAUTHORIZED,
    Code.KEY_UNKNOWN: HTTPStatus.UNAUTHORIZED,
    Code.KEY_REVOKED: HTTPStatus.UNAUTHORIZED,
    Code.KEY_EXPIRED: HTTPStatus.UNAUTHORIZED,
    Code.ADDRESS_CLOSED: HTTPStatus.FORBIDDEN,
    Code.FACE_CLOSED: HTTPStatus.FORBIDDEN,
    Code.SCOPE_MISSING: HTTPStatus.FORBIDDEN,
    Code.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.BODY_ENCODED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.INSUFFICIENT_CREDIT: HTTPStatus.PAYMENT_REQUIRED,
    Code.UNKNOWN_CAMPAIGN: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_PAGE: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_ORGANIZATION: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_CONTACT: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_PATH: HTTPStatus.NOT_FOUND,
    Code.WRONG_METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What is not here is 400."""

SENTENCES: Mapping[str, str] = {
    Code.KEY_MISSING: "No API key was given.",
    Code.KEY_UNKNOWN: "Invalid API key.",
    Code.KEY_REVOKED: "This API key has been revoked.",
    Code.KEY_EXPIRED: "This API key has expired.",
    Code.ADDRESS_CLOSED: "This API key may not be used from this address.",
    Code.FACE_CLOSED: "This API key is for another API.",
    Code.SCOPE_MISSING: "API key lacks the required scope: {scope}.",
    Code.THROTTLED: "Too many requests. Try again in {seconds} seconds.",
    Code.BODY_TOO_LARGE: "The body is larger than {limit} bytes.",
    Code.BODY_ENCODED: "Compressed bodies are not taken: {encoding}.",
    Code.BODY_MALFORMED: "The body is not JSON: {reason}.",
    Code.BODY_TOO_DEEP: "The body is nested deeper than {limit} levels.",
    Code.BODY_NOT_OBJECT: "The body must be a JSON object, not {got}.",
    Code.FIELD_MISSING: "This field is required.",
    Code.FIELD_NULL: "This field may not be null.",
    Code.FIELD_NOT_TEXT: "This field must be a string.",
    Code.FIELD_NOT_LIST: "This field must be an array.",
    Code.FIELD_NOT_TEXTS: "Every item of this array must be a string.",
    Code.FIELD_EMPTY: "This field may not be empty.",
    Code.FIELD_TOO_MANY: "This field may have at most {limit} items.",
    Code.FIELD_TOO_LONG: "This field may have at most {limit} characters.",
    Code.FIELD_PATTERN: "This field has a form that is not allowed.",
    Code.FIELD_NOT_ID: "This field must be a UUID.",
    Code.FIELD_NOT_CHOICE: "This value is not one of those allowed.",
    Code.FIELD_NOT_NUMBER: "This field must be a whole number from 1.",
    Code.FIELD_NUL: "Null characters are not allowed.",
    Code.FIELD_INVALID: "This field has a value that is not allowed.",
    Code.FIELDS_BOTH: "Give either {one} or {other}, not both.",
    Code.FIELDS_NEITHER: "Give one of {one} and {other}.",
    Code.TIME_FORM: "This field must be a date with a time in ISO 8601.",
    Code.TIME_PAST: "This time is in the past.",
    Code.TIME_FAR: "This time is more than a year ahead.",
    Code.UNKNOWN_TEMPLATE: "There is no approved template of this name.",
    Code.UNKNOWN_KEYWORD: "This keyword is not registered.",
    Code.ITEM_WITHOUT_RECIPIENT: "Item {position} names no recipient.",
    Code.PLACES_WITHOUT_VALUES: "The text has places for {names}, and these recipients bring no values for them.",
    Code.PLACES_TOO_MANY: "The text has more than {limit} places for values.",
    Code.NOBODY_LEFT: "None of the recipients can be sent to: {reasons}.",
    Code.INSUFFICIENT_CREDIT: "Insufficient credit: {required} required, {available} available.",
    Code.SENDER_UNREGISTERED: "This sender id is not registered.",
    Code.UNKNOWN_CAMPAIGN: "There is no such campaign.",
    Code.UNKNOWN_PAGE: "There is no such page.",
    Code.UNKNOWN_ORGANIZATION: "There is no such organization.",
    Code.UNKNOWN_CONTACT: "{contact} is no contact of the campaign {campaign}.",
    Code.CAMPAIGN_EXISTS: "There is a campaign {campaign} already.",
    Code.ORGANIZATION_EXISTS: "There is an organization {organization} already.",
    Code.NOT_SENT: "The message was not sent: {reason}.",
    Code.UNKNOWN_PATH: "There is nothing at this path.",
    Code.WRONG_METHOD: 'Method "{method}" is not allowed here.',
    Code.INTERNAL: "Internal server error. Request id: {request_id}",
    # A commit whose answer was lost cannot be told from one that never was, so this must not invite to send again.
    Code.UNAVAILABLE: "The database did not answer; whether this request was carried out is not certain. Request id: {request_id}",
}
"""The house's own wording, filled with the values of the refusal."""

ADVICE: Mapping[str, str] = {
    Code.KEY_MISSING: "Send the key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
    Code.KEY_UNKNOWN: "Look for a cut or doubled key; `clarion keys list` shows how each begins, `clarion keys create` makes another.",
    Code.KEY_REVOKED: "Use another key: a revoked one never comes back.",
    Code.KEY_EXPIRED: "Make another key; `clarion keys list` shows when each one ends.",
    Code.ADDRESS_CLOSED: "Call from a network that the key allows; behind a proxy, start the server with `--trusted-proxy`.",
    Code.FACE_CLOSED: "Use a key for this API, or one that was made without `--face`.",
    Code.SCOPE_MISSING: "Use a key with this scope, or one that was made without `--scope`.",
    Code.THROTTLED: "Wait the seconds of the header `Retry-After`, then send the same request again: nothing of it was carried out.",
    Code.BODY_TOO_LARGE: "Split the request, or raise `--body-limit-bytes`. What is kept beside a contact or a campaign: 64 KiB.",
    Code.BODY_ENCODED: "Send the body as it is, without `Content-Encoding`.",
    Code.BODY_MALFORMED: "Send JSON in UTF-8; the reason names the byte.",
    Code.BODY_TOO_DEEP: "Send flatter data.",
    Code.BODY_NOT_OBJECT: "Send one JSON object: `{…}`.",
    Code.FIELD_MISSING: "Add the field.",
    Code.FIELD_NULL: "Give it a value, or leave it out where it is optional.",
    Code.FIELD_NOT_TEXT: "Put the value in quotes.",
    Code.FIELD_NOT_LIST: "Send an array, also for a single item.",
    Code.FIELD_NOT_TEXTS: "Put each item in quotes, phone numbers too.",
    Code.FIELD_EMPTY: "Give it at least one item, or one character.",
    Code.FIELD_TOO_MANY: "Split the request.",
    Code.FIELD_TOO_LONG: "Shorten the value.",
    Code.FIELD_PATTERN: "Look the form up in the OpenAPI document (`/docs`); a text may not be blank.",
    Code.FIELD_NOT_ID: "Send the id as it was answered, with its hyphens.",
    Code.FIELD_NOT_CHOICE: "Use one of the values that the OpenAPI document lists, letter by letter.",
    Code.FIELD_NOT_NUMBER: "Send digits.",
    Code.FIELD_NUL: "Remove the character U+0000.",
    Code.FIELD_INVALID: "Look the field up in the OpenAPI document (`/docs`).",
    Code.FIELDS_BOTH: "Leave one of the two out.",
    Code.FIELDS_NEITHER: "Give one of the two.",
    Code.TIME_FORM: "Write it as `2026-03-28T18:00:00+03:00`; without an offset it is in the organization's zone.",
    Code.TIME_PAST: "Give a later time, or send at once. A minute is forgiven.",
    Code.TIME_FAR: "Send it again when the time is nearer.",
    Code.UNKNOWN_TEMPLATE: "`clarion templates list` shows names and states; only approved templates are sent.",
    Code.UNKNOWN_KEYWORD: "`clarion keywords list` shows them; `clarion keywords add` registers one.",
    Code.ITEM_WITHOUT_RECIPIENT: "Give the item a `recipient`. Positions count from 0.",
    Code.PLACES_WITHOUT_VALUES: "Send the values in `recipientVariables`, or take the places out of the text.",
    Code.PLACES_TOO_MANY: "Use fewer places: no text of ten segments has room for so many.",
    Code.NOBODY_LEFT: "Mend what the reasons name. Nothing was kept, and nothing was paid.",
    Code.INSUFFICIENT_CREDIT: "Top the wallet up (`clarion wallet top-up`) and send the same request again: nothing of it was kept.",
    Code.SENDER_UNREGISTERED: "`clarion senders list` shows the registered ones; `clarion senders add` registers another.",
    Code.UNKNOWN_CAMPAIGN: "Look for a wrong id or a key of another organization, whose campaigns are unknown to this one.",
    Code.UNKNOWN_PAGE: "Follow `next` until it is null.",
    Code.UNKNOWN_ORGANIZATION: "A key acts for its own organization and those that it made; `GET /v1/organizations` lists them.",
    Code.UNKNOWN_CONTACT: "Add the contact with `POST /v1/contacts` and this `campaign_id`.",
    Code.CAMPAIGN_EXISTS: "Choose another id, or use the campaign that is there. Nothing of it was changed.",
    Code.ORGANIZATION_EXISTS: "Choose another name, or use the organization that is there.",
    Code.NOT_SENT: "The reason says whether to mend the number, the text or the wallet; see the failures of single recipients.",
    Code.UNKNOWN_PATH: "Compare the path with the OpenAPI document letter by letter: a slash at its end makes another path.",
    Code.WRONG_METHOD: "The header `Allow` names the methods.",
    Code.INTERNAL: "A mistake of Clarion's: report it with the log. Before you send again, look whether the broadcast is there.",
    Code.UNAVAILABLE: "Wait the seconds of `Retry-After`, then look whether the broadcast is there before you send again: see "
    '"When a request timed out" in the README.',
}
"""What whoever was refused can do about it; docs/errors.md is made of it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused. `field` names the member of the body or the query that is at fault, if one is."""

    code: str
    field: str | None = None
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def status(self) -> HTTPStatus:
        """The status that this code has on every face."""
        return STATUS.get(self.code, HTTPStatus.BAD_REQUEST)

    def sentence(self, texts: Mapping[str, str] = SENTENCES) -> str:
        """What to tell the caller: `texts` goes before the house's own wording, and in it `code:field` before `code`."""
        text = texts.get(f"{self.code}:{self.field}") or texts.get(self.code) or SENTENCES[self.code]
        return text.format_map(self.values)
