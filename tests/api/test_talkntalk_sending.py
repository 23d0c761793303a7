"""TalkNTalk's sends, on both databases where the store decides: the request, the answer, and what the store then holds."""

import re
from typing import Any

import pytest
from tests.api.conftest import BALANCE, KEY, NOW, ORGANIZATION, OTHER_KEY, SEND, SEND_BULK, STATUS, World

from clarion.store import tables

KES = 100_000
"""Thousandths of a cent in 1.00 KES."""

SEED = {
    "recipients": ["254712345678", "254723456789", "254734567890"],
    "message": "Hi! Your invoice is ready. Log in to view it.",
    "sender_id": "TALKNTALK",
}

MESSAGE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_the_seeds_request_is_queued(world: World) -> None:
    """Seed 002, "Request body" and "Response": 201, all queued."""
    await world.top_up(10 * KES)
    response = await world.post(SEND_BULK, SEED)
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json"
    assert "clarion-simulated" not in response.headers
    body = response.json()
    assert set(body) == {"campaign_id", "queued", "failed", "total", "sender_id", "results", "errors"}
    assert (body["queued"], body["failed"], body["total"], body["sender_id"], body["errors"]) == (3, 0, 3, "TALKNTALK", [])
    assert [(row["mobile"], row["status"]) for row in body["results"]] == [(mobile, "queued") for mobile in SEED["recipients"]]
    assert all(MESSAGE_ID.fullmatch(row["id"]) for row in body["results"])
    assert [int(row["id"][-8:], 16) for row in body["results"]] == [1, 2, 3]
    assert body["campaign_id"] == body["results"][0]["id"][:-8] + "00000000"
    assert (await world.get(BALANCE)).json()["balance"] == "7.00"


async def test_the_seeds_partial_failure(world: World) -> None:
    """Seed 002: two queued, the third without a balance; the amounts exact."""
    await world.top_up(2 * KES)
    response = await world.post(SEND_BULK, SEED)
    assert response.status_code == 207
    body = response.json()
    assert (body["queued"], body["failed"], body["total"]) == (2, 1, 3)
    assert [row["mobile"] for row in body["results"]] == ["254712345678", "254723456789"]
    assert body["errors"] == [
        {
            "mobile": "254734567890",
            "error": "insufficient_balance",
            "detail": "Insufficient balance. Required KES 1.00, available KES 0.00.",
        }
    ]
    assert (await world.get(BALANCE)).json()["balance"] == "0.00"


async def test_behind_the_one_that_cannot_be_paid_all_are_skipped(world: World) -> None:
    """Seed 002, "Balance exhaustion behaviour"; choices: a bad number after the stop is skipped too, and segments cost each."""
    await world.top_up(5 * KES)
    recipients = ["0712345678", "not a number", "0723456789", "0734567890", "256772123456", "nor this", "0745678901"]
    response = await world.post(SEND_BULK, {"recipients": recipients, "message": "x" * 161})
    assert response.status_code == 207
    body = response.json()
    assert [row["mobile"] for row in body["results"]] == ["0712345678", "0723456789"]
    skipped = "Processing stopped due to insufficient balance."
    assert [(row["mobile"], row["error"], row["detail"]) for row in body["errors"]] == [
        ("not a number", "invalid_number", "This is not a valid phone number."),
        ("0734567890", "insufficient_balance", "Insufficient balance. Required KES 2.00, available KES 1.00."),
        ("256772123456", "skipped", skipped),
        ("nor this", "skipped", skipped),
        ("0745678901", "skipped", skipped),
    ]
    assert body["queued"] + body["failed"] == body["total"] == 7
    assert (await world.get(BALANCE)).json()["balance"] == "1.00"


async def test_an_empty_wallet_fails_all_and_is_still_207(world: World) -> None:
    """Choices: if all fail it is still 207; `results` is an array."""
    response = await world.post(SEND_BULK, SEED)
    assert response.status_code == 207
    body = response.json()
    assert (body["queued"], body["failed"], body["total"], body["results"]) == (0, 3, 3, [])
    assert [row["error"] for row in body["errors"]] == ["insufficient_balance", "skipped", "skipped"]
    assert await world.count(tables.messages) == 0


async def test_one_row_for_a_number_in_whatever_spelling(world: World) -> None:
    """Seed 002: duplicates are removed, total counts the unique; choices: the first spelling is echoed; equal text counts as one number."""
    await world.top_up(10 * KES)
    recipients = ["0712 345 678", "254712345678", "+254712345678", "712345678", "bad", "bad", "Bad", "0712345679"]
    body = (await world.post(SEND_BULK, {**SEED, "recipients": recipients})).json()
    assert [row["mobile"] for row in body["results"]] == ["0712 345 678", "0712345679"]
    assert [row["mobile"] for row in body["errors"]] == ["bad", "Bad"]
    assert body["total"] == 4
    assert await world.count(tables.messages) == 2


async def test_each_recipient_fails_alone(world: World) -> None:
    """Choices: item errors beside the seed's two, each with a sentence."""
    await world.top_up(10 * KES)
    await world.opt_out(254723456789)
    recipients = ["254712345678", "12", "254723456789", "4915112345678", "254734567890"]
    response = await world.post(SEND_BULK, {**SEED, "recipients": recipients})
    assert response.status_code == 207
    body = response.json()
    assert [row["mobile"] for row in body["results"]] == ["254712345678", "254734567890"]
    assert body["errors"] == [
        {"mobile": "12", "error": "invalid_number", "detail": "This is not a valid phone number."},
        {"mobile": "254723456789", "error": "opted_out", "detail": "This recipient has opted out."},
        {"mobile": "4915112345678", "error": "no_route", "detail": "There is no route to this number."},
    ]


async def test_more_than_ten_segments_are_too_long_for_each_recipient(sqlite_world: World) -> None:
    await sqlite_world.top_up(100 * KES)
    body = (await sqlite_world.post(SEND_BULK, {**SEED, "message": "x" * 1531})).json()
    assert {(row["error"], row["detail"]) for row in body["errors"]} == {("too_long", "The message has more segments than are allowed.")}
    assert (await sqlite_world.post(SEND_BULK, {**SEED, "message": "x" * 1530})).status_code == 201
    assert (await sqlite_world.get(BALANCE)).json()["balance"] == "70.00"


@pytest.mark.parametrize(
    ("key", "given", "shown"),
    [(KEY, {}, "DUKA"), (KEY, {"sender_id": None}, "DUKA"), (KEY, {"sender_id": "22141"}, "22141"), (OTHER_KEY, {}, None)],
)
async def test_senders(sqlite_world: World, key: str, given: dict[str, Any], shown: str | None) -> None:
    """Seed 002: defaults to the organisation's default sender ID; choices: null where there is none."""
    body = (await sqlite_world.post(SEND_BULK, {"recipients": ["254712345678"], "message": "Hi", **given}, key)).json()
    assert body["sender_id"] == shown


async def test_what_went_to_the_simulator_says_so(sqlite_world: World) -> None:
    await sqlite_world.top_up(10 * KES)
    response = await sqlite_world.post(SEND_BULK, {**SEED, "recipients": ["254712345678", "+15551234567"]})
    assert response.status_code == 201
    assert response.headers["clarion-simulated"] == "true"
    response = await sqlite_world.post(SEND, {"mobile": "+15551234567", "message": "Hi"})
    assert response.headers["clarion-simulated"] == "true"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense"])
async def test_the_body_is_json_whatever_its_type_says(sqlite_world: World, content_type: str) -> None:
    """Choices, "All faces"; unknown fields are ignored."""
    await sqlite_world.top_up(10 * KES)
    response = await sqlite_world.post(
        SEND, b'{"mobile": "254712345678", "message": "Hi", "priority": {"a": [1]}}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 201


async def test_a_single_send(world: World) -> None:
    """Vendor-apis 2.3, "Send": 201 with these seven; times with the organization's offset."""
    await world.top_up(1 * KES)
    response = await world.post(SEND, {"mobile": "0712 345 678", "message": "Habari €", "sender_id": "DUKA2"})
    assert response.status_code == 201
    body = response.json()
    assert MESSAGE_ID.fullmatch(body.pop("id"))
    assert body == {
        "mobile": "0712 345 678",
        "sender_id": "DUKA2",
        "message": "Habari €",
        "status": "queued",
        "created_at": "2025-11-23T03:00:00.123456+03:00",
    }


SINGLE_FAILURES = [
    (
        "12",
        "Hi",
        400,
        {"detail": "This is not a valid phone number.", "code": "invalid_number", "mobile": ["This is not a valid phone number."]},
    ),
    (
        "+4915112345678",
        "Hi",
        400,
        {"detail": "There is no route to this number.", "code": "no_route", "mobile": ["There is no route to this number."]},
    ),
    (
        "254712345678",
        "x" * 1531,
        400,
        {
            "detail": "The message has more segments than are allowed.",
            "code": "too_long",
            "message": ["The message has more segments than are allowed."],
        },
    ),
    (
        "254712345678",
        "Hi",
        402,
        {"detail": "Insufficient balance. Required KES 1.00, available KES 0.00.", "code": "insufficient_balance"},
    ),
]


@pytest.mark.parametrize(("mobile", "message", "status", "answer"), SINGLE_FAILURES, ids=lambda value: str(value)[:20])
async def test_a_single_send_that_fails(sqlite_world: World, mobile: str, message: str, status: int, answer: dict[str, Any]) -> None:
    """Chosen by the face: the bulk item's code and sentence, for the whole request."""
    response = await sqlite_world.post(SEND, {"mobile": mobile, "message": message})
    assert (response.status_code, response.json()) == (status, answer)
    assert await sqlite_world.count(tables.messages) == 0


async def test_the_balance(sqlite_world: World) -> None:
    """Vendor-apis 2.3, "Balance": strings of decimals, UTC."""
    await sqlite_world.top_up(1250 * KES)
    response = await sqlite_world.get(BALANCE)
    assert response.status_code == 200
    assert response.json() == {
        "organisation": str(ORGANIZATION),
        "balance": "1250.00",
        "currency": "KES",
        "retrieved_at": "2025-11-23T00:00:00.123456+00:00",
    }
    assert sqlite_world.clock.time == NOW


async def test_ten_thousand_recipients(world: World) -> None:
    """Seed 002: up to 10,000 in a call, every one answered, in the order of the request."""
    await world.top_up(10_000 * KES)
    recipients = [f"2547{number:08}" for number in range(10_000)]
    response = await world.post(SEND_BULK, {**SEED, "recipients": recipients})
    assert response.status_code == 201
    body = response.json()
    assert [row["mobile"] for row in body["results"]] == recipients
    assert len({row["id"] for row in body["results"]}) == 10_000
    status = (await world.post(STATUS, {"campaign_id": body["campaign_id"]})).json()
    assert (status["recipients_count"], status["status"]) == (10_000, "queued")
