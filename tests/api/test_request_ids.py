"""The id of a request is kept with the broadcast that came of it, on every face, and stands in the log beside the broadcast."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from structlog.testing import LogCapture
from tests.api.conftest import ORGANIZATION, SEND, SEND_BULK, World

from clarion.store import tables

CAMPAIGN = {
    "campaign_id": "camp_1",
    "campaign_name": "Offer",
    "organization_id": str(ORGANIZATION),
    "user_id": "u1",
    "sms_agent_id": "a1",
    "teli_sms_number": "254700000001",
    "contacts": [{"phone_number": "0712345678"}],
}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (SEND, {"mobile": "0712345678", "message": "Hello"}),
    (SEND_BULK, {"recipients": ["0712345678", "nobody"], "message": "Hello"}),
    ("/v1/sms/bulk-send", {"campaign_id": "camp_1", "phone_numbers": ["0712345678"], "message": "Hello"}),
    ("/sms", {"campaignName": "Offer", "type": "quick broadcast", "templateContent": "Hello", "recipients": ["0712345678"]}),
]


@pytest.fixture
def log() -> Iterator[list[Any]]:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**before)


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_it_is_kept_and_logged(world: World, log: list[Any], path: str, body: dict[str, Any]) -> None:
    await world.top_up(1_000_000)
    if "campaign_id" in body:
        assert (await world.post("/v1/campaigns", CAMPAIGN)).status_code == 200
    response = await world.post(path, body, headers={"X-Request-Id": "order-17"})
    assert response.status_code in {200, 201, 207}, response.text
    b = tables.broadcasts.c
    found = await world.store.read(lambda connection: [tuple(row) for row in connection.execute(sa.select(b.public_id, b.request_id))])
    ((public_id, request_id),) = found
    assert request_id == response.headers["x-request-id"] == "order-17"
    (entry,) = [entry for entry in log if entry["event"] == "broadcast.accepted"]
    assert (entry["request_id"], entry["broadcast"]) == ("order-17", str(public_id))
    assert entry["messages"] == 1
    assert "Hello" not in str(log)
