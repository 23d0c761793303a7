"""Every refusal of `POST /sms`: request, status, body. Each row names where the seed, the vendor's pages or our choices say so."""

import asyncio
import gzip
from typing import Any

import pytest
from tests.api.conftest import EXPIRED_KEY, KEY, OTHER_KEY, REVOKED_KEY, TEEKRR_KEY, VOICE_KEY, World, serving

from clarion.store import Store, tables

SMS = "/sms"

QUICK: dict[str, Any] = {
    "campaignName": "November",
    "type": "quick broadcast",
    "templateContent": "Hello",
    "recipients": ["254712345678"],
}
LATER: dict[str, Any] = {**QUICK, "type": "schedule broadcast", "scheduledAt": "2025-11-24T10:00:00+03:00"}
DYNAMIC: dict[str, Any] = {key: value for key, value in QUICK.items() if key != "recipients"} | {
    "templateContent": "Hi {name}",
    "recipientVariables": [{"recipient": "254712345678", "variables": {"name": "Asha"}}],
}


def without(field: str, body: dict[str, Any] = QUICK) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != field}


REQUIRED = "This field is required."
TYPE = 'This field must be "quick broadcast" or "schedule broadcast".'
TEXTS = "Every item of this array must be a string."
EMPTY = "This field may not be empty."
TIME = "This field must be a date with a time in ISO 8601."
NUL = "Null characters are not allowed."

INVALID: list[tuple[str, object, str, str]] = [
    # seed 003, "Request": names, types, lengths
    ("seed 003: campaignName required", without("campaignName"), "campaignName", REQUIRED),
    ("seed 003: campaignName >=1 character", {**QUICK, "campaignName": ""}, "campaignName", EMPTY),
    ("seed 003: campaignName string", {**QUICK, "campaignName": 5}, "campaignName", "This field must be a string."),
    ("choices: campaignName null", {**QUICK, "campaignName": None}, "campaignName", "This field may not be null."),
    (
        "choices: string lengths",
        {**QUICK, "campaignName": "x" * 1_001},
        "campaignName",
        "This field may have at most 1000 characters.",
    ),
    ("seed 003: type required", without("type"), "type", REQUIRED),
    ("seed 003: type enum", {**QUICK, "type": "quick"}, "type", TYPE),
    ("seed 003: type enum, with the space", {**QUICK, "type": "quick_broadcast"}, "type", TYPE),
    ("seed 003: type enum", {**QUICK, "type": ""}, "type", TYPE),
    ("seed 003: type enum", {**QUICK, "type": 1}, "type", "This field must be a string."),
    ("seed 003: templateName 1-512", {**without("templateContent"), "templateName": ""}, "templateName", EMPTY),
    (
        "seed 003: templateName 1-512",
        {**without("templateContent"), "templateName": "x" * 513},
        "templateName",
        "This field may have at most 512 characters.",
    ),
    (
        "seed 003: existing approved template",
        {**without("templateContent"), "templateName": "x" * 512},
        "templateName",
        "There is no approved template of this name.",
    ),
    ("seed 003: templateContent >=1 character", {**QUICK, "templateContent": ""}, "templateContent", EMPTY),
    ("choices: templateContent blank", {**QUICK, "templateContent": " \n"}, "templateContent", "This field may not be blank."),
    ("seed 003: templateContent string", {**QUICK, "templateContent": ["x"]}, "templateContent", "This field must be a string."),
    (
        "choices: string lengths",
        {**QUICK, "templateContent": "x" * 100_001},
        "templateContent",
        "This field may have at most 100000 characters.",
    ),
    (
        "seed 003: one of templateName, templateContent",
        without("templateContent"),
        "templateName",
        "Give one of templateName and templateContent.",
    ),
    (
        "seed 003: one of templateName, templateContent",
        {**QUICK, "templateName": "x"},
        "templateContent",
        "Give either templateName or templateContent, not both.",
    ),
    (
        "seed 003: scheduledAt required when schedule broadcast",
        without("scheduledAt", LATER),
        "scheduledAt",
        'This field is required when type is "schedule broadcast".',
    ),
    (
        "choices: null is absent",
        {**LATER, "scheduledAt": None},
        "scheduledAt",
        'This field is required when type is "schedule broadcast".',
    ),
    ("seed 003: scheduledAt ISO 8601", {**LATER, "scheduledAt": "tomorrow"}, "scheduledAt", TIME),
    ("seed 003: scheduledAt datetime", {**LATER, "scheduledAt": "2025-11-24"}, "scheduledAt", TIME),
    ("seed 003: scheduledAt datetime", {**LATER, "scheduledAt": "2025-11-31T10:00:00Z"}, "scheduledAt", TIME),
    ("seed 003: scheduledAt datetime", {**LATER, "scheduledAt": ""}, "scheduledAt", TIME),
    ("seed 003: scheduledAt datetime", {**LATER, "scheduledAt": "2025-11-24T10:00:00Z" * 100}, "scheduledAt", TIME),
    ("seed 003: scheduledAt datetime", {**LATER, "scheduledAt": 1_764_000_000}, "scheduledAt", "This field must be a string."),
    ("choices: more than 60 s past", {**LATER, "scheduledAt": "2025-11-22T23:58:59Z"}, "scheduledAt", "This time is in the past."),
    ("choices: far past", {**LATER, "scheduledAt": "0001-01-01T00:00:00+14:00"}, "scheduledAt", "This time is in the past."),
    ("choices: over a year", {**LATER, "scheduledAt": "2026-11-25T00:00:00Z"}, "scheduledAt", "This time is more than a year ahead."),
    ("choices: over a year", {**LATER, "scheduledAt": "9999-12-31T23:59:59"}, "scheduledAt", "This time is more than a year ahead."),
    ("seed 003: keyword 1-10", {**QUICK, "keyword": ""}, "keyword", EMPTY),
    ("seed 003: keyword 1-10", {**QUICK, "keyword": "ABCDEFGHIJK"}, "keyword", "This field may have at most 10 characters."),
    ("seed 003: keyword registered", {**QUICK, "keyword": "ABCDEFGHIJ"}, "keyword", "This keyword is not registered."),
    (
        "seed 003: one of recipients, recipientVariables",
        without("recipients"),
        "recipients",
        "Give one of recipients and recipientVariables.",
    ),
    (
        "seed 003: not both",
        {**DYNAMIC, "recipients": ["254712345678"]},
        "recipientVariables",
        "Give either recipients or recipientVariables, not both.",
    ),
    ("seed 003: recipients list of strings", {**QUICK, "recipients": "254712345678"}, "recipients", "This field must be an array."),
    ("seed 003: recipients list of strings", {**QUICK, "recipients": [254712345678]}, "recipients", TEXTS),
    ("seed 003: recipients list of strings", {**QUICK, "recipients": ["254712345678", None]}, "recipients", TEXTS),
    ("choices: none left", {**QUICK, "recipients": []}, "recipients", EMPTY),
    (
        "seed 003: maximum 10,000; choices: duplicates counted",
        {**QUICK, "recipients": ["254712345678"] * 10_001},
        "recipients",
        "This field may have at most 10000 items.",
    ),
    (
        "seed 003: maximum 10,000",
        {**DYNAMIC, "recipientVariables": DYNAMIC["recipientVariables"] * 10_001},
        "recipientVariables",
        "This field may have at most 10000 items.",
    ),
    (
        "seed 003: recipientVariables list of objects",
        {**DYNAMIC, "recipientVariables": {}},
        "recipientVariables",
        "This field must be an array.",
    ),
    (
        "seed 003: recipientVariables list of objects",
        {**DYNAMIC, "recipientVariables": ["254712345678"]},
        "recipientVariables",
        "Every item of this array must be an object.",
    ),
    ("choices: none left", {**DYNAMIC, "recipientVariables": []}, "recipientVariables", EMPTY),
    *(
        (
            "vendor-apis 3.3: one key as address",
            {**DYNAMIC, "recipientVariables": [{"to": "254712345678", "name": "x"}, item]},
            "recipientVariables",
            "Item 1 names no recipient.",
        )
        for item in ({}, {"name": "x"}, {"recipient": None}, {"recipient": True}, {"recipient": ["254712345678"]}, {"recipient": 1.5})
    ),
    (
        "choices: none left",
        {**QUICK, "recipients": ["banana", "12"]},
        "recipients",
        "None of the recipients can be sent to: banana: it is not a valid phone number; 12: it is not a valid phone number.",
    ),
    (
        "choices: none left",
        {**DYNAMIC, "recipientVariables": [{"to": str(254_712_000_000 + k)} for k in range(5)]},
        "recipientVariables",
        (
            "None of the recipients can be sent to: 254712000000: it has no value for name; 254712000001: it has no value for name;"
            " 254712000002: it has no value for name; and 2 more."
        ),
    ),
    (
        "choices: same content for every recipient, and nobody has a value",
        {**QUICK, "templateContent": "Hi {name} {code} {name}"},
        "recipients",
        "The text has places for name, code, and these recipients bring no values for them.",
    ),
    (
        "choices: limits on everything",
        {**DYNAMIC, "templateContent": "{name}" * 101},
        "templateContent",
        "The text has more than 100 places for values.",
    ),
    ("choices: NUL", {**QUICK, "templateContent": "a\0b"}, "templateContent", NUL),
    ("choices: NUL in a value", {**DYNAMIC, "recipientVariables": [{"to": "254712345678", "name": "\0"}]}, "recipientVariables", NUL),
    ("choices: NUL in a name", {**DYNAMIC, "recipientVariables": [{"to": "254712345678", "\0": "x"}]}, "recipientVariables", NUL),
    # choices, All faces: what is no JSON object is 400 in the face's envelope
    ("choices: no JSON", b"recipients=1", "body", "The body is not JSON: invalid character (byte 0)."),
    ("choices: nothing", b"", "body", "The body is not JSON: Input data was truncated."),
    ("choices: no UTF-8", b'{"campaignName": "\xff"}', "body", "The body is not JSON: it is not UTF-8."),
    ("choices: no object", [QUICK], "body", "The body must be a JSON object, not array."),
    (
        "choices: JSON depth",
        b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "body",
        "The body is nested deeper than 32 levels.",
    ),
    (
        "choices: more than 10 segments are refused, and no text has so many places",
        {**DYNAMIC, "templateContent": "{name}" * 101},
        "templateContent",
        "The text has more than 100 places for values.",
    ),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("source", "body", "field", "sentence"), INVALID, ids=[f"{k}-{row[0]}" for k, row in enumerate(INVALID)])
async def test_every_validation_is_400_with_the_field(still_world: World, source: str, body: object, field: str, sentence: str) -> None:
    """Vendor-apis 3.1, "Envelopes": `errors` on 400 validation."""
    response = await still_world.post(SMS, body)
    assert response.status_code == 400, source
    assert response.json() == {"message": sentence, "errors": [{"field": field, "message": sentence}]}
    assert response.headers["content-type"] == "application/json"


REFUSED: list[tuple[str, str, dict[str, str], int, str]] = [
    # vendor-apis 3.1, "Auth errors"
    ("vendor-apis 3.1", SMS, {}, 401, "Missing or invalid Authorization header"),
    ("vendor-apis 3.1", SMS, {"Authorization": "Basic dXNlcjpwYXNz"}, 401, "Missing or invalid Authorization header"),
    ("vendor-apis 3.1", SMS, {"Authorization": "Bearer"}, 401, "Missing or invalid Authorization header"),
    ("vendor-apis 3.1", SMS, {"Authorization": f"Bearer {KEY[:-1]}z"}, 401, "Invalid API key"),
    ("vendor-apis 3.1", SMS, {"Authorization": f"Bearer {REVOKED_KEY}"}, 401, "API key has been revoked"),
    ("vendor-apis 3.1", SMS, {"Authorization": f"Bearer {EXPIRED_KEY}"}, 401, "API key has expired"),
    # choices, All faces: the missing scope's text
    ("choices: scope", SMS, {"Authorization": f"Bearer {VOICE_KEY}"}, 403, "API key lacks the required scope: send_sms"),
    # choices, All faces: an unknown path answers by its path; never a redirect, never a send
    ("choices: path", "/sms/", {"Authorization": f"Bearer {KEY}"}, 404, "There is nothing at this path."),
    ("choices: path", "/sms/1", {}, 404, "There is nothing at this path."),
    ("choices: path", "/whatsapp", {}, 404, "There is nothing at this path."),
    ("choices: path", "/email", {}, 404, "There is nothing at this path."),
    ("choices: path", "/broadcasts/validate", {}, 404, "There is nothing at this path."),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("source", "path", "headers", "status", "sentence"), REFUSED)
async def test_other_refusals_have_a_message_alone(
    still_world: World, source: str, path: str, headers: dict[str, str], status: int, sentence: str
) -> None:
    response = await still_world.post(path, QUICK, key=None, headers=headers)
    assert (response.status_code, response.json()) == (status, {"message": sentence}), source


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_405(still_world: World, method: str) -> None:
    response = await still_world.client.request(method, SMS)
    assert response.status_code == 405
    assert response.json() == {"message": f'Method "{method}" is not allowed here.'}
    assert "POST" in response.headers["allow"]


@pytest.mark.asyncio(loop_scope="module")
async def test_large_and_compressed_bodies(still_world: World) -> None:
    """Choices, All faces: 413 in the envelope; limits on compressed bodies."""
    large = await still_world.post(SMS, b'{"x": "' + b"x" * (1 << 20) + b'"}')
    assert (large.status_code, large.json()) == (413, {"message": "The body is larger than 1048576 bytes."})
    packed = await still_world.post(SMS, gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.json()) == (415, {"message": "Compressed bodies are not taken: gzip."})


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_of_all_this_was_kept(still_world: World) -> None:
    """Runs after the tables above, on the same database."""
    for table in (tables.broadcasts, tables.messages, tables.holds, tables.rejects):
        assert await still_world.count(table) == 0, table.name


async def test_a_key_for_this_face_alone_opens_it_and_no_other(sqlite_world: World) -> None:
    await sqlite_world.top_up(100_000)
    assert (await sqlite_world.post(SMS, QUICK, key=TEEKRR_KEY)).status_code == 200
    assert (await sqlite_world.get("/v1/balance/", key=TEEKRR_KEY)).status_code == 403


async def test_ten_requests_in_fifteen_minutes(sqlite_world: World) -> None:
    """Seed 003, "Rate limit": 10 requests / 15 min / client. Refused requests count too, and all keys of an organization together."""
    for number in range(10):
        response = await sqlite_world.post(SMS, {}, key=TEEKRR_KEY if number % 2 else KEY)
        assert response.status_code == 400
        headers = {name: response.headers[f"ratelimit-{name}"] for name in ("policy", "limit", "remaining", "reset")}
        assert headers == {"policy": "10;w=900", "limit": "10", "remaining": str(9 - number), "reset": "900"}
    response = await sqlite_world.post(SMS, QUICK)
    assert response.status_code == 429
    seconds = int(response.headers["retry-after"])
    assert 0 < seconds <= 900
    assert response.json() == {"message": f"Too many requests. Try again in {seconds} seconds."}
    assert (response.headers["ratelimit-remaining"], response.headers["ratelimit-reset"]) == ("0", str(seconds))
    assert (await sqlite_world.post(SMS, {}, key=OTHER_KEY)).status_code == 400, "another organization has its own"
    unauthenticated = await sqlite_world.post(SMS, {}, key=None)
    assert unauthenticated.status_code == 401
    assert "ratelimit-limit" not in unauthenticated.headers


async def test_eleven_at_once_are_ten(sqlite_world: World) -> None:
    responses = await asyncio.gather(*(sqlite_world.post(SMS, {}) for _ in range(15)))
    assert sorted(response.status_code for response in responses) == [400] * 10 + [429] * 5


class Broken:
    """A store that fails in the middle of an accept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.stats = store.stats
        self.owner = store.owner

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        return await self._store.read(*args, **kwargs)

    async def write(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the disk is on fire")


async def test_a_breakdown_is_500_in_the_envelope(sqlite_store: Store) -> None:
    """Seed 003, "Errors": 500 Internal Server Error."""
    async with serving(sqlite_store, through=Broken(sqlite_store)) as world:  # type: ignore[arg-type]
        response = await world.post(SMS, QUICK, headers={"X-Request-Id": "abc"})
        assert (response.status_code, response.json()) == (500, {"message": "Internal server error. Request id: abc"})
