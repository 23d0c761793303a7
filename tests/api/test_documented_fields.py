"""Every field of the three faces is documented, inferred or chosen (`documented.py`): what has no row there fails.

So do a row that is nowhere, and an answer without one of its fields. The values, and what is refused in which words, are in the tables
beside this one.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
from tests.api.conftest import NOW, OTHER_KEY, Unlimited, World, serving
from tests.api.documented import STATUSES, TALKNTALK, TEEKRR, TELI

from clarion.store import Store, keywords, money, senders


async def test_the_document_has_exactly_these_fields_and_these_statuses(sqlite_world: World) -> None:
    document = (await sqlite_world.get("/openapi.json", key=None)).json()
    assert described(document) == expected()
    for names, source, statuses in STATUSES:
        named = [operation for operation in entries(document) if re.fullmatch(names, operation["operationId"])]
        assert named, source
        for operation in named:
            assert operation["responses"].keys() >= set(statuses.split()), (operation["operationId"], source)


async def test_the_answers_have_exactly_these_fields(sqlite_store: Store) -> None:
    async with serving(sqlite_store, Unlimited()) as world:
        seen = await answers(world)
    wanted: dict[str, set[str]] = {operation: fields["answer"] for operation, fields in expected().items()}
    assert {operation: set(paths_of([each.json() for each in given], "")) for operation, given in seen.items()} == wanted


def expected() -> dict[str, dict[str, set[str]]]:
    """By operation and place."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for operation, where, source, prefix, names in (*TALKNTALK, *TELI, *TEEKRR):
        assert source.partition(" ")[0] in {"D", "I", "C"}
        paths = {f"{prefix}{name}" for name in names.split()}
        assert not paths & found[operation][where], "a field has one source"
        found[operation][where] |= paths
    return {operation: dict(places) for operation, places in found.items()}


def described(document: dict[str, Any]) -> dict[str, dict[str, set[str]]]:
    """What the OpenAPI document says, in the same form."""
    found: dict[str, dict[str, set[str]]] = {}
    for operation in entries(document):
        places: dict[str, set[str]] = defaultdict(set)
        for parameter in operation.get("parameters", []):
            places[parameter["in"]].add(parameter["name"])
        if "requestBody" in operation:
            places["body"] |= set(fields_of(document, operation["requestBody"]["content"]["application/json"]["schema"]))
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                places["answer"] |= set(fields_of(document, response["content"]["application/json"]["schema"]))
        found[operation["operationId"]] = dict(places)
    return found


def entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations that are a vendor's."""
    return [each for methods in document["paths"].values() for each in methods.values() if each["tags"] != ["Operations"]]


def fields_of(document: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"][name] if name else schema
    for kind in schema.get("anyOf", []):
        yield from fields_of(document, kind, prefix)
    if schema.get("type") == "array":
        yield from fields_of(document, schema.get("items", {}), f"{prefix}[]")
    for field, inner in schema.get("properties", {}).items():
        path = f"{prefix}.{field}".removeprefix(".")
        yield path
        yield from fields_of(document, inner, path)


def paths_of(bodies: list[Any], prefix: str) -> Iterator[str]:
    """The fields that any of these has."""
    for body in bodies:
        if isinstance(body, list):
            yield from paths_of(body, f"{prefix}[]")
        elif isinstance(body, dict):
            for field, inner in body.items():
                path = f"{prefix}.{field}".removeprefix(".")
                yield path
                yield from paths_of([inner], path)


async def answers(world: World) -> dict[str, list[httpx.Response]]:
    """What each operation answers, in so many cases that each of its fields is there once."""

    async def post(path: str, body: dict[str, Any]) -> httpx.Response:
        return taken(await world.post(path, body, OTHER_KEY))

    async def get(path: str) -> httpx.Response:
        return taken(await world.get(path, OTHER_KEY))

    write = world.store.write
    await write(money.top_up, 2, 100 * 100_000, NOW)
    await write(keywords.add, 2, "PROMO", NOW)
    await write(senders.add, 2, "DUKA", "transactional", None, NOW)
    bulk = await post("/v1/sms/send-bulk/", {"recipients": ["254712345678", "12"], "message": "Hi", "sender_id": "DUKA"})
    (message,) = await world.mark_all()
    await world.end(message, "refused", "ESME_RINVDSTADR (0x0000000b)")
    campaign = {"campaign_id": bulk.json()["campaign_id"]}
    organization = (await get("/v1/organizations")).json()["organizations"][0]["unique_id"]
    own = {"organization_id": organization, "user_id": "u", "sms_agent_id": "a", "teli_sms_number": "+254700000001"}
    named = {"campaign_name": "C", "contacts": [{"phone_number": "+254712345678"}]}
    single = {"phone_number": "+254712345678", "message": "Hi"}
    phones = {"phone_numbers": ["+254712345678", "12"], "message": "Hi"}
    quick = {"campaignName": "x", "type": "quick broadcast", "templateContent": "Hi", "keyword": "PROMO", "recipients": ["254712345678"]}
    return {
        "talkntalk_send_bulk": [bulk],
        "talkntalk_send": [await post("/v1/sms/send/", {"mobile": "254712345678", "message": "Hi"})],
        "talkntalk_campaign_status": [await post("/v1/sms/campaigns/status/", campaign)],
        "talkntalk_campaign_messages": [await post("/v1/sms/campaigns/messages/", campaign)],
        "talkntalk_verify": [await get("/v1/")],
        "talkntalk_balance": [await get("/v1/balance/")],
        "talkntalk_sender_ids": [await get("/v1/bulk-sms/sender-ids/")],
        "talkntalk_messages": [await get("/v1/bulk-sms/messages/?status=failed&mobile=2547&sender_id=duka&source=api&page=1&page_size=5")],
        "teli_create_campaign": [await post("/v1/campaigns", own | named | changes) for changes in (LIVE, DRY)],
        "teli_bulk_send": [await post("/v1/sms/bulk-send", phones | {"campaign_id": name}) for name in "cd"],
        "teli_send": [await post("/v1/sms/send", single | {"campaign_id": name}) for name in "cd"],
        "teli_campaign": [await get("/v1/campaigns/c")],
        "teli_campaign_messages": [await get("/v1/campaigns/c/messages?since=2025-11-22T00:00:00Z&limit=5")],
        "teli_organization_campaigns": [await get(f"/v1/organizations/{organization}/campaigns?user_id=u&is_admin=true")],
        "teli_create_contact": [await post("/v1/contacts", {"phone_number": "+254712345678", "list_id": "l"}) for _ in range(2)],
        "teli_create_organization": [await post("/v1/organizations", {"name": "West", "contact_email": "a@b.c"})],
        "teli_organizations": [await get("/v1/organizations")],
        "teli_organization": [await get(f"/v1/organizations/{organization}")],
        "teekrr_send_sms": [await post("/sms", quick)],
    }


LIVE: dict[str, Any] = {"campaign_id": "c"}
DRY: dict[str, Any] = {"campaign_id": "d", "dry_run": True}


def taken(response: httpx.Response) -> httpx.Response:
    assert response.is_success, response.text
    return response
