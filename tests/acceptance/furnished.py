"""Organizations that have one of everything an API's request can name, and requests of the OpenAPI document made with these."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.acceptance.harness import Server

from clarion.store import keywords, money, senders, templates, tenants
from clarion.store.catalog import load_organization
from clarion.wiring.machine import SystemClock, SystemIds

Document = dict[str, Any]

MILLI = 100_000
"""One shilling."""


@dataclass(frozen=True)
class Furnished:
    """`ids` by what they name: broadcast, campaign, organization, list, keyword, template, sender."""

    name: str
    key: str
    ids: Mapping[str, str]
    numbers: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One method of one path of the document, its references resolved."""

    method: str
    path: str
    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def authenticated(self) -> bool:
        return bool(self.entry.get("security"))

    @property
    def example(self) -> Any:
        """Of the body, None where there is none."""
        media = self.entry.get("requestBody", {}).get("content", {}).get("application/json", {})
        return copy.deepcopy(media.get("example"))


NAMED: Mapping[str, str] = {
    "campaign_id": "campaign",
    "organization_id": "organization",
    "org_id": "organization",
    "list_id": "list",
    "keyword": "keyword",
    "templateName": "template",
    "sender_id": "sender",
    "teli_sms_number": "sender",
    "broadcastUuid": "broadcast",
}
"""What the fields and parameters of requests name."""

NAMED_HERE: Mapping[tuple[str, str], str | None] = {
    ("/v1/sms/campaigns/status/", "campaign_id"): "broadcast",
    ("/v1/sms/campaigns/messages/", "campaign_id"): "broadcast",
    ("/v1/campaigns", "campaign_id"): None,  # chosen by the client, and taken ones are refused
    # Created by its first use, in the organization that the request is for.
    ("/v1/contacts", "list_id"): None,
}
"""Where a field of that name is something else, or names nothing that is there."""

NO_IDS = frozenset({"user_id", "sms_agent_id", "voice_agent_id", "unique_id"})
"""Names of things that Clarion does not have: any text is taken and kept."""

TAKEN_ONCE = {"/v1/campaigns": "campaign_id", "/v1/organizations": "name"}
"""The client chooses these, and must not choose one that is there."""

PHONES = frozenset({"mobile", "recipients", "phone_number", "phone_numbers"})


def operations(document: Document) -> list[Operation]:
    return [
        Operation(method, path, entry)
        for path, methods in sorted(document["paths"].items())
        for method, entry in sorted(methods.items())
        if method in {"get", "post", "put", "patch", "delete"}
    ]


def named_by(path: str, field: str) -> str | None:
    """What a field or parameter of this name names in a request to this path."""
    return NAMED_HERE.get((path, field), NAMED.get(field))


def body_schema(document: Document, operation: Operation) -> dict[str, Any]:
    """The schema of the body, {} where there is none."""
    media = operation.entry.get("requestBody", {}).get("content", {}).get("application/json", {})
    return resolve(document, media.get("schema", {}))


def resolve(document: Document, schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def fields(document: Document, operation: Operation) -> Iterator[tuple[str, str]]:
    """Where it stands (path, query or body) and its name, of every parameter and every field of the body."""
    for parameter in operation.entry.get("parameters", []):
        yield parameter["in"], parameter["name"]
    for name in body_schema(document, operation).get("properties", {}):
        yield "body", name


async def add_organization(server: Server, name: str, amount_milli: int) -> str:
    """A prepaid organization with this much money; its key."""
    now, token = SystemClock().now(), tenants.KEY_PREFIX + SystemIds().token(tenants.KEY_CHARACTERS)
    async with server.database() as store:
        organization_id = await store.write(tenants.create_organization, tenants.NewOrganization(name), SystemIds().broadcast(now), now)
        await store.write(tenants.create_key, tenants.NewKey(organization_id, "test"), token, now)
        await store.write(money.top_up, organization_id, amount_milli, now)
    return token


async def furnish(server: Server, name: str, number: int) -> Furnished:
    """An organization of its own, without rates and with money; `number` (two digits) makes its numbers and texts unlike all others."""
    key = await add_organization(server, name, 1_000_000 * MILLI)
    keyword, template, sender = f"KEY{number}", f"template {number}", f"SENDER{number}"
    text = f"The secret of {name}"
    now = SystemClock().now()
    async with server.database() as store:
        await store.write(tenants.change_organization, name, {"rate_limited": False, "registered_senders": True})
        found = await store.read(load_organization, name)
        assert found is not None
        await store.write(keywords.add, found.id, keyword, now)
        await store.write(senders.add, found.id, sender, "transactional", None, now)
        await store.write(templates.add, found.id, template, f"{text}, {{name}}", now)
        await store.write(templates.decide, found.id, template, None, "approved")
    numbers = tuple(f"25471{number}{place:05}" for place in range(4))
    campaign, listed = f"campaign {number}", f"list {number}"
    answers = [
        await server.post("/v1/sms/send-bulk/", {"recipients": list(numbers), "message": text, "sender_id": sender}, key),
        await server.post(
            "/v1/campaigns",
            {
                "campaign_id": campaign,
                "campaign_name": f"{name}'s",
                "organization_id": str(found.public_id),
                "user_id": "somebody",
                "sms_agent_id": "an agent",
                "teli_sms_number": sender,
                "contacts": [{"phone_number": f"+{each}", "first_name": f"contact of {name}"} for each in numbers],
            },
            key,
        ),
        await server.post("/v1/contacts", {"phone_number": f"+{numbers[0]}", "list_id": listed}, key),
    ]
    assert [each.status_code for each in answers] == [201, 200, 201], [each.text for each in answers]
    ids = {
        "broadcast": answers[0].json()["campaign_id"],
        "campaign": campaign,
        "organization": str(found.public_id),
        "list": listed,
        "keyword": keyword,
        "template": template,
        "sender": sender,
    }
    return Furnished(name, key, ids, numbers, (text, f"contact of {name}"))


UNKNOWN: Mapping[str, str] = {
    "broadcast": "018f3a2b-7c1d-7e4a-9b2c-3d4e00000000",
    "campaign": "campaign 00",
    "organization": str(UUID(int=0)),
    "list": "list 00",
    "keyword": "KEY00",
    "template": "template 00",
    "sender": "SENDER00",
}
"""Ids of the same forms that nobody has."""


def filled(path: str, example: Any, own: Furnished) -> Any:
    """The example with the organization's own ids and numbers in it."""
    if isinstance(example, dict):
        return {name: _value(path, name, value, own) for name, value in example.items()}
    return [filled(path, each, own) for each in example] if isinstance(example, list) else example


def parameter_examples(operation: Operation, where: str, own: Furnished) -> dict[str, Any]:
    """The parameters in the path or the query that must be there, or name something, with the organization's own ids."""
    found = {}
    for parameter in operation.entry.get("parameters", []):
        what = named_by(operation.path, parameter["name"])
        if parameter["in"] == where and (what or parameter.get("required")):
            found[parameter["name"]] = own.ids[what] if what else parameter["example"]
    return found


def _value(path: str, name: str, value: Any, own: Furnished) -> Any:
    what = named_by(path, name)
    if what is not None:
        return own.ids[what]
    if name in PHONES:
        return [f"+{each}" for each in own.numbers] if isinstance(value, list) and isinstance(value[0], str) else f"+{own.numbers[0]}"
    return filled(path, value, own)


def enriched(document: Document, own: Furnished) -> Document:
    """The document whose schemas also offer the organization's ids and numbers, so that what is made from it does not only fail."""
    made: Document = json.loads(json.dumps(document))
    for operation in operations(made):
        for parameter in operation.entry.get("parameters", []):
            known = _known(operation.path, parameter["name"], own)
            if known:
                parameter["schema"] = {"anyOf": [{"enum": known}, parameter["schema"]]}
                parameter["example"] = known[0]
        media = operation.entry.get("requestBody", {}).get("content", {}).get("application/json")
        if media is None:
            continue
        media["example"] = filled(operation.path, media["example"], own)
        # Its own copy: another operation may mean something else by the same schema.
        schema = copy.deepcopy(body_schema(made, operation))
        for name, field in schema["properties"].items():
            schema["properties"][name] = _offering(field, _known(operation.path, name, own))
        alike = {"properties": {name: schema["properties"][name] for name in media["example"] if name in schema["properties"]}}
        # Fields that exclude each other come together nearly always, unless one makes bodies that have the example's fields alone.
        media["schema"] = {
            "anyOf": [{"type": "object", "required": [*alike["properties"]], "additionalProperties": False, **alike}, schema]
        }
    return made


def _known(path: str, name: str, own: Furnished) -> list[Any]:
    what = named_by(path, name)
    if what is not None:
        return [own.ids[what]]
    numbers = [f"+{each}" for each in own.numbers]
    if name == "recipientVariables":
        return [{"recipient": number, "variables": {"name": "Asha", "code": 7}} for number in numbers]
    if name == "contacts":
        return [{"phone_number": number, "first_name": "Asha"} for number in numbers]
    return numbers if name in PHONES else []


def _offering(field: dict[str, Any], known: list[Any]) -> dict[str, Any]:
    if not known:
        return field
    lists = [each for each in field.get("anyOf", [field]) if each.get("type") == "array"]
    enum: dict[str, Any] = {"enum": known}
    return {"anyOf": [{"type": "array", "items": enum, "minItems": 1, "maxItems": 4} if lists else enum, field]}
