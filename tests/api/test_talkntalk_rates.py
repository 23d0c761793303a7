"""TalkNTalk's rates: what counts, and how much of it is let through."""

from typing import Any

import httpx
from tests.api.conftest import BALANCE, KEY, MESSAGES, SEND, SEND_BULK, STATUS, VOICE_KEY, serving

from clarion.core.rates import Admission
from clarion.store import Store, tables

BULK: dict[str, Any] = {"recipients": ["254712345678"], "message": "Hi"}


async def test_every_authenticated_request_counts_and_no_other(sqlite_store: Store) -> None:
    """N:guides/rate-limits: 60 a minute for an organisation; choices: whatever its answer."""
    async with serving(sqlite_store) as world:
        for _ in range(70):
            assert (await world.post(SEND_BULK, BULK, key=None)).status_code == 401
        answers = [(await world.post(SEND_BULK, b"{", key=key)).status_code for key in [KEY] * 30 + [VOICE_KEY] * 30]
        assert answers == [400] * 30 + [403] * 30
        response = await world.post(SEND_BULK, BULK)
        assert response.status_code == 429
        seconds = int(response.headers["retry-after"])
        assert 1 <= seconds <= 60
        assert response.json() == {"detail": f"Request was throttled. Expected available in {seconds} seconds."}
        assert (await world.get(BALANCE)).status_code == 200, "each endpoint has its own counter"
        assert await world.count(tables.broadcasts) == 0


class Closed:
    """Lets nobody through, and remembers which counter was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, float]] = []

    async def admit(self, organization_id: int, counter: Any) -> Admission:
        self.seen.append((counter.name, counter.limit, counter.span_s))
        return Admission(allowed=False, remaining=0, retry_after_s=0.2)


async def test_rates_of_the_endpoints(sqlite_store: Store) -> None:
    """N:guides/rate-limits: send 300, send-bulk 60, all others 300 a minute."""
    limits = Closed()
    async with serving(sqlite_store, limits) as world:
        responses: list[httpx.Response] = [await world.post(path, {}) for path in (SEND_BULK, SEND, STATUS, MESSAGES)]
        responses.append(await world.get(BALANCE))
        other = await world.post("/v1/sms/bulk-send", {})
    assert other.headers["retry-after"] == "1"
    assert other.json() == {"error": "Too many requests. Try again in 1 seconds.", "success": False, "powered_by": "Teli"}
    assert limits.seen.pop() == ("teli", 3_000, 60), "chosen: Teli documents none"
    assert [response.headers["retry-after"] for response in responses] == ["1"] * 5
    assert [limit for _, limit, _ in limits.seen] == [60, 300, 300, 300, 300]
    assert {span for _, _, span in limits.seen} == {60}
    assert len({name for name, _, _ in limits.seen}) == 5
