"""Teli's and Teekrr's examples, unchanged but for host and key, against a real server over an SMSC that is not ours (npm's `smpp`)."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Server, until
from tests.acceptance.vendor_examples import EXAMPLES, fates, foreign, run

TELI = ["+15551234567", "+15559876543", "+15558765432"]
TELI_TEXT = "Hi! We have a special offer for you. Reply YES to learn more."
"""Those of its example."""

TEEKRR = ["+60123456789", "+60123456780", "+60198765432"]
"""Those of its examples, in whatever spelling."""

TEEKRR_FATES = dict(zip(TEEKRR, ["delivered", "undelivered", "refused"], strict=True))
FAILING: dict[str, Any] = {"undeliver": [TEEKRR[1][1:]], "refuse": [TEEKRR[2][1:]]}


def sample(name: str) -> Any:
    """An answer as the document prints it."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


async def teli_campaign(here: Server, phones: list[str]) -> None:
    """The campaign that the example names, which "must already exist", with these contacts."""
    (organization,) = (await here.client.get(f"{here.url}/v1/organizations", headers={"X-API-Key": here.key})).json()["organizations"]
    body = {
        "campaign_id": "camp_abc123",
        "campaign_name": "Special offer",
        "organization_id": organization["unique_id"],
        "user_id": "1762896364768x389173798861431550",
        "sms_agent_id": "1762896401127x120045830017765541",
        "teli_sms_number": "+15550001111",
        "contacts": [{"phone_number": phone} for phone in phones],
    }
    response = await here.post("/v1/campaigns", body)
    assert response.status_code == 200, response.text


async def test_telis_example_answers_what_its_document_prints(tmp_path: Path) -> None:
    """Seed 000, "Example Response", to the letter: a carrier took two, and the third contact is not in the campaign."""
    async with foreign(tmp_path, "1000.00") as (here, smsc):
        await teli_campaign(here, TELI[:2])
        printed = run("teli/curl", "curl", here)
        # With the order of the fields.
        assert json.dumps(json.loads(printed)) == json.dumps(sample("teli/answer"))
        assert await fates(here, smsc) == dict.fromkeys(TELI[:2], "delivered")
        assert [(submit["source"], submit["destination"], submit["text"]) for submit in smsc.submits()] == [
            ("15550001111", phone[1:], TELI_TEXT) for phone in TELI[:2]
        ]
        messages = (await here.client.get(f"{here.url}/v1/campaigns/camp_abc123/messages", headers={"X-API-Key": here.key})).json()
        assert [(each["phone_number"], each["status"], "queued" in each) for each in messages["messages"]] == [
            (phone, "sent", False) for phone in TELI[1::-1]
        ]


async def test_telis_example_tells_what_the_carrier_refused(tmp_path: Path) -> None:
    """Seed 000: "failed sends do not stop remaining messages", and the results "identify … failures"."""
    async with foreign(tmp_path, "1000.00", refuse=[TELI[1][1:]]) as (here, smsc):
        await teli_campaign(here, TELI)
        error = "The carrier refused the message: invalid destination number (0x0000000b)"
        assert json.loads(run("teli/curl", "curl", here)) == sample("teli/answer") | {
            "results": [
                {"phone_number": TELI[0], "status": "sent"},
                {"phone_number": TELI[1], "status": "failed", "error": error},
                {"phone_number": TELI[2], "status": "sent"},
            ]
        }
        assert await fates(here, smsc) == dict(zip(TELI, ["delivered", "refused", "delivered"], strict=True))
        # What failed is given back.
        assert (await here.command("wallet", "show", "--organization", "default"))["available"] == "998.00"


async def test_telis_example_without_numbers_is_refused_as_its_document_prints(tmp_path: Path) -> None:
    """Seed 000, "Error Responses"."""
    async with foreign(tmp_path, "1000.00") as (here, smsc):
        await teli_campaign(here, TELI)
        printed = run("teli/curl", "curl", here, {json.dumps(TELI): "[]"})
        assert json.loads(printed) == sample("teli/refusal")
        assert await fates(here, smsc) == {}


async def teekrr_client(here: Server) -> None:
    """What the examples name: a registered keyword, and an approved template."""
    await here.command("keywords", "add", "TEEKRR")
    await here.command("templates", "add", "welcome", "--text", "Hi {name}, your code is {code}.")
    await here.command("templates", "approve", "welcome")


def accepted(printed: str, **expected: object) -> str:
    """The id, of an answer that is otherwise as expected."""
    body = json.loads(printed)
    assert list(body) == ["data"]
    broadcast: str = body["data"].pop("broadcastUuid")
    assert body["data"] == {"queued": 3, "rejected": 0, "scheduledAt": None, **expected}
    return broadcast


TEXTS = {
    "standard": ["Your code is SAVE20. Valid today only!"] * 3,
    "dynamic": ["Hi Aisyah, your code is SAVE20.", "Hi Wei Ling, your code is SAVE25.", "Hi Ravi, your code is SAVE30."],
}


@pytest.mark.parametrize("mode", TEXTS)
async def test_teekrrs_request_in_both_modes(mode: str, tmp_path: Path) -> None:
    """Seed 003, "Recipient modes", "Template resolution", "Status lifecycle": one row for each, credit released for those that failed."""
    async with foreign(tmp_path, "1000.00", **FAILING) as (here, smsc):
        await teekrr_client(here)
        broadcast = accepted(run(f"teekrr/{mode}", "curl", here), status="enqueued")
        assert await fates(here, smsc) == TEEKRR_FATES
        submits = sorted((submit["destination"], submit["source"], submit["text"]) for submit in smsc.submits())
        assert submits == sorted((phone[1:], "TEEKRR", text) for phone, text in zip(TEEKRR, TEXTS[mode], strict=True))
        await assert_looked_up(here, broadcast)


async def test_teekrrs_schedule_fires_on_time(tmp_path: Path) -> None:
    """Seed 003, "schedule broadcast": deferred, `pending` until its time comes, also where the server was not there meanwhile."""
    async with foreign(tmp_path, "1000.00", clock="start=2026-11-22T20:00Z", **FAILING) as (here, smsc):
        await teekrr_client(here)
        broadcast = accepted(run("teekrr/scheduled", "curl", here), status="pending", scheduledAt="2026-11-23T02:00:00.000Z")
        assert (await here.command("broadcasts", "show", broadcast))["labels"]["pending"] == 3
        here.kill()
        assert smsc.submits() == []
        here.clock = "start=2026-11-23T01:59:58Z"
        await here.start()
        await until(lambda: len(smsc.submits()) == 3, "all of it at the SMSC")
        assert await fates(here, smsc) == TEEKRR_FATES
        await assert_looked_up(here, broadcast)


async def assert_looked_up(here: Server, broadcast: str) -> None:
    """Where a `broadcastUuid` is looked up it has the document's words, and its credit is settled for what was delivered alone."""
    shown = await here.command("broadcasts", "show", broadcast)
    assert shown["labels"] == {"pending": 0, "enqueued": 0, "send": 0, "delivered": 1, "failed": 2}
    assert (shown["name"], shown["money"]["charged"], shown["money"]["released"]) == ("November offers", "1.00", "2.00")
    assert (await here.command("wallet", "show", "--organization", "default"))["available"] == "999.00"
