"""Keys that are bound to networks, an API, a scope or a time: every face asks, and only trusted proxies are believed."""

from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from starlette.requests import Request
from tests.api.conftest import BALANCE, NOW, World, serving

from clarion.api.origin import client_address
from clarion.store import Store, tenants
from clarion.store.tenants import NewKey

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))


def asked(peer: str | None, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Request({"type": "http", "client": None if peer is None else (peer, 4711), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # not a proxy of ours: it may say what it likes
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # what stands before was said by the client
        ("10.1.1.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["203.0.113.9, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),  # two proxies of ours
        ("10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ("10.1.1.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.1.1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("10.1.1.1", ["2001:db8::5"], "2001:db8::5"),
        ("2001:db8:1::9", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("10.1.1.1", ["unknown"], None),
        ("10.1.1.1", ["198.51.100.1, "], None),
        (None, [], None),
        ("/run/clarion.sock", [], None),
    ],
)
def test_the_address_of_the_caller(peer: str | None, forwarded: list[str], address: str | None) -> None:
    assert client_address(asked(peer, *forwarded), PROXIES) == (None if address is None else ip_address(address))


def test_without_proxies_nobody_is_believed() -> None:
    assert client_address(asked("10.1.1.1", "198.51.100.1"), ()) == ip_address("10.1.1.1")


TOKENS = {"here": "tk_live_" + "1" * 32, "there": "tk_live_" + "2" * 32, "behind": "tk_live_" + "3" * 32, "later": "tk_live_" + "4" * 32}

CLOSED = {"detail": "This API key may not be used from this address.", "code": "permission_denied"}


@pytest.fixture
async def bound(sqlite_store: Store) -> AsyncIterator[World]:
    """A server that takes the test itself for its proxy, with keys of all kinds."""
    async with serving(sqlite_store, trusted_proxies=(ip_network("127.0.0.0/8"),)) as world:
        for name, changes in (
            ("here", {"networks": ("127.0.0.0/8", "192.0.2.0/24")}),
            ("there", {"networks": ("192.0.2.0/24",)}),
            ("behind", {"networks": ("2001:db8::/32", "198.51.100.7/32")}),
            ("later", {"expires_at": NOW + 1}),
        ):
            options: dict[str, Any] = dict(changes)
            await sqlite_store.write(tenants.create_key, NewKey(1, name, **options), TOKENS[name], NOW)
        yield world


@pytest.mark.parametrize(
    ("key", "forwarded", "status"),
    [
        ("here", None, 200),
        ("here", "192.0.2.200", 200),
        ("here", "198.51.100.7", 403),
        ("there", None, 403),
        ("there", "192.0.2.200", 200),
        ("there", "192.0.3.200", 403),
        ("there", "192.0.2.200, 203.0.113.9", 403),
        ("behind", "2001:db8::77", 200),
        ("behind", "198.51.100.7", 200),
        ("behind", "198.51.100.8", 403),
        ("later", None, 200),
    ],
)
async def test_networks(bound: World, key: str, forwarded: str | None, status: int) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    response = await bound.client.get(BALANCE, headers={"Authorization": f"Bearer {TOKENS[key]}", **headers})
    assert response.status_code == status
    if status == 403:
        assert response.json() == CLOSED


async def test_from_the_wrong_network_nothing_is_counted(bound: World) -> None:
    """Or whoever found a key could use up the rate of its owner."""
    for _ in range(301):
        response = await bound.client.get(BALANCE, headers={"X-API-Key": TOKENS["there"]})
        assert response.status_code == 403
    assert (await bound.client.get(BALANCE, headers={"X-API-Key": TOKENS["here"]})).status_code == 200


@pytest.mark.parametrize(("path", "shown"), [("/sms", "message"), ("/v1/sms/bulk-send", "error"), ("/v1/sms/send-bulk/", "detail")])
async def test_every_face_asks(bound: World, path: str, shown: str) -> None:
    response = await bound.client.post(path, json={}, headers={"Authorization": f"Bearer {TOKENS['there']}", "X-API-Key": TOKENS["there"]})
    assert response.status_code == 403
    assert response.json()[shown] == ("Request IP is not in the API key whitelist" if path == "/sms" else CLOSED["detail"])


@pytest.mark.parametrize(
    ("path", "scopes", "answer"),
    [
        # K:authentication: a scope for each channel; the text is chosen.
        ("/sms", ("send_whatsapp", "send_email"), (403, {"message": "API key lacks the required scope: send_sms"})),
        ("/sms", ("send_email", "send_sms"), (400, None)),
        # Choices, "All faces": TalkNTalk and Teli's SMS need it too, contacts `manage`.
        (
            "/v1/sms/send-bulk/",
            ("send_whatsapp",),
            (403, {"detail": "API key lacks the required scope: send_sms.", "code": "permission_denied"}),
        ),
        (
            "/v1/sms/send",
            ("manage",),
            (403, {"error": "API key lacks the required scope: send_sms.", "success": False, "powered_by": "Teli"}),
        ),
        ("/v1/contacts", ("manage",), (400, None)),
    ],
)
async def test_scopes(bound: World, path: str, scopes: tuple[str, ...], answer: tuple[int, Any]) -> None:
    token = "tk_live_" + "5" * 32
    await bound.store.write(tenants.create_key, NewKey(1, "scoped", scopes=scopes), token, NOW)
    response = await bound.post(path, {}, key=token)
    status, body = answer
    assert response.status_code == status
    assert body in (None, response.json())


async def test_a_key_ends(bound: World) -> None:
    bound.clock.time = NOW + 1
    response = await bound.client.get(BALANCE, headers={"X-API-Key": TOKENS["later"]})
    assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")
