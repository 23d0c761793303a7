"""`GET /v1/`, `bulk-sms/messages/` with its filters and `bulk-sms/sender-ids/` over real HTTP, on both databases.

Each case names where the vendor or our choices say so.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.api.conftest import NOW, ORGANIZATION, OTHER_KEY, SEND, SEND_BULK, World

from clarion.store import catalog, rows, senders

LIST = "/v1/bulk-sms/messages/"
SENDER_IDS = "/v1/bulk-sms/sender-ids/"
DAY = 86_400 * 1_000_000


async def test_verify(world: World) -> None:
    """2.3 Verify."""
    response = await world.get("/v1/")
    assert (response.status_code, response.json()) == (
        200,
        {"api": "TalkNTalk", "version": "v1", "organisation": {"id": str(ORGANIZATION), "name": "duka", "slug": "duka"}},
    )
    response = await world.get("/v1/", key=None)
    assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")
    assert (await world.get("/v1")).status_code == 404


async def test_sender_ids(world: World) -> None:
    """2.3 Sender ids."""
    assert (await world.get(SENDER_IDS)).json() == {"count": 0, "results": []}
    first = await world.store.write(senders.add, 1, "DUKA", "transactional", None, NOW)
    second = await world.store.write(senders.add, 1, "SALE", "promotional", "safaricom", NOW)
    await world.store.write(senders.add, 2, "OTHER", "promotional", None, NOW)
    shared = {"status": "active", "provider": "Clarion"}
    assert (await world.get(SENDER_IDS)).json() == {
        "count": 2,
        "results": [
            {"id": first, "sender_id": "DUKA", "type": "transactional", "network": "other", "is_default": True, **shared},
            {"id": second, "sender_id": "SALE", "type": "promotional", "network": "safaricom", "is_default": False, **shared},
        ],
    }


async def test_registered_senders_only(world: World) -> None:
    """Choices, "All faces": any legal sender passes until registration is on; then an unknown one is 400 on that field."""
    await world.top_up(10_000_000)
    body = {"mobile": "254712345678", "message": "Hi", "sender_id": "SALE"}
    assert (await world.post(SEND, body)).status_code == 201
    await world.store.write(rows.all, "UPDATE organizations SET registered_senders = true WHERE id = 1")
    await world.store.write(catalog.raise_version)
    await world.services.settings.refresh()
    sentence = "This sender id is not registered."
    bulk = {"recipients": ["254712345678"], "message": "Hi", "sender_id": "SALE"}
    for path, refused in ((SEND, body), (SEND_BULK, bulk)):
        response = await world.post(path, refused)
        assert (response.status_code, response.json()) == (400, {"detail": f"sender_id: {sentence}", "sender_id": [sentence]})
    await world.store.write(senders.add, 1, "sale", "promotional", None, NOW)
    await world.services.settings.refresh()
    assert (await world.post(SEND, body)).status_code == 201
    assert (await world.post(SEND, {**body, "sender_id": "+22141"})).status_code == 400
    await world.store.write(senders.add, 1, "22141", "transactional", None, NOW)
    await world.services.settings.refresh()
    assert (await world.post(SEND, {**body, "sender_id": "+22141"})).status_code == 201
    # The operator's own default needs no registration.
    for sender in (None, "DUKA"):
        assert (await world.post(SEND, {**body, "sender_id": sender})).status_code == 201


async def test_an_organization_without_rates(world: World) -> None:
    """`organizations set --rate-limits off`."""
    body = {"recipients": [], "message": "Hi"}
    assert {(await world.post(SEND_BULK, body)).status_code for _ in range(61)} == {400, 429}
    await world.store.write(rows.all, "UPDATE organizations SET rate_limited = false WHERE id = 1")
    await world.store.write(catalog.raise_version)
    await world.services.settings.refresh()
    assert {(await world.post(SEND_BULK, body)).status_code for _ in range(5)} == {400}


NUMBERS = ["254712345678", "254723456789", "254734567890"]


async def send(world: World) -> list[str]:
    """One broadcast of three, then a single send under another sender; the ids as they are listed."""
    await world.top_up(10_000_000)
    bulk = (await world.post(SEND_BULK, {"recipients": NUMBERS, "message": "Hello"})).json()
    world.clock.time += 60 * 1_000_000
    single = (await world.post(SEND, {"mobile": "0712345678", "message": "Code", "sender_id": "BANK"})).json()
    return [single["id"], *(each["id"] for each in bulk["results"][::-1])]


async def listed(world: World, **query: object) -> list[str]:
    response = await world.get(LIST, params=query)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["total"] == len(body["results"])
    return [each["id"] for each in body["results"]]


async def test_the_newest_first(world: World) -> None:
    """2.3 Fetch messages: the fields of an item, and 2.1 Pagination."""
    ids = await send(world)
    body = (await world.get(LIST)).json()
    assert {name: body[name] for name in body if name != "results"} == {
        "total": 4,
        "page": 1,
        "page_size": 100,
        "total_pages": 1,
        "next": None,
        "previous": None,
    }
    assert [each["id"] for each in body["results"]] == ids
    assert body["results"][0] == {
        "id": ids[0],
        "mobile": "254712345678",
        "sender_id": "BANK",
        "message": "Code",
        "status": "queued",
        "network": "safaricom",
        "source": "api",
        "scheduled_at": None,
        "created_at": "2025-11-23T03:01:00.123456+03:00",
        "updated_at": "2025-11-23T03:01:00.123456+03:00",
    }
    assert body["results"][3]["message"] == "Hello"
    assert (await world.get(LIST, key=OTHER_KEY)).json()["total"] == 0


async def test_pages(world: World) -> None:
    """2.1 Pagination: by number, with absolute links that keep the filters."""
    ids = await send(world)
    for filters in ({}, {"mobile": "2547"}, {"status": "queued"}):
        seen: list[str] = []
        url: str | None = f"{LIST}?page_size=3"
        for name, value in filters.items():
            url = f"{url}&{name}={value}"
        while url is not None:
            body = (await world.get(url)).json()
            assert (body["total"], body["total_pages"]) == (4, 2)
            seen += [each["id"] for each in body["results"]]
            url = body["next"]
            if url is not None:
                query = parse_qs(urlsplit(url).query)
                assert query == {"page": ["2"], "page_size": ["3"]} | {name: [value] for name, value in filters.items()}
                assert url.startswith(world.url)
        assert seen == ids
        assert body["previous"] is not None
    assert (await world.get(f"{LIST}?page=3&page_size=3")).json() == {"detail": "Invalid page."}


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ({"mobile": "254712345678"}, [0, 3]),
        ({"mobile": "+254 712 345 678"}, [0, 3]),
        ({"mobile": "0712345678"}, [0, 3]),
        ({"mobile": "25471"}, [0, 3]),
        ({"mobile": "56789"}, [2]),
        ({"mobile": "890"}, [1]),
        ({"mobile": "45"}, []),
        ({"mobile": "1"}, []),
        ({"mobile": "0"}, [1]),
        ({"sender_id": "bank"}, [0]),
        ({"sender_id": "BAN"}, []),
        ({"sender_id": "DUKA"}, [1, 2, 3]),
        ({"sender_id": "duka", "mobile": "25471"}, [3]),
        ({"status": "queued"}, [0, 1, 2, 3]),
        ({"status": "delivered"}, []),
        ({"status": "queued", "mobile": "25471"}, [0, 3]),
        ({"status": "delivered", "mobile": "25471"}, []),
        ({"source": "api"}, [0, 1, 2, 3]),
        ({"source": "web"}, []),
        ({"source": "web", "mobile": "2547"}, []),
        ({"status": "", "mobile": "", "sender_id": "", "source": ""}, [0, 1, 2, 3]),
    ],
    ids=str,
)
async def test_filters(sqlite_world: World, query: dict[str, str], places: list[int]) -> None:
    """2.3 Fetch messages: status, mobile (partial: choices say prefix or suffix), sender_id (exact, any case), source."""
    ids = await send(sqlite_world)
    assert await listed(sqlite_world, **query) == [ids[place] for place in places]


async def test_states_and_reasons(world: World) -> None:
    """By the chunks' counters and by looking, which must agree."""
    ids = await send(world)
    marked = await world.mark_all()
    by_number = {str(each.recipient): each for each in marked if each.lane == 2}
    await world.end(by_number[NUMBERS[0]], "sent")
    await world.end(by_number[NUMBERS[1]], "refused", "ESME_RINVDSTADR")
    for also in ({}, {"mobile": "2547"}):
        assert await listed(world, status="failed", **also) == [ids[2]]
        # The one without an outcome and the single send are marked: on their way.
        assert await listed(world, status="sent", **also) == [ids[0], ids[1], ids[3]]
        assert await listed(world, status="queued", **also) == []
    (failed,) = (await world.get(LIST, params={"status": "failed"})).json()["results"]
    assert failed["error"] == "ESME_RINVDSTADR"


async def test_what_is_scheduled_says_when(sqlite_world: World) -> None:
    """2.3 Fetch messages: `scheduled_at`. No send of this API can be scheduled; another face's can, and is listed too."""
    await sqlite_world.top_up(10_000_000)
    body = {
        "campaignName": "Later",
        "type": "schedule broadcast",
        "scheduledAt": "2025-11-24T07:00:00Z",
        "templateContent": "Hi",
        "recipients": ["254712345678"],
    }
    assert (await sqlite_world.post("/sms", body)).status_code == 200
    (listed,) = (await sqlite_world.get(LIST)).json()["results"]
    assert (listed["status"], listed["source"], listed["scheduled_at"]) == ("queued", "api", "2025-11-24T10:00:00+03:00")


async def test_it_looks_back_90_days(world: World) -> None:
    """Choices: `GET /v1/bulk-sms/messages/` looks back 90 days."""
    ids = await send(world)
    for also in ({}, {"mobile": "2547"}):
        assert await listed(world, **also) == ids
    world.clock.time = NOW + 90 * DAY + 1
    for also in ({}, {"mobile": "2547"}):
        assert await listed(world, **also) == ids[:1]
    world.clock.time = NOW + 91 * DAY
    for also in ({}, {"mobile": "2547"}):
        assert await listed(world, **also) == []


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("status=enqueued", "status", "This is not a valid choice."),
        ("source=sms", "source", "This is not a valid choice."),
        ("mobile=abc", "mobile", "This field has a value that is not allowed."),
        ("mobile=" + "1" * 21, "mobile", "This field has a value that is not allowed."),
        ("mobile=%D9%A1", "mobile", "This field has a value that is not allowed."),
        ("sender_id=A%00B", "sender_id", "Null characters are not allowed."),
        ("page=0", "page", "A valid integer from 1 is required."),
        ("page_size=x", "page_size", "A valid integer from 1 is required."),
    ],
)
async def test_queries_that_do_not_fit(sqlite_world: World, query: str, field: str, sentence: str) -> None:
    """Choices: every validation error is 400 with the field's name."""
    response = await sqlite_world.get(f"{LIST}?{query}")
    assert (response.status_code, response.json()) == (400, {"detail": f"{field}: {sentence}", field: [sentence]})


@pytest.mark.parametrize(
    "query", ["sender_id=%FF%FE", "mobile=99999999999999999999", "mobile=1e5", "page=999999999", "x=1", "sender_id=%27"]
)
async def test_odd_queries_break_nothing(world: World, query: str) -> None:
    response = await world.get(f"{LIST}?{query}")
    assert response.status_code in {200, 400, 404}, response.text


async def test_the_document_describes_them(sqlite_world: World) -> None:
    document: dict[str, Any] = (await sqlite_world.client.get("/openapi.json")).json()
    for path in ("/v1/", LIST, SENDER_IDS):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert schema["$ref"].rpartition("/")[2] in document["components"]["schemas"]
