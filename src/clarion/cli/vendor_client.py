"""A client of Clarion's own public API, TalkNTalk's face, as a vendor's customer would write it: the demo uses nothing else."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from clarion.cli.failures import Failure
from clarion.core.clock import Timer

TIMEOUT_S = 60.0

WAIT_S = 1.0
"""After a 429 without a `Retry-After`."""


class VendorClient:
    """Speaks to one server with one key, over one connection that is opened again when it was closed."""

    def __init__(self, host: str, port: int, timer: Timer) -> None:
        self.key = ""
        self._connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
        self._timer = timer

    async def send_bulk(self, recipients: list[str], message: str) -> dict[str, Any]:
        """`POST /v1/sms/send-bulk/`: one text to up to 10,000 recipients."""
        return await self._call("POST", "/v1/sms/send-bulk/", {"recipients": recipients, "message": message})

    async def total(self, campaign_id: str, status: str) -> int:
        """How many messages of a campaign have this status, from `POST /v1/sms/campaigns/messages/`."""
        page = "/v1/sms/campaigns/messages/?" + urlencode({"page_size": 1})
        return int((await self._call("POST", page, {"campaign_id": campaign_id, "status": status}))["total"])

    async def balance(self) -> tuple[str, str]:
        """The currency and what is available, from `GET /v1/balance/`."""
        answer = await self._call("GET", "/v1/balance/")
        return answer["currency"], answer["balance"]

    def not_ready(self) -> str | None:
        """Why `GET /readyz` says no, None if it says yes."""
        try:
            status, _, body = self._exchange("GET", "/readyz", None)
        except (OSError, HTTPException) as error:
            self._connection.close()
            return str(error)
        return None if status == 200 else body.decode(errors="replace")

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request, again where the server asks to wait. It is not repeated after an error: it may have been accepted."""
        payload = None if body is None else json.dumps(body).encode()
        while True:
            try:
                status, retry_after, answer = self._exchange(method, path, payload)
            except (OSError, HTTPException) as error:
                raise Failure(f"The server did not answer {method} {path} ({error}).") from None
            if status in {200, 201, 207}:
                found: dict[str, Any] = json.loads(answer)
                return found
            if status != 429:
                raise Failure(f"The server answered {method} {path} with {status}: {answer.decode(errors='replace')[:500]}")
            await self._timer.sleep(float(retry_after or WAIT_S))

    def _exchange(self, method: str, path: str, payload: bytes | None) -> tuple[int, str | None, bytes]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        self._connection.request(method, path, payload, headers)
        response = self._connection.getresponse()
        return response.status, response.getheader("Retry-After"), response.read()
