"""What holds while a database takes no writes, whatever the reason: refusals in each face's own envelope, and a wire that stands still."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.acceptance.harness import PATIENCE_S, Server, SmscProcess

STILL_S = 3.0
"""Three polls of everything that polls."""

FACES: tuple[tuple[str, Any, str], ...] = (
    ("/v1/sms/send-bulk/", {"recipients": ["254711000001"], "message": "No room", "sender_id": "CLARION"}, "detail"),
    ("/v1/sms/send/", {"mobile": "254711000001", "message": "No room", "sender_id": "CLARION"}, "detail"),
    ("/v1/contacts", {"phone_number": "+254711000001", "list_id": "no room"}, "error"),
    ("/sms", {"campaignName": "x", "type": "quick broadcast", "templateContent": "No room", "recipients": ["254711000001"]}, "message"),
)
"""A request of each face that would write, and the member of its envelope that says why it was refused."""


async def refused_everywhere(here: Server) -> None:
    """503 with when to come again, in the caller's envelope, and nothing of the machine in it."""
    for path, body, member in FACES:
        response = await here.post(path, body)
        assert response.status_code == 503, (path, response.status_code, response.text)
        assert int(response.headers["retry-after"]) > 0
        assert response.json()[member].endswith(f"Request id: {response.headers['x-request-id']}")
        assert "disk" not in response.text


@dataclass
class Meanwhile:
    """The carrier's side of it."""

    here: Server
    smsc: SmscProcess
    http_port: int

    async def counters(self) -> dict[str, Any]:
        answer = await self.here.client.get(f"http://127.0.0.1:{self.http_port}/counters")
        counters: dict[str, Any] = answer.json()
        return counters

    async def stands_still(self, *, before: int, more_max: int) -> None:
        """Nothing more is marked: what was marked goes out, and then nothing; receipts that came are not acknowledged."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                count, counters = self.smsc.count, await self.counters()
                await asyncio.sleep(STILL_S)
                later = await self.counters()
                same = all(counters[name] == later[name] for name in ("receipts_sent", "receipts_acknowledged"))
                if self.smsc.count == count and same:
                    break
        assert self.smsc.count - before <= more_max, "more than two windows went out without a mark"
        assert later["receipts_sent"] > later["receipts_acknowledged"], "a receipt was acknowledged that is not stored"

    async def nothing_twice(self, messages: int) -> None:
        """Each recipient had the text once, and every receipt is acknowledged."""
        once = Counter(submit["destination"] for submit in self.smsc.submits() if submit["status"] == 0)
        assert (len(once), set(once.values())) == (messages, {1})
        counters = await self.counters()
        assert counters["receipts_acknowledged"] >= messages
