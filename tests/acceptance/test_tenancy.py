"""Two organizations cannot see or touch each other's anything: every route of the OpenAPI document is tried with the other's ids.

An id of the other's must be answered as one that nobody has, to the letter, and nothing of the other's may have changed.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.acceptance.furnished import (
    NO_IDS,
    TAKEN_ONCE,
    UNKNOWN,
    Document,
    Furnished,
    Operation,
    fields,
    filled,
    furnish,
    named_by,
    operations,
    parameter_examples,
)
from tests.acceptance.harness import Server, server

from clarion.store import tables

ALSO: Mapping[tuple[str, str], str] = {
    ("/v1/contacts", "list_id"): "list",
    ("/v1/sms/send", "phone_number"): "contact",
    ("/v1/sms/bulk-send", "phone_numbers"): "contact",
}
"""What is not refused if nobody has it (a list is made, a stranger is a failed item), but must not be found with the other either."""

INSTEAD = {"templateName": "templateContent"}
"""A field that is given instead of one of the example's."""

ID_LIKE = re.compile(r"(?:_id|Id|Uuid|_uuid|^id)$")

PASSING = frozenset({"keys", "request_counts"})
"""Tables that a request may change in passing."""


_numbers = itertools.count()


@dataclass(frozen=True)
class Request:
    """One request of an operation, as it is sent."""

    operation: Operation
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any

    def replaced(self, where: str, field: str, value: str) -> "Request":
        """The same with another value in one place; a list gets it as its only item."""
        given = getattr(self, where) or {}
        kept = {name: each for name, each in given.items() if name != INSTEAD.get(field)}
        changes: dict[str, Any] = {where: {**kept, field: [value] if isinstance(given.get(field), list) else value}}
        return replace(self, **changes)

    def again(self) -> "Request":
        """The same once more, under another name where names are taken once."""
        name = TAKEN_ONCE.get(self.operation.path)
        return replace(self, body={**self.body, name: f"name {next(_numbers)}"}) if name and self.operation.method == "post" else self

    async def send(self, here: Server, key: str) -> httpx.Response:
        path = self.operation.path
        for name, value in self.path.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        sent = {"json": self.body} if self.body is not None else {}
        return await here.client.request(
            self.operation.method, f"{here.url}{path}", params=dict(self.query), headers={"X-API-Key": key}, **sent
        )


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_no_route_reaches_into_another_organization(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, note: Callable[[str], None]
) -> None:
    url = request.getfixturevalue("empty_postgres_url") if engine == "postgres" else None
    async with server(tmp_path / "data", url, "--simulator", "--outcome-wait-s", "0.05") as here:
        await here.start()
        await here.bound()
        own, other = await furnish(here, "own", 21), await furnish(here, "other", 22)
        here.key = other.key
        await here.ended(other.ids["broadcast"])
        before = await here.look(rows_of(other))
        assert before["messages"]
        assert before["contacts"]
        document = (await here.client.get(f"{here.url}/openapi.json")).json()
        tried = 0
        for operation in operations(document):
            if operation.authenticated:
                tried += await try_all(here, document, operation, own, other)
        note(f"{engine}: {len(operations(document))} operations, {tried} times with an id of the other organization")
        assert tried > len(operations(document)) / 2
        assert await here.look(rows_of(other)) == before


async def try_all(here: Server, document: Document, operation: Operation, own: Furnished, other: Furnished) -> int:
    """How often an id of the other's was tried."""
    right = example(operation, own)
    answer = await right.again().send(here, own.key)
    assert answer.is_success, f"{operation.name} does not even work with its own ids: {answer.text}"
    assert_tells_nothing(operation, answer.text, other)
    tried = 0
    for where, field, what in ids(document, operation):
        named = [right.replaced(where, field, ids[what]) for ids in (all_ids(own), all_ids(other), unknown_ids())]
        control, foreign, unknown = [await each.again().send(here, own.key) for each in named]
        assert control.is_success, f"{operation.name} does not work with its own {field}: {control.text}"
        words = f"{operation.name}, {field} in {where}: {foreign.status_code} {foreign.text} | {unknown.status_code} {unknown.text}"
        assert plain(foreign, all_ids(other)[what]) == plain(unknown, unknown_ids()[what]), words
        assert foreign.is_client_error or where == "query" or (operation.path, field) in ALSO, words
        assert_tells_nothing(operation, foreign.text.replace(all_ids(other)[what], ""), other)
        tried += 1
    return tried


def example(operation: Operation, own: Furnished) -> Request:
    body = filled(operation.path, operation.example, own)
    return Request(operation, parameter_examples(operation, "path", own), parameter_examples(operation, "query", own), body)


def ids(document: Document, operation: Operation) -> Iterator[tuple[str, str, str]]:
    """Where, in which field, what: all that names something in a request to this operation."""
    for where, field in fields(document, operation):
        what = ALSO.get((operation.path, field)) or named_by(operation.path, field)
        if what is not None:
            yield where, field, what
        elif TAKEN_ONCE.get(operation.path) != field:
            assert field in NO_IDS or not ID_LIKE.search(field), f"{operation.name}: what does {field} name? Tell `furnished.NAMED`."


def all_ids(organization: Furnished) -> Mapping[str, str]:
    return {**organization.ids, "contact": organization.numbers[2]}


def unknown_ids() -> Mapping[str, str]:
    return {**UNKNOWN, "contact": "254710000002"}


def plain(answer: httpx.Response, given: str) -> tuple[int, Any]:
    """The status and the body without what was asked for; where it went well, without what is new every time."""
    body = json.loads(answer.text.replace(given, "what was asked for"))
    return answer.status_code, masked(body) if answer.is_success else body


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: masked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return "…" if isinstance(value, str) else value


def assert_tells_nothing(operation: Operation, text: str, other: Furnished) -> None:
    for secret in (*other.ids.values(), *other.numbers, *other.texts):
        assert secret not in text, f"{operation.name} tells {secret}"


def rows_of(other: Furnished) -> Callable[[Connection], dict[str, list[Any]]]:
    """Every row that belongs to the other organization, by table."""

    def read(connection: Connection) -> dict[str, list[Any]]:
        o = tables.organizations.c
        organization_id = connection.execute(sa.select(o.id).where(o.name == other.name)).scalar_one()
        found = {}
        for table in tables.metadata.sorted_tables:
            owner = table.c.get("organization_id") if table is not tables.organizations else o.id
            if owner is not None and table.name not in PASSING:
                found[table.name] = sorted(map(repr, connection.execute(sa.select(table).where(owner == organization_id))))
        return found

    return read
