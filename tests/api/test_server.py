"""What surrounds the faces: request ids, the log, breakdowns, methods, the documents, health and metrics."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture
from tests.api.conftest import BALANCE, KEY, SEND, SEND_BULK, World, serving

from clarion.store import Store
from clarion.store.errors import Unavailable


@pytest.fixture
def log() -> Iterator[list[Any]]:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**before)


async def test_every_answer_has_a_request_id_and_keeps_a_sane_one(sqlite_world: World) -> None:
    for path in ("/healthz", "/nowhere", "/v1/", BALANCE, "/openapi.json", "/docs"):
        response = await sqlite_world.get(path, key=None)
        assert re.fullmatch(r"[A-Za-z0-9]{20}", response.headers["x-request-id"]), path
    for given, kept in (("order-17", True), ("a" * 129, False), ("a b", False), ("", False), ("<script>", False)):
        response = await sqlite_world.client.get("/healthz", headers={"X-Request-Id": given})
        assert (response.headers["x-request-id"] == given) is kept
        assert len(response.headers.get_list("x-request-id")) == 1


async def test_one_line_a_request_without_key_or_text(sqlite_world: World, log: list[Any]) -> None:
    await sqlite_world.post(f"{SEND}?secret=1", {"mobile": "12", "message": "the text itself"}, headers={"X-Request-Id": "r1"})
    (entry,) = [entry for entry in log if entry["event"] == "request"]
    assert entry.pop("duration_ms") >= 0
    assert entry == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": SEND,
        "status": 400,
        "organization_id": 1,
        "request_id": "r1",
    }
    assert KEY not in str(log)
    assert "the text itself" not in str(log)


async def test_a_path_cannot_write_lines_into_the_log(sqlite_world: World, log: list[Any]) -> None:
    await sqlite_world.get("/x%0Alevel=error" + "y" * 1000, key=None)
    (entry,) = [entry for entry in log if entry["event"] == "request"]
    assert entry["path"].startswith("/x%0Alevel=error")
    assert len(entry["path"]) == 200


BREAKS = [
    # Seeds 000 and 003, N:authentication/overview, T:errors: 500, in the vendor's envelope.
    (BALANCE, {"detail": "Internal server error. Request id: r2"}),
    ("/v1/campaigns/x", {"error": "Internal server error. Request id: r2", "success": False, "powered_by": "Teli"}),
    ("/api/proxy/v1/organizations/x/campaigns", {"error": "Internal server error. Request id: r2", "success": False, "powered_by": "Teli"}),
    (
        "/readyz",
        {"type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": "Internal server error. Request id: r2"},
    ),
]


class Breaking:
    """A store that does not do what it should; a full disk and a database that is gone are made in the store's own tests."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def read(self, *_: object, **__: object) -> Any:
        raise self.error

    write = read


@pytest.mark.parametrize(("path", "answer"), BREAKS)
async def test_what_breaks_names_the_request_id_and_nothing_else(sqlite_store: Store, log: list[Any], path: str, answer: object) -> None:
    def not_ready() -> list[str]:
        raise ValueError("the password is hunter2")

    breaking: Any = Breaking(ValueError("the password is hunter2"))
    async with serving(sqlite_store, through=breaking, ready=not_ready) as world:
        response = await world.client.get(path, headers={"X-Request-Id": "r2", "Authorization": f"Bearer {KEY}"})
    assert (response.status_code, response.json()) == (500, answer)
    assert response.headers["x-request-id"] == "r2"
    (entry,) = [entry for entry in log if entry["event"] == "request_broke"]
    assert (entry["request_id"], entry["exc_info"]) == ("r2", True)
    assert [entry["status"] for entry in log if entry["event"] == "request"] == [500]


@pytest.mark.parametrize(
    ("method", "path", "shown"), [("GET", BALANCE, "detail"), ("GET", "/v1/campaigns/x", "error"), ("POST", "/sms", "message")]
)
async def test_a_database_that_does_not_answer_is_503(sqlite_store: Store, method: str, path: str, shown: str) -> None:
    breaking: Any = Breaking(Unavailable("the database is full"))
    async with serving(sqlite_store, through=breaking) as world:
        response = await (world.post(path, {}) if method == "POST" else world.get(path))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()[shown].endswith(f"Request id: {response.headers['x-request-id']}")
    assert "full" not in response.text


async def test_a_caller_who_hangs_up_gets_no_answer_and_breaks_nothing(sqlite_world: World, log: list[Any]) -> None:
    host, _, port = sqlite_world.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {SEND} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    async with asyncio.timeout(30):
        while not [entry for entry in log if entry["event"] == "request"]:
            await asyncio.sleep(0.01)
    assert [(entry["event"], entry.get("status")) for entry in log] == [("request", 499)]


async def test_heads_and_options(sqlite_world: World) -> None:
    client = sqlite_world.client
    full = await client.get("/healthz")
    head = await client.head("/healthz")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(full.content)))
    assert (await client.head(BALANCE)).status_code == 401
    assert (await client.head(SEND_BULK)).status_code == 405
    assert (await client.head("/nowhere")).status_code == 404
    options = await client.options(SEND_BULK)
    assert (options.status_code, options.content, options.headers["allow"]) == (204, b"", "OPTIONS, POST")
    assert (await client.options("/nowhere")).status_code == 404


UNKNOWN = [
    ("GET", "/nowhere", "application/problem+json", "detail"),
    ("DELETE", "/sms", "application/json", "message"),
    ("GET", "/v1/nothing/", "application/json", "detail"),
    ("GET", "/v1/nothing", "application/json", "error"),
    ("DELETE", "/api/proxy/v1/x/", "application/json", "error"),
    ("GET", "/docs/assets/nothing.js", "application/problem+json", "detail"),
    ("POST", "/docs", "application/problem+json", "detail"),
    ("PURGE", "/healthz", "application/problem+json", "detail"),
]


@pytest.mark.parametrize(("method", "path", "media_type", "member"), UNKNOWN)
async def test_unknown_paths_and_methods_in_the_envelope_of_the_path(
    sqlite_world: World, method: str, path: str, media_type: str, member: str
) -> None:
    response = await sqlite_world.client.request(method, path)
    assert response.status_code in {404, 405}
    assert response.headers["content-type"] == media_type
    assert member in response.json()
    assert ("allow" in response.headers) == (response.status_code == 405)


async def test_readiness_gives_its_reasons(sqlite_store: Store) -> None:
    reasons: list[str] = []
    async with serving(sqlite_store, ready=lambda: list(reasons)) as world:
        response = await world.get("/readyz", key=None)
        assert (response.status_code, response.json()) == (200, {"status": "ready", "reasons": []})
        reasons.append("no carrier is bound")
        response = await world.get("/readyz", key=None)
        assert (response.status_code, response.json()) == (503, {"status": "not ready", "reasons": ["no carrier is bound"]})
        assert (await world.get("/healthz", key=None)).json() == {"status": "ok"}


async def test_metrics_are_by_endpoint(sqlite_world: World) -> None:
    await sqlite_world.get(BALANCE)
    await sqlite_world.get(f"/made-up/{KEY}")
    await sqlite_world.client.request("PURGE", "/made-up")
    text = (await sqlite_world.get("/metrics", key=None)).text
    assert f'clarion_http_requests_total{{method="GET",path="{BALANCE}",status="200"}} 1.0' in text
    assert 'clarion_http_requests_total{method="other",path="none",status="404"} 1.0' in text
    assert "made-up" not in text


async def test_the_documentation_asks_no_other_host(sqlite_world: World) -> None:
    page = (await sqlite_world.get("/docs", key=None)).text
    assert not re.findall(r"https?://", page)
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len([link for link in links if link.startswith("/docs/assets/")]) == 2
    for link in links:
        if link.startswith("/"):
            assert (await sqlite_world.get(link, key=None)).status_code == 200


async def test_the_openapi_document_has_the_schema_and_an_example_of_every_request(sqlite_world: World) -> None:
    document = (await sqlite_world.get("/openapi.json", key=None)).json()
    schemas = document["components"]["schemas"]
    found = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            if method == "post":
                media = operation["requestBody"]["content"]["application/json"]
                schema = schemas[media["schema"]["$ref"].rpartition("/")[2]]
                assert set(schema["required"]) <= set(media["example"]) <= set(schema["properties"])
                found += 1
    assert found >= 9
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(schemas)
    bulk = schemas["SendBulk"]["properties"]
    assert (bulk["recipients"]["maxItems"], bulk["recipients"]["minItems"]) == (10_000, 1)
    assert document["paths"]["/v1/sms/send-bulk/"]["post"]["responses"].keys() >= {"201", "207", "400", "401", "429"}
    assert document["paths"]["/v1/balance/"]["get"]["security"] == [{"bearer": []}, {"header": []}]


async def test_the_examples_of_the_document_are_answered(sqlite_world: World) -> None:
    document = (await sqlite_world.get("/openapi.json", key=None)).json()
    await sqlite_world.top_up(1_000_000)
    answered = {}
    for path, methods in document["paths"].items():
        if "post" in methods and path.endswith("/"):  # the other faces' tests ask theirs
            example = methods["post"]["requestBody"]["content"]["application/json"]["example"]
            answered[path] = (await sqlite_world.post(path, example)).status_code
    assert answered == {
        "/v1/sms/send-bulk/": 201,
        "/v1/sms/send/": 201,
        "/v1/sms/campaigns/status/": 404,
        "/v1/sms/campaigns/messages/": 404,
    }
