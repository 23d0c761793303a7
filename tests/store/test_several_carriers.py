"""Several carriers as the catalog has them, on both engines."""

from collections import Counter
from typing import Any

import pytest

from clarion.store import Store, carriers, catalog, rows, tenants
from clarion.store.carriers import CarrierChange, NewCarrier, change_carrier
from clarion.store.catalog import Catalog, Organization
from clarion.store.tenants import NewOrganization
from clarion.wiring.machine import SystemIds

NOW = 1_774_700_000_000_000
KENYAN = 254_712_345_678


async def carrier(store: Store, name: str, prefix: str = "254", url: str = "smpp://a@127.0.0.1", **columns: Any) -> int:
    carrier_id = await store.write(carriers.add_carrier, NewCarrier(name, url, "", prefix, "1.00"), NOW)
    for column, value in columns.items():
        table, key = ("routes", "carrier_id") if column == "weight" else ("carriers", "id")
        await store.write(rows.all, f"UPDATE {table} SET {column} = :value WHERE {key} = :id", value=value, id=carrier_id)
    return carrier_id


async def acme(store: Store) -> Organization:
    await store.write(tenants.create_organization, NewOrganization("acme"), SystemIds().broadcast(NOW), NOW)
    made = await store.read(catalog.load_organization, "acme")
    assert made is not None
    return made


async def load(store: Store) -> Catalog:
    return await store.read(catalog.load_catalog)


async def test_the_order_has_prefix_weight_health_and_senders_and_no_receivers(store: Store) -> None:
    everywhere = await carrier(store, "everywhere", "")
    light = await carrier(store, "light")
    heavy = await carrier(store, "heavy", weight=5)
    out = await carrier(store, "out", "2547", health="out")
    short = await carrier(store, "short", senders="numbers short", url="smpp://a@127.0.0.1?sender=40404")
    await carrier(store, "deaf", "2547", url="smpp://a@127.0.0.1?bind=receiver")
    simulator = await store.write(carriers.put_simulator, "smpp://simulator@127.0.0.1:1", NOW)
    found = await load(store)
    assert found.carriers_for(KENYAN, "CLARION") == (heavy, light, everywhere, out)
    assert found.carriers_for(KENYAN, "40404") == found.carriers_for(KENYAN, None) == (heavy, light, short, everywhere, out)
    assert found.carriers_for(49_151_000_000, "CLARION") == (everywhere,)
    await store.write(carriers.remove_carrier, "everywhere")
    assert (await load(store)).carriers_for(49_151_000_000, "CLARION") == (simulator,)


async def test_the_simulator_takes_only_what_no_other_fits_even_one_that_is_out(store: Store) -> None:
    simulator = await store.write(carriers.put_simulator, "smpp://simulator@127.0.0.1:1", NOW)
    out = await carrier(store, "out", health="out", senders="names")
    found = await load(store)
    assert (found.carriers_for(KENYAN, "CLARION"), found.carriers_for(KENYAN, "40404")) == ((out,), (simulator,))


async def test_least_cost_is_a_setting(store: Store) -> None:
    dear = await carrier(store, "dear", cost="0.9", weight=9)
    unknown = await carrier(store, "unknown", weight=10)
    cheap = await carrier(store, "cheap", cost="0.10")
    assert (await load(store)).carriers_for(KENYAN, None) == (unknown, dear, cheap)
    await store.write(rows.all, "UPDATE settings SET routing = 'cost'")
    assert (await load(store)).carriers_for(KENYAN, None) == (cheap, dear, unknown)


async def test_an_order_is_dealt_out_exactly_and_single_ones_take_turns(store: Store) -> None:
    organization = await acme(store)
    one, two, three = [await carrier(store, name, weight=weight) for name, weight in (("one", 5), ("two", 3), ("three", 2))]
    found = await load(store)
    quote_of = found.quoting(organization, "CLARION")
    for start in (KENYAN, KENYAN + 500):
        dealt = [quote_of(recipient) for recipient in range(start, start + 500)]
        assert Counter(quote.carrier_id for quote in dealt if quote) == {one: 250, two: 150, three: 100}
        assert {quote.price_milli for quote in dealt if quote} == {100_000}
    singles = Counter(quote.carrier_id for _ in range(100) if (quote := found.quoting(organization, None)(KENYAN)))
    assert singles == {one: 50, two: 30, three: 20}


@pytest.mark.parametrize("limit", [3, 10_000])
async def test_quotes_by_many_beginnings_share_as_one(store: Store, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """A long prefix somewhere cuts numbers into many beginnings; those that have the same carriers are one stream."""
    monkeypatch.setattr(catalog, "QUOTES_MAX", limit)
    organization = await acme(store)
    one, two = await carrier(store, "one"), await carrier(store, "two")
    single = await carrier(store, "narrow", "254712345999")
    quote_of = (await load(store)).quoting(organization, None)
    dealt = Counter(quote.carrier_id for k in range(1_000) if (quote := quote_of(254_700_000_000 + 100_003 * k)))
    assert dealt == {one: 500, two: 500}
    assert quote_of(254_712_345_999) == (single, 100_000)
    assert quote_of(49_151_000_000) is None


async def test_the_price_is_the_first_carriers_whoever_takes_the_message(store: Store) -> None:
    organization = await acme(store)
    await carrier(store, "first")
    second = await store.write(carriers.add_carrier, NewCarrier("second", "smpp://a@127.0.0.1", "", "254", "9.00", weight=100), NOW)
    await store.write(change_carrier, "first", CarrierChange(price="3.00", weight=0))
    assert (await load(store)).quoting(organization, None)(KENYAN) == (second, 300_000)
    await store.write(carriers.remove_carrier, "first")
    assert (await load(store)).quoting(organization, None)(KENYAN) == (second, 900_000)
