"""Carriers as people set them up, on both engines."""

import pytest

from clarion.core.money import InvalidAmount
from clarion.store import Store, binds, carriers, catalog, rows, tenants
from clarion.store.carriers import CarrierChange, NewCarrier, change_carrier
from clarion.store.catalog import read_version
from clarion.store.engine import is_sqlite
from clarion.store.errors import AlreadyThere, NotThere
from clarion.store.tenants import NewOrganization
from clarion.wiring.machine import SystemIds

NOW = 1_774_700_000_000_000
NORTH = NewCarrier("north", "smpp://acme@127.0.0.1:2775", "secret", "254", "1.00", "0.60")


async def make(store: Store, name: str, currency: str = "KES") -> int:
    return await store.write(tenants.create_organization, NewOrganization(name, currency), SystemIds().broadcast(NOW), NOW)


async def test_a_carrier_is_routed_priced_listed_and_removed(store: Store) -> None:
    organization_id = await make(store, "Acme")
    carrier_id = await store.write(carriers.add_carrier, NORTH, NOW)
    organization = await store.read(catalog.load_organization, "Acme")
    assert organization is not None
    assert organization.id == organization_id
    now = await store.read(catalog.load_catalog)
    assert now.quoting(organization, None)(254_712_345_678) == (carrier_id, 100_000)
    assert now.quoting(organization, None)(4_915_112_345_678) is None
    (view,) = await store.read(carriers.list_carriers)
    assert (view.name, view.kind, view.cost, view.prefixes, view.prices) == ("north", "smpp", "0.60", ("254",), (("254", "1.00"),))
    assert "secret" not in repr(view)
    assert "secret" not in repr(NORTH)
    assert await store.read(carriers.carrier_login, "north") == (NORTH.url, "secret")
    with pytest.raises(AlreadyThere):
        await store.write(carriers.add_carrier, NORTH, NOW)
    version = now.version
    assert await store.write(carriers.remove_carrier, "north") == (carrier_id, 0)
    later = await store.read(catalog.load_catalog)
    assert later.version > version
    assert later.carriers == {}
    assert await store.read(rows.all, "SELECT 1 FROM routes UNION ALL SELECT 1 FROM prices") == []
    with pytest.raises(NotThere, match="none was added"):
        await store.write(carriers.remove_carrier, "north")


async def test_a_removed_carrier_comes_back_with_its_id_once_nothing_waits_for_it(store: Store) -> None:
    carrier_id = await store.write(carriers.add_carrier, NORTH, NOW)
    chunk = (
        "INSERT INTO chunks (id, broadcast_id, organization_id, carrier_id, lane, marked_id, last_id, opens_at, state)"
        " VALUES (1, 1, 1, :carrier_id, 2, 3, 10, 0, 'ready')"
    )
    await store.write(rows.all, chunk, carrier_id=carrier_id)
    assert await store.write(carriers.remove_carrier, "north") == (carrier_id, 7)
    with pytest.raises(AlreadyThere, match="7 messages still wait"):
        await store.write(carriers.add_carrier, NORTH, NOW)
    await store.write(rows.all, "UPDATE chunks SET state = 'done'")
    assert await store.write(carriers.add_carrier, NORTH, NOW) == carrier_id


async def test_prices_fit_every_currency_that_pays_them(store: Store) -> None:
    await make(store, "Acme")
    with pytest.raises(InvalidAmount, match="6 decimals"):
        await store.write(carriers.add_carrier, NewCarrier("fine", "smpp://a@127.0.0.1", "", "", "0.000001"), NOW)
    await store.write(carriers.add_carrier, NewCarrier("north", "smpp://a@127.0.0.1", "", "", "0.0075"), NOW)
    with pytest.raises(InvalidAmount, match="JPY"):
        await make(store, "Tokyo", currency="JPY")


async def test_a_bind_shows_its_state_only_while_somebody_holds_it(store: Store) -> None:
    carrier_id = await store.write(carriers.add_carrier, NORTH, NOW)
    assert (await store.read(carriers.list_carriers))[0].binds == ()
    lease = await store.write(binds.acquire, carrier_id, 0, store.owner, NOW)
    assert lease is not None
    await store.write(binds.note_state, lease.bind_id, lease.fence, "refused", "ESME_RBINDFAIL", NOW + 1)
    assert (await store.read(carriers.list_carriers))[0].binds == ((0, "refused", "ESME_RBINDFAIL", NOW + 1),)
    await store.write(rows.all, "UPDATE binds SET lease_until = 1")
    assert (await store.read(carriers.list_carriers))[0].binds == ((0, "closed", "no server holds it", NOW + 1),)


async def test_a_bind_whose_owner_is_gone_is_closed_before_its_lease_is_over(store: Store, database_url: str) -> None:
    """On PostgreSQL its advisory lock tells; on SQLite only the lock on the data folder does, which commands look at."""
    carrier_id = await store.write(carriers.add_carrier, NORTH, NOW)
    lease = await store.write(binds.acquire, carrier_id, 0, store.owner, NOW)
    assert lease is not None
    await store.write(binds.note_state, lease.bind_id, lease.fence, "bound", "", NOW + 1)
    await store.write(rows.all, "UPDATE binds SET owner = owner + 1")
    expected = ("bound", "") if is_sqlite(database_url) else ("closed", "no server holds it")
    assert [bind[1:3] for bind in (await store.read(carriers.list_carriers))[0].binds] == [expected]


async def test_a_carrier_that_only_receives_sets_no_price(store: Store) -> None:
    await make(store, "Acme")
    await store.write(carriers.add_carrier, NewCarrier("deaf", "smpp://a@127.0.0.1?bind=receiver", "", "", "7"), NOW)
    await store.write(carriers.add_carrier, NewCarrier("glob", "smpp://a@127.0.0.1", "", "", "2"), NOW)
    organization = await store.read(catalog.load_organization, "Acme")
    assert organization is not None
    quote = (await store.read(catalog.load_catalog)).quoting(organization, None)(14_155_552_671)
    assert quote is not None
    assert quote.price_milli == 200_000


async def test_the_simulator_comes_and_goes(store: Store) -> None:
    assert not await store.write(carriers.retire_simulator)
    first = await store.write(carriers.put_simulator, "smpp://simulator@127.0.0.1:1", NOW)
    again = await store.write(carriers.put_simulator, "smpp://simulator@127.0.0.1:2", NOW)
    assert first == again
    now = await store.read(catalog.load_catalog)
    assert now.simulated(first)
    assert now.carriers[first].url.endswith(":2")
    assert await store.read(rows.all, "SELECT prefix, amount FROM prices") == [("", "1.00")]
    with pytest.raises(AlreadyThere, match="built-in"):
        await store.write(carriers.add_carrier, NewCarrier("simulator", "smpp://a@127.0.0.1", ""), NOW)
    assert await store.write(carriers.retire_simulator)
    assert (await store.read(catalog.load_catalog)).carriers == {}


async def test_a_changed_carrier_keeps_what_was_not_named(store: Store) -> None:
    await make(store, "Acme")
    carrier_id = await store.write(carriers.add_carrier, NORTH, NOW)
    version = await store.read(read_version)
    assert await store.write(change_carrier, "north", CarrierChange(price="2.50")) == carrier_id
    assert await store.read(read_version) > version
    (view,) = await store.read(carriers.list_carriers)
    assert (view.url, view.prices, view.cost) == (NORTH.url, ((NORTH.prefix, "2.50"),), NORTH.cost)
    assert await store.read(carriers.carrier_login, "north") == (NORTH.url, "secret")
    await store.write(change_carrier, "north", CarrierChange(url="smpp://other@127.0.0.1", cost="0.10"))
    assert await store.read(carriers.carrier_login, "north") == ("smpp://other@127.0.0.1", "secret")
    await store.write(change_carrier, "north", CarrierChange(password="changed"))
    assert await store.read(carriers.carrier_login, "north") == ("smpp://other@127.0.0.1", "changed")
    (view,) = await store.read(carriers.list_carriers)
    assert (view.prefixes, view.prices, view.cost) == ((NORTH.prefix,), ((NORTH.prefix, "2.50"),), "0.10")
    with pytest.raises(InvalidAmount):
        await store.write(change_carrier, "north", CarrierChange(price="0.0000001"))
    with pytest.raises(NotThere, match="there are north"):
        await store.write(change_carrier, "south", CarrierChange(price="1"))
    await store.write(carriers.put_simulator, "smpp://simulator@127.0.0.1:1", NOW)
    with pytest.raises(AlreadyThere, match="built-in"):
        await store.write(change_carrier, "simulator", CarrierChange(price="1"))


async def test_a_free_carrier_may_get_a_price(store: Store) -> None:
    await store.write(carriers.add_carrier, NewCarrier("free", "smpp://a@127.0.0.1", "", "254"), NOW)
    await store.write(change_carrier, "free", CarrierChange(price="1.00"))
    assert (await store.read(carriers.list_carriers))[0].prices == (("254", "1.00"),)
