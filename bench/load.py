"""Requests as a client sends them: the vendor's bulk and single sends over HTTP."""

import json
import re
import time
from functools import lru_cache

import aiohttp

TEXT = "Hello, your order is on its way and will arrive today. Reply STOP to end these messages."
FIRST = 254_700_000_000
REQUEST = 10_000
"""The most that one request takes."""


async def send_bulk(http: aiohttp.ClientSession, key: str, number: int, size: int = REQUEST) -> tuple[float, str]:
    """The `number`-th request of so many recipients; how long the whole answer took, in seconds, and the campaign's id."""
    body = _bulk_body(number, size)
    started = time.perf_counter()
    async with http.post("/v1/sms/send-bulk/", data=body, headers=_headers(key)) as answer:
        octets = await answer.read()
        took_s = time.perf_counter() - started
        if answer.status != 201:
            raise RuntimeError(f"a bulk request was answered {answer.status}: {octets[:300]!r}")
    found = _CAMPAIGN.search(octets)
    assert found is not None
    return took_s, found[1].decode()


async def send_values(http: aiohttp.ClientSession, key: str, number: int, size: int = REQUEST) -> float:
    """The `number`-th request with two values for each recipient (Teekrr's); how long the whole answer took, in seconds."""
    body = _values_body(number, size)
    started = time.perf_counter()
    async with http.post("/sms", data=body, headers=_headers(key)) as answer:
        octets = await answer.read()
        took_s = time.perf_counter() - started
        if answer.status != 200 or f'"queued":{size},'.encode() not in octets:
            raise RuntimeError(f"a request with values was answered {answer.status}: {octets[:300]!r}")
    return took_s


async def send_single(http: aiohttp.ClientSession, key: str, number: int, text: str) -> float:
    """One text to one recipient; how long the answer took, in seconds."""
    body = json.dumps({"mobile": f"+{FIRST + number}", "message": text}).encode()
    started = time.perf_counter()
    async with http.post("/v1/sms/send/", data=body, headers=_headers(key)) as answer:
        octets = await answer.read()
        took_s = time.perf_counter() - started
        if answer.status != 201:
            raise RuntimeError(f"a single request was answered {answer.status}: {octets[:300]!r}")
    return took_s


async def read_status(http: aiohttp.ClientSession, key: str, campaign: str) -> None:
    """What a progress bar asks."""
    body = json.dumps({"campaign_id": campaign}).encode()
    async with http.post("/v1/sms/campaigns/status/", data=body, headers=_headers(key)) as answer:
        octets = await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a status was answered {answer.status}: {octets[:300]!r}")


_CAMPAIGN = re.compile(rb'"campaign_id":"([^"]+)"')


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


@lru_cache(maxsize=200)
def _bulk_body(number: int, size: int) -> bytes:
    """As people write numbers: with a plus, bare, and national, in turn."""
    first = FIRST + number * REQUEST
    spellings = ("+{0}", "{0}", "0{1}")
    recipients = [spellings[n % 3].format(first + n, first + n - 254_000_000_000) for n in range(size)]
    return json.dumps({"recipients": recipients, "message": TEXT, "sender_id": "CLARION"}).encode()


@lru_cache(maxsize=100)
def _values_body(number: int, size: int) -> bytes:
    first = FIRST + number * REQUEST
    items = [{"recipient": str(first + n), "variables": {"name": f"Customer {n}", "code": f"C{n:06}"}} for n in range(size)]
    text = "Hi {name}, your code is {code}. Thank you for shopping with us."
    body = {"campaignName": "bench", "type": "quick broadcast", "templateContent": text, "recipientVariables": items}
    return json.dumps(body).encode()


def prepare(requests: int, size: int = REQUEST) -> None:
    """Make the bodies beforehand, so that making them is not measured."""
    for number in range(requests):
        _bulk_body(number, size)
