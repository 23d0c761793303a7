"""How much a request may be: every operation of the OpenAPI document that takes a body, whatever its face, refuses too much of anything."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.acceptance.furnished import (
    TAKEN_ONCE,
    Document,
    Furnished,
    Operation,
    body_schema,
    filled,
    furnish,
    operations,
)
from tests.acceptance.harness import PATIENCE_S, Server, server

from clarion.api.bodies import DEPTH_MAX
from clarion.store import tables

BODY_LIMIT = 1 << 20
LONG = 300_000
"""Characters: more than any field may have, less than a body."""

STORED_MAX = 70_000
"""Bytes that one column may hold of what a client made up: what it keeps beside a contact or a campaign is the longest."""


class World:
    """A server with an organization, and the operations that take a body."""

    def __init__(self, here: Server, own: Furnished, document: Document) -> None:
        self.here = here
        self.own = own
        self.document = document
        self.posts = [each for each in operations(document) if "requestBody" in each.entry]
        self.made = 0

    def body(self, operation: Operation, **more: Any) -> dict[str, Any]:
        """A body that is right, but for `more`."""
        body: dict[str, Any] = filled(operation.path, operation.example, self.own)
        if (name := TAKEN_ONCE.get(operation.path)) is not None:
            self.made += 1
            body[name] = f"name {self.made}"
        return body | more

    async def send(self, operation: Operation, content: bytes, **headers: str) -> httpx.Response:
        return await self.here.client.request(
            operation.method,
            f"{self.here.url}{operation.path}",
            content=content,
            headers={"X-API-Key": self.own.key, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )

    async def refused(self, operation: Operation, response: httpx.Response, status: int) -> None:
        """In the documented shape: the envelope of the face."""
        assert response.status_code == status, f"{operation.name}: {response.status_code} {response.text[:300]}"
        media = operation.entry["responses"][str(status)]["content"]["application/json"]
        name = media["schema"]["$ref"].rpartition("/")[2]
        required = self.document["components"]["schemas"][name].get("required", [])
        assert set(required) <= set(response.json()), response.text[:300]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with server(tmp_path / "data", None, "--simulator", "--body-limit-bytes", str(BODY_LIMIT), "--outcome-wait-s", "0.05") as here:
        await here.start()
        await here.bound()
        own = await furnish(here, "limited", 31)
        made = World(here, own, (await here.client.get(f"{here.url}/openapi.json")).json())
        assert len(made.posts) >= 9
        yield made


async def test_too_much_of_anything_is_refused_in_the_envelope_of_the_face(world: World) -> None:
    for operation in world.posts:
        right = json.dumps(world.body(operation)).encode()
        await world.refused(operation, await world.send(operation, gzip.compress(right), Content_Encoding="gzip"), 415)
        await world.refused(operation, await world.send(operation, right, Content_Encoding="br"), 415)
        for deep in (DEPTH_MAX, 900, 100_000):
            nested = right[:-1] + b', "unknown": ' + b"[" * deep + b"]" * deep + b"}"
            await world.refused(operation, await world.send(operation, nested), 400)
        for piece in too_long(world, operation):
            response = await world.send(operation, json.dumps(world.body(operation, **piece)).encode())
            await world.refused(operation, response, 400)
        assert (await world.send(operation, json.dumps(world.body(operation)).encode())).is_success, operation.name


def too_long(world: World, operation: Operation) -> Iterator[dict[str, Any]]:
    """One field after the other above what its schema allows."""
    for name, field in body_schema(world.document, operation)["properties"].items():
        for kind in field.get("anyOf", [field]):
            if "maxLength" in kind:
                yield {name: "x" * (kind["maxLength"] + 1)}
            if kind.get("type") == "array" and "maxItems" in kind:
                yield {name: ["" if kind["items"].get("type") == "string" else {}] * (kind["maxItems"] + 1)}


async def test_what_has_no_limit_of_its_own_is_refused_or_kept_short(world: World) -> None:
    """Free texts and numbers: a string of 300,000 characters in every place of every body."""
    for operation in world.posts:
        right = world.body(operation)
        for name in body_schema(world.document, operation)["properties"]:
            for value in oversized(right.get(name)):
                response = await world.send(operation, json.dumps(world.body(operation, **{name: value})).encode())
                # Some are not looked at, such as the time of what is sent at once.
                assert response.status_code < 500, f"{operation.name}, {name}: {response.status_code}"
    assert await world.here.look(longest) < STORED_MAX


def oversized(example: Any) -> Iterator[Any]:
    """The value with a long string for each of its strings, keys included."""
    if isinstance(example, list) and example:
        for each in oversized(example[0]):
            yield [each, *example[1:]]
    elif isinstance(example, dict):
        yield {**example, "x" * LONG: "y"}
        for name, value in example.items():
            for each in oversized(value):
                yield {**example, name: each}
    else:
        yield "9" * LONG


def longest(connection: Connection) -> int:
    """Characters of the longest text in the database."""
    texts = [
        sa.select(sa.func.max(sa.func.length(column)).label("characters"))
        for table in tables.metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, sa.Text)
    ]
    return max(connection.execute(each).scalar() or 0 for each in texts)


async def test_a_body_is_read_no_further_than_shows_that_it_is_too_large(world: World) -> None:
    for operation in world.posts:
        for announced in (True, False):
            head, body = await asyncio.wait_for(begin(world, operation, announced=announced), PATIENCE_S)
            assert b" 413 " in head.splitlines()[0], f"{operation.name}: {head!r}"
            assert b"connection: close" in head.lower()
            json.loads(body)


async def begin(world: World, operation: Operation, *, announced: bool) -> tuple[bytes, bytes]:
    """Announce a body that is too large and send nothing of it, or send one byte too many of one without end; the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.here.port)
    length = f"Content-Length: {BODY_LIMIT + 1}" if announced else "Transfer-Encoding: chunked"
    writer.write(f"POST {operation.path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {world.own.key}\r\n{length}\r\n\r\n".encode())
    if not announced:
        writer.write(b"%x\r\n%b\r\n1\r\n \r\n" % (BODY_LIMIT, b" " * BODY_LIMIT))
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body
