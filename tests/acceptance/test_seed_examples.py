"""TalkNTalk's own examples, unchanged but for host and key, against a real server over an SMSC that is not ours."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import Server, until
from tests.acceptance.vendor_examples import foreign, program, run

RECIPIENTS = ["254712345678", "254723456789", "254734567890"]
"""Those of the examples."""

FATES = ["delivered", "undelivered", "failed"]
"""What the SMSC makes of them, in the vendor's words."""

QUEUED = {"curl": 2, "node": 3, "python": 3, "php": 2}
"""To how many of them each example sends."""

FORMS: dict[str, dict[str, Any]] = {
    "hexadecimal ids": {"hexIds": True},
    "hexadecimal answers, decimal receipts": {"hexIds": True, "decimalReceipts": True},
    "decimal parameters without text": {"hexIds": True, "decimalReceipts": True, "receipts": "parameters"},
}

FIRST_ID = 100
"""From here on the decimal form of many an id is the hexadecimal one of another: 390 of 1,000."""


async def only_campaign(here: Server) -> str:
    (broadcast,) = (await here.command("broadcasts", "list"))["broadcasts"]
    return str(broadcast["id"])


@pytest.mark.parametrize("language", QUEUED)
async def test_the_example_runs_as_it_is_documented(language: str, tmp_path: Path) -> None:
    program(language)
    count = QUEUED[language]
    async with foreign(tmp_path, "1000.00", undeliver=[RECIPIENTS[1]], refuse=[RECIPIENTS[2]]) as (here, smsc):
        printed = run(f"talkntalk/{language}", language, here)
        campaign = await only_campaign(here)
        if language == "curl":
            answer = json.loads(printed)
            results = answer.pop("results")
            assert answer == {"campaign_id": campaign, "queued": 2, "failed": 0, "total": 2, "sender_id": "TALKNTALK", "errors": []}
            assert [result.keys() for result in results] == [{"id", "mobile", "status"}] * 2
            assert [(result["mobile"], result["status"]) for result in results] == [(mobile, "queued") for mobile in RECIPIENTS[:2]]
        else:
            assert printed == f"Queued: {count}/{count}\n"
        assert await here.ended(campaign) == dict(zip(RECIPIENTS[:count], FATES[:count], strict=True))
        assert [submit["destination"] for submit in smsc.submits()] == RECIPIENTS[:count]
        assert {submit["source"] for submit in smsc.submits()} == {"TALKNTALK"}
        # What was refused is given back.
        assert (await here.command("wallet", "show", "--organization", "default"))["available"] == "998.00"
        await here.look(assert_exact)


async def test_a_wallet_that_runs_out_is_told_as_documented(tmp_path: Path) -> None:
    async with foreign(tmp_path, "1.00") as (here, smsc):
        assert run("talkntalk/python", "python", here).splitlines() == [
            "Queued: 1/3",
            f"Failed {RECIPIENTS[1]}: Insufficient balance. Required KES 1.00, available KES 0.00.",
            f"Failed {RECIPIENTS[2]}: Processing stopped due to insufficient balance.",
        ]
        assert await here.ended(await only_campaign(here)) == {RECIPIENTS[0]: "delivered"}
        assert len(smsc.submits()) == 1
        await here.look(assert_exact)


@pytest.mark.parametrize("form", FORMS)
async def test_every_receipt_finds_its_message(form: str, tmp_path: Path) -> None:
    """However the SMSC writes its ids; those that fail, fail on the right recipients."""
    recipients = [f"2547{10_000_000 + k * 7}" for k in range(1_000)]
    expected = {
        mobile: "undelivered" if mobile.endswith("3") else "failed" if mobile.endswith("8") else "delivered" for mobile in recipients
    }
    async with foreign(tmp_path, "1000.00", undeliver=["3"], refuse=["8"], firstId=FIRST_ID, **FORMS[form]) as (here, smsc):
        assert await here.ended(await here.send_bulk(recipients, "Whose receipt is it?")) == expected
        counters = smsc.counters()
        assert counters["receipts"] == sum(fate != "failed" for fate in expected.values())
        await until(lambda: smsc.counters()["acknowledged"] == counters["receipts"], "the last acknowledgements")
        assert (await here.command("doctor"))["findings"] == []
        await here.look(assert_exact)
