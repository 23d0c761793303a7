"""Campaigns on both databases: where they stand, and their messages by page."""

from typing import Any

from tests.api.conftest import KEY, MESSAGES, NOW, OTHER_KEY, SEND_BULK, STATUS, World

RECIPIENTS = [f"25471200000{digit}" for digit in range(8)]
CREATED = "2025-11-23T03:00:00.123456+03:00"


async def broadcast(world: World, recipients: list[str] | None = None) -> str:
    await world.top_up(100 * 100_000)
    body = (await world.post(SEND_BULK, {"recipients": recipients or RECIPIENTS, "message": "Hi", "sender_id": "DUKA"})).json()
    campaign_id: str = body["campaign_id"]
    return campaign_id


async def status(world: World, campaign_id: str, key: str = KEY) -> dict[str, Any]:
    response = await world.post(STATUS, {"campaign_id": campaign_id}, key)
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


async def page(world: World, campaign_id: str, query: str = "", **body: Any) -> dict[str, Any]:
    response = await world.post(f"{MESSAGES}{query}", {"campaign_id": campaign_id, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_campaign_from_its_start_to_its_end(world: World) -> None:
    """Vendor-apis 2.3, "Campaign status"; choices for the counts and the words."""
    campaign_id = await broadcast(world)
    queued = {
        "campaign_id": campaign_id,
        "status": "queued",
        "message": "Hi",
        "sender_id": "DUKA",
        "recipients_count": 8,
        "sent_count": 0,
        "failed_count": 0,
        "delivery_rate": 0.0,
        "created_at": CREATED,
        "started_at": None,
        "finished_at": None,
    }
    assert await status(world, campaign_id) == queued

    world.clock.time = NOW + 1_000_000
    marked = await world.mark_all()
    assert len(marked) == 8
    running = {**queued, "status": "running", "started_at": "2025-11-23T03:00:01.123456+03:00"}
    assert await status(world, campaign_id) == running
    assert [row["status"] for row in (await page(world, campaign_id))["results"]] == ["sent"] * 8

    world.clock.time = NOW + 2_000_000
    ends = ["sent", "delivered", "undelivered", "refused", "suppressed", "expired", "unknown"]
    for message, state in zip(marked, ends, strict=False):
        await world.end(message, state, "the carrier's word")
    counted = {**running, "sent_count": 3, "failed_count": 3, "delivery_rate": 37.5}
    assert await status(world, campaign_id) == counted

    await world.end(marked[7], "sent")
    assert await status(world, campaign_id) == {
        **counted,
        "status": "completed",
        "sent_count": 4,
        "delivery_rate": 50.0,
        "finished_at": "2025-11-23T03:00:02.123456+03:00",
    }


async def test_a_campaign_of_which_nothing_was_ever_sent_has_failed(world: World) -> None:
    campaign_id = await broadcast(world, ["nobody"])
    found = await status(world, campaign_id)
    assert (found["status"], found["recipients_count"], found["delivery_rate"]) == ("failed", 0, 0.0)
    campaign_id = await broadcast(world)
    for message in await world.mark_all():
        await world.end(message, "refused", "ESME_RINVDSTADR")
    found = await status(world, campaign_id)
    assert (found["status"], found["failed_count"]) == ("failed", 8)


async def test_messages_with_the_vendors_labels(world: World) -> None:
    """Vendor-apis 2.3, "Campaign messages"; the table of labels in choices; errors only where something failed."""
    campaign_id = await broadcast(world)
    marked = await world.mark_all()
    world.clock.time = NOW + 5_000_000
    for message, state in zip(
        marked, ["sent", "delivered", "undelivered", "refused", "suppressed", "cancelled", "undetermined"], strict=False
    ):
        await world.end(message, state, "because")
    answer = await page(world, campaign_id)
    assert [(row["status"], row.get("error")) for row in answer["results"]] == [
        ("sent", None),
        ("delivered", None),
        ("undelivered", "because"),
        ("failed", "because"),
        ("failed", "because"),
        ("cancelled", "because"),
        ("sent", None),
        ("sent", None),
    ]
    assert answer["results"][2] == {
        "id": campaign_id[:-8] + "00000003",
        "mobile": "254712000002",
        "sender_id": "DUKA",
        "status": "undelivered",
        "network": "safaricom",
        "created_at": CREATED,
        "updated_at": "2025-11-23T03:00:05.123456+03:00",
        "error": "because",
    }
    for label, offsets in {
        "queued": [],
        "sent": [1, 7, 8],
        "delivered": [2],
        "undelivered": [3],
        "failed": [4, 5],
        "cancelled": [6],
    }.items():
        answer = await page(world, campaign_id, status=label)
        assert [int(row["id"][-8:], 16) for row in answer["results"]] == offsets, label
        assert answer["total"] == len(offsets)


async def test_pages_have_exact_totals_and_absolute_neighbours(world: World) -> None:
    """Vendor-apis 2.1, "Pagination"."""
    campaign_id = await broadcast(world)
    url = f"{world.url}{MESSAGES}"
    answer = await page(world, campaign_id)
    assert {name: answer[name] for name in ("total", "page", "page_size", "total_pages", "next", "previous")} == {
        "total": 8,
        "page": 1,
        "page_size": 100,
        "total_pages": 1,
        "next": None,
        "previous": None,
    }
    answer = await page(world, campaign_id, "?page=2&page_size=3")
    assert [row["mobile"] for row in answer["results"]] == RECIPIENTS[3:6]
    assert (answer["total_pages"], answer["next"], answer["previous"]) == (3, f"{url}?page=3&page_size=3", f"{url}?page=1&page_size=3")
    last = (await world.post(answer["next"], {"campaign_id": campaign_id})).json()
    assert [row["mobile"] for row in last["results"]] == RECIPIENTS[6:]
    assert last["next"] is None
    answer = await page(world, campaign_id, "?page=2&page_size=3", status="queued")
    assert ([row["mobile"] for row in answer["results"]], answer["total"]) == (RECIPIENTS[3:6], 8)
    assert (await page(world, campaign_id, "?page_size=501"))["page_size"] == 500
    response = await world.post(f"{MESSAGES}?page=4&page_size=3", {"campaign_id": campaign_id})
    assert (response.status_code, response.json()) == (404, {"detail": "Invalid page."})
    answer = await page(world, campaign_id, status="delivered")
    assert (answer["total"], answer["total_pages"], answer["results"]) == (0, 0, [])


async def test_neighbours_are_on_the_proxys_host_if_it_is_trusted(world: World) -> None:
    campaign_id = await broadcast(world)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "liar.example, sms.example"}
    response = await world.post(f"{MESSAGES}?page_size=4", {"campaign_id": campaign_id}, headers=headers)
    assert response.json()["next"] == f"https://sms.example{MESSAGES}?page=2&page_size=4"


async def test_campaigns_of_others_are_unknown(world: World) -> None:
    """Choices, "All faces": ids of another organization are answered as unknown; so is the id of a message."""
    campaign_id = await broadcast(world)
    for path in (STATUS, MESSAGES):
        for key, asked in ((OTHER_KEY, campaign_id), (KEY, campaign_id[:-8] + "00000001")):
            response = await world.post(path, {"campaign_id": asked}, key)
            assert (response.status_code, response.json()) == (404, {"detail": "Campaign not found."})


async def test_recipients_refused_at_accept_are_no_messages(world: World) -> None:
    campaign_id = await broadcast(world, ["254712345678", "nobody"])
    assert (await status(world, campaign_id))["recipients_count"] == 1
    assert [row["mobile"] for row in (await page(world, campaign_id))["results"]] == ["254712345678"]
