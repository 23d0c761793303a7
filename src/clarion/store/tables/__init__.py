"""The tables, as the migrations build them. One row shape for both engines.

Points in time are integer microseconds (`_at`), amounts integer thousandths of the currency's minor unit (`_milli`). Ids of
messages come from one counter, and every broadcast has a contiguous range of them, so that a chunk is a range and "the messages of
a broadcast" needs no index.
"""

from clarion.store.tables.base import metadata
from clarion.store.tables.configuration import (
    campaigns,
    carriers,
    contacts,
    keys,
    keywords,
    organizations,
    prices,
    request_counts,
    routes,
    senders,
    sequences,
    settings,
    suppressions,
    templates,
)
from clarion.store.tables.money import holds, ledger, ledger_lines, wallets
from clarion.store.tables.road import attempts, binds, broadcasts, chunks, deliveries, inbound, messages, orphans, parts, rejects, submits

__all__ = [
    "attempts",
    "binds",
    "broadcasts",
    "campaigns",
    "carriers",
    "chunks",
    "contacts",
    "deliveries",
    "holds",
    "inbound",
    "keys",
    "keywords",
    "ledger",
    "ledger_lines",
    "messages",
    "metadata",
    "organizations",
    "orphans",
    "parts",
    "prices",
    "rejects",
    "request_counts",
    "routes",
    "senders",
    "sequences",
    "settings",
    "submits",
    "suppressions",
    "templates",
    "wallets",
]
