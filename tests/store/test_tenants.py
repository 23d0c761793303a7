"""Organizations and keys as people set them up, on both engines."""

import hashlib
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from clarion.core.money import UnknownCurrency
from clarion.core.zones import main_zone
from clarion.store import Store, catalog, rows, tenants
from clarion.store.errors import AlreadyThere, NotThere
from clarion.store.tenants import NewKey, NewOrganization
from clarion.wiring.machine import SystemIds

NOW = 1_774_700_000_000_000


def public_id() -> UUID:
    return SystemIds().broadcast(NOW)


async def make(store: Store, name: str, **options: Any) -> int:
    return await store.write(tenants.create_organization, NewOrganization(name, **options), public_id(), NOW)


async def test_an_organization_has_a_wallet_and_a_place_by_its_currency(store: Store) -> None:
    await make(store, "Acme")
    await make(store, "Zed", currency="MYR", billing="postpaid", limit_milli=500)
    acme, zed = await store.read(catalog.load_organizations)
    assert (acme.name, acme.currency, acme.billing, acme.region, acme.zone) == ("Acme", "KES", "prepaid", "KE", "Africa/Nairobi")
    assert (zed.currency, zed.limit_milli, zed.region, zed.zone) == ("MYR", 500, "MY", "Asia/Kuala_Lumpur")
    wallets = await store.read(rows.all, "SELECT organization_id, available_milli FROM wallets ORDER BY 1")
    assert [tuple(row) for row in wallets] == [(acme.id, 0), (zed.id, 0)]


async def test_a_name_is_given_once(store: Store) -> None:
    await make(store, "Acme")
    with pytest.raises(AlreadyThere, match="'Acme' already"):
        await make(store, "Acme")


async def test_a_currency_is_one_of_the_list_wherever_the_organization_is(store: Store) -> None:
    with pytest.raises(UnknownCurrency, match="XYZ"):
        await make(store, "Other", currency="XYZ", region="KE")
    assert await store.read(catalog.load_organizations) == []


@pytest.mark.parametrize(
    ("region", "zone"),
    [("KE", "Africa/Nairobi"), ("US", "America/New_York"), ("AU", "Australia/Sydney"), ("??", "UTC")],
)
def test_the_main_zone_of_a_country(region: str, zone: str) -> None:
    assert main_zone(region) == zone


async def test_default_is_made_once_and_only_where_there_is_nobody(store: Store) -> None:
    assert await store.write(tenants.ensure_default, public_id(), "tk_live_one", True, NOW)
    assert not await store.write(tenants.ensure_default, public_id(), "tk_live_two", True, NOW)
    (organization,) = await store.read(catalog.load_organizations)
    assert organization.name == "default"
    assert await store.read(rows.all, "SELECT available_milli FROM wallets") == [(1_000_000_000,)]
    key = await store.read(catalog.load_key, hashlib.sha256(b"tk_live_one").digest())
    assert key is not None
    assert key.organization == organization
    assert key.scopes is None
    assert await store.read(catalog.load_key, hashlib.sha256(b"tk_live_two").digest()) is None


async def test_without_the_simulator_default_has_no_money(store: Store) -> None:
    await store.write(tenants.ensure_default, public_id(), "tk_live_one", False, NOW)
    assert await store.read(rows.all, "SELECT available_milli FROM wallets") == [(0,)]


async def test_a_key_opens_until_it_is_revoked_and_is_never_stored(store: Store) -> None:
    organization_id = await make(store, "Acme")
    token = "tk_live_" + "s3cret" * 5
    version = await store.read(catalog.read_version)
    key_id = await store.write(tenants.create_key, NewKey(organization_id, "backend", ("send_sms",)), token, NOW)
    assert await store.read(catalog.read_version) > version
    digest = hashlib.sha256(token.encode()).digest()
    key = await store.read(catalog.load_key, digest)
    assert key is not None
    assert key.scopes == frozenset({"send_sms"})
    (listed,) = await store.read(tenants.list_keys, organization_id)
    assert (listed.organization, listed.name, listed.hint, listed.scopes) == ("Acme", "backend", "tk_live_s3cr", ("send_sms",))
    revoked = await store.write(tenants.revoke_key, key_id, NOW + 5)
    assert revoked.revoked_at == NOW + 5
    assert (await store.write(tenants.revoke_key, key_id, NOW + 9)).revoked_at == NOW + 5
    key = await store.read(catalog.load_key, digest)
    assert key is not None
    assert key.revoked_at == NOW + 5
    with pytest.raises(NotThere, match="no key 999"):
        await store.write(tenants.revoke_key, 999, NOW)


def everything(connection: Connection) -> str:
    return "\n".join(str(rows.all(connection, f"SELECT * FROM {table}")) for table in ("keys", "organizations", "carriers"))


async def test_no_key_is_in_the_database(store: Store) -> None:
    organization_id = await make(store, "Acme")
    token = "tk_live_" + SystemIds().token(32)
    await store.write(tenants.create_key, NewKey(organization_id, "backend"), token, NOW)
    assert token not in await store.read(everything)
