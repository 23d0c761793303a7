"""Every refusal of TalkNTalk's endpoints: request, status, body. Each row names where the vendor, the seed or our choices say so."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from tests.api.conftest import (
    BALANCE,
    EXPIRED_KEY,
    KEY,
    MESSAGES,
    REVOKED_KEY,
    SEND,
    SEND_BULK,
    STATUS,
    TEEKRR_KEY,
    VOICE_KEY,
    World,
)

from clarion.store import tables

pytestmark = pytest.mark.asyncio(loop_scope="module")

BULK: dict[str, Any] = {"recipients": ["254712345678"], "message": "Hi"}
SINGLE: dict[str, Any] = {"mobile": "254712345678", "message": "Hi"}
UNKNOWN = "018f3a2b-7c1d-7e4a-9b2c-3d4e00000000"
SENDER = "Enter a valid sender id: up to 11 characters with at least one letter among them, or up to 15 digits."


def invalid(field: str, sentence: str) -> dict[str, Any]:
    return {"detail": f"{field}: {sentence}", field: [sentence]}


REFUSED: list[tuple[str, str, object, int, dict[str, Any]]] = [
    # seed 002, "Error responses": recipients is empty, exceeds 10,000, or message is missing
    ("seed 002: empty", SEND_BULK, {**BULK, "recipients": []}, 400, invalid("recipients", "This list may not be empty.")),
    (
        "seed 002: over 10,000, duplicates counted",
        SEND_BULK,
        {**BULK, "recipients": ["254712345678"] * 10_001},
        400,
        invalid("recipients", "Ensure this field has no more than 10000 elements."),
    ),
    ("seed 002: no message", SEND_BULK, {"recipients": ["254712345678"]}, 400, invalid("message", "This field is required.")),
    # vendor-apis 2.1, "Stack": Django REST Framework's sentences, beside `detail` as choices decide
    ("choices: no recipients", SEND_BULK, {"message": "Hi"}, 400, invalid("recipients", "This field is required.")),
    ("choices: null recipients", SEND_BULK, {**BULK, "recipients": None}, 400, invalid("recipients", "This field may not be null.")),
    (
        "choices: recipients no list",
        SEND_BULK,
        {**BULK, "recipients": "254712345678"},
        400,
        invalid("recipients", 'Expected a list of items but got type "str".'),
    ),
    (
        "choices: numbers as numbers",
        SEND_BULK,
        {**BULK, "recipients": [254712345678]},
        400,
        invalid("recipients", "Every item must be a string."),
    ),
    (
        "choices: null among them",
        SEND_BULK,
        {**BULK, "recipients": ["254712345678", None]},
        400,
        invalid("recipients", "Every item must be a string."),
    ),
    ("choices: message no string", SEND_BULK, {**BULK, "message": 5}, 400, invalid("message", "Not a valid string.")),
    ("choices: message null", SEND_BULK, {**BULK, "message": None}, 400, invalid("message", "This field may not be null.")),
    ("choices: message blank", SEND_BULK, {**BULK, "message": " \n\t"}, 400, invalid("message", "This field may not be blank.")),
    ("choices: message empty", SEND_BULK, {**BULK, "message": ""}, 400, invalid("message", "This field may not be blank.")),
    (
        "choices: message of more than 100 KB",
        SEND_BULK,
        {**BULK, "message": "a" * 100_001},
        400,
        invalid("message", "Ensure this field has no more than 100000 characters."),
    ),
    ("choices: NUL", SEND_BULK, {**BULK, "message": "a\0b"}, 400, invalid("message", "Null characters are not allowed.")),
    (
        "choices: NUL in a number",
        SEND_BULK,
        {**BULK, "recipients": ["254712345678", "07\0"]},
        400,
        invalid("recipients", "Null characters are not allowed."),
    ),
    ("choices: sender too long", SEND_BULK, {**BULK, "sender_id": "TALKNTALKTALK"}, 400, invalid("sender_id", SENDER)),
    ("choices: sender empty", SEND_BULK, {**BULK, "sender_id": ""}, 400, invalid("sender_id", SENDER)),
    ("choices: sender not GSM", SEND_BULK, {**BULK, "sender_id": "ТОЛК"}, 400, invalid("sender_id", SENDER)),
    ("choices: sender no string", SEND_BULK, {**BULK, "sender_id": 22141}, 400, invalid("sender_id", "Not a valid string.")),
    ("choices: no JSON", SEND_BULK, b"recipients=1", 400, {"detail": "JSON parse error - invalid character (byte 0)"}),
    ("choices: nothing", SEND_BULK, b"", 400, {"detail": "JSON parse error - Input data was truncated"}),
    ("choices: cut off", SEND_BULK, b'{"recipients": ["2547', 400, {"detail": "JSON parse error - Input data was truncated"}),
    ("choices: no UTF-8", SEND_BULK, b'{"recipients": ["\xff"]}', 400, {"detail": "JSON parse error - it is not UTF-8"}),
    (
        "choices: nested too deep",
        SEND_BULK,
        b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        400,
        {"detail": "The body is nested deeper than 32 levels."},
    ),
    ("choices: no object", SEND_BULK, [BULK], 400, {"detail": "Invalid data. Expected an object, but got array."}),
    ("choices: no object", SEND, "Hi", 400, {"detail": "Invalid data. Expected an object, but got str."}),
    # vendor-apis 2.3, "Send": mobile*, message*
    ("2.3 Send: no mobile", SEND, {"message": "Hi"}, 400, invalid("mobile", "This field is required.")),
    ("2.3 Send: blank mobile", SEND, {**SINGLE, "mobile": " "}, 400, invalid("mobile", "This field may not be blank.")),
    ("2.3 Send: mobile no string", SEND, {**SINGLE, "mobile": 254712345678}, 400, invalid("mobile", "Not a valid string.")),
    ("2.3 Send: no message", SEND, {"mobile": "254712345678"}, 400, invalid("message", "This field is required.")),
    ("2.3 Send: blank message", SEND, {**SINGLE, "message": ""}, 400, invalid("message", "This field may not be blank.")),
    ("2.3 Send: bad sender", SEND, {**SINGLE, "sender_id": "!!!"}, 400, invalid("sender_id", SENDER)),
    # vendor-apis 2.3, "Campaign status" and "Campaign messages"
    ("2.3 Status: no id", STATUS, {}, 400, invalid("campaign_id", "This field is required.")),
    ("2.3 Status: no UUID", STATUS, {"campaign_id": "84"}, 400, invalid("campaign_id", "Must be a valid UUID.")),
    ("2.3 Status: a number", STATUS, {"campaign_id": 84}, 400, invalid("campaign_id", "Must be a valid UUID.")),
    ("2.3 Messages: unknown", STATUS, {"campaign_id": UNKNOWN}, 404, {"detail": "Campaign not found."}),
    ("2.3 Messages: unknown", MESSAGES, {"campaign_id": UNKNOWN}, 404, {"detail": "Campaign not found."}),
    (
        "2.3 Messages: status that is none",
        MESSAGES,
        {"campaign_id": UNKNOWN, "status": "enqueued"},
        400,
        invalid("status", "This is not a valid choice."),
    ),
    ("2.1 Pagination", f"{MESSAGES}?page=x", {"campaign_id": UNKNOWN}, 400, invalid("page", "A valid integer from 1 is required.")),
    ("2.1 Pagination", f"{MESSAGES}?page=0", {"campaign_id": UNKNOWN}, 400, invalid("page", "A valid integer from 1 is required.")),
    ("2.1 Pagination", f"{MESSAGES}?page=-1", {"campaign_id": UNKNOWN}, 400, invalid("page", "A valid integer from 1 is required.")),
    ("2.1 Pagination", f"{MESSAGES}?page=²", {"campaign_id": UNKNOWN}, 400, invalid("page", "A valid integer from 1 is required.")),
    (
        "2.1 Pagination",
        f"{MESSAGES}?page_size=",
        {"campaign_id": UNKNOWN},
        400,
        invalid("page_size", "A valid integer from 1 is required."),
    ),
    ("2.1 Pagination", f"{MESSAGES}?page={'9' * 20}", {"campaign_id": UNKNOWN}, 404, {"detail": "Invalid page."}),
    (
        "2.1 Pagination",
        f"{MESSAGES}?page={'9' * 4000}",
        {"campaign_id": UNKNOWN},
        400,
        invalid("page", "A valid integer from 1 is required."),
    ),
]


@pytest.mark.parametrize(("source", "path", "body", "status", "answer"), REFUSED, ids=[f"{row[1]} {row[0]}"[:80] for row in REFUSED])
async def test_requests_that_do_not_fit(
    still_world: World, source: str, path: str, body: object, status: int, answer: dict[str, Any]
) -> None:
    response = await still_world.post(path, body)
    assert (response.status_code, response.json()) == (status, answer), source
    assert await still_world.count(tables.broadcasts) == 0


MISSING = {"detail": "Authentication credentials were not provided.", "code": "authentication_failed"}
INVALID = {"detail": "Invalid or revoked API key.", "code": "authentication_failed"}

# N:authentication/overview and seed 002 for 401; choices, "All faces", for the rest
HEADERS: list[tuple[dict[str, str], int, dict[str, Any] | None]] = [
    ({}, 401, MISSING),
    ({"Authorization": ""}, 401, MISSING),
    ({"Authorization": "Bearer"}, 401, MISSING),
    ({"Authorization": "Basic dXNlcjpwYXNz"}, 401, MISSING),
    ({"X-API-Key": ""}, 401, MISSING),
    ({"Authorization": "Bearer tk_live_nobody"}, 401, INVALID),
    ({"Authorization": f"Bearer {KEY}x"}, 401, INVALID),
    ({"Authorization": f"Bearer {KEY[:-1]}"}, 401, INVALID),
    ({"Authorization": "Bearer " + "x" * 5000}, 401, INVALID),
    ({"Authorization": f"Bearer {REVOKED_KEY}"}, 401, INVALID),
    ({"Authorization": f"Bearer {EXPIRED_KEY}"}, 401, INVALID),
    ({"X-API-Key": REVOKED_KEY}, 401, INVALID),
    (
        {"Authorization": f"Bearer {VOICE_KEY}"},
        403,
        {"detail": "API key lacks the required scope: send_sms.", "code": "permission_denied"},
    ),
    ({"Authorization": f"Bearer {TEEKRR_KEY}"}, 403, {"detail": "This API key is for another API.", "code": "permission_denied"}),
    ({"Authorization": f"Bearer {KEY}"}, 200, None),
    ({"Authorization": f"bearer {KEY}"}, 200, None),
    ({"X-API-Key": KEY}, 200, None),
    ({"Authorization": "Basic dXNlcjpwYXNz", "X-API-Key": KEY}, 200, None),
]


@pytest.mark.parametrize(("headers", "status", "answer"), HEADERS, ids=lambda value: str(value)[:60])
async def test_keys(still_world: World, headers: dict[str, str], status: int, answer: dict[str, Any] | None) -> None:
    response = await still_world.client.get(BALANCE, headers=headers)
    assert response.status_code == status
    if answer is not None:
        assert response.json() == answer
    assert ("www-authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize("path", [SEND_BULK, SEND, STATUS, MESSAGES])
async def test_a_key_is_asked_for_before_the_body_is_read(still_world: World, path: str) -> None:
    response = await still_world.post(path, b"{", key=None)
    assert (response.status_code, response.json()) == (401, MISSING)


async def test_compressed_bodies_are_not_taken(still_world: World) -> None:
    body = gzip.compress(json.dumps(BULK).encode())
    response = await still_world.post(SEND_BULK, body, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415
    assert response.json() == {"detail": "Compressed bodies are not taken: gzip."}


async def test_a_body_over_the_limit_is_refused_by_its_announced_length(still_world: World) -> None:
    response = await still_world.post(SEND_BULK, b" " * (still_world.services.body_limit_bytes + 1))
    assert response.status_code == 413
    assert response.json() == {"detail": "The body is larger than 1048576 bytes."}
    assert response.headers["connection"] == "close"


async def test_a_body_without_a_length_is_counted_while_it_streams(still_world: World) -> None:
    """The rest is never asked for: a sender that has more gets its answer, and the connection is closed."""
    host, _, port = still_world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {SEND_BULK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for _ in range(17):
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
    async with asyncio.timeout(30):
        await writer.drain()
        answered = await reader.read(-1)
    writer.close()
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert b'{"detail":"The body is larger than 1048576 bytes."}' in answered


async def test_paths_without_their_slash_are_not_there(still_world: World) -> None:
    """Choices, "All faces": 404 in the envelope of the path, never a redirect, never a send."""
    response = await still_world.post(SEND_BULK.rstrip("/"), BULK)
    assert response.status_code == 404
    assert response.json() == {"error": "There is nothing at this path.", "success": False, "powered_by": "Teli"}
    assert await still_world.count(tables.broadcasts) == 0


async def test_wrong_methods_are_told_the_right_one(still_world: World) -> None:
    response = await still_world.get(SEND_BULK)
    assert (response.status_code, response.json()) == (405, {"detail": 'Method "GET" not allowed.'})
    assert response.headers["allow"] == "OPTIONS, POST"
    response = await still_world.post(BALANCE, {})
    assert (response.status_code, response.json()) == (405, {"detail": 'Method "POST" not allowed.'})
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
