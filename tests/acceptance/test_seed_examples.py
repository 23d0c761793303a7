"""The vendor's own examples, unchanged but for host and key, against a real server over an SMSC that is not ours (npm's `smpp`).

`seed_examples/` holds them as TalkNTalk's document has them.
"""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, environment, server, until
from tests.foreign_smsc import ForeignSmsc, foreign_smsc, node

EXAMPLES = Path(__file__).parent / "seed_examples"

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


def program(language: str) -> str:
    """What runs this language. Skips the test where it is not installed."""
    found = sys.executable if language == "python" else node() if language == "node" else shutil.which(language)
    if found is None:
        pytest.skip(f"{language} is not installed here")
    return found


def run(language: str, here: Server) -> str:
    """Run an example as its reader would, with the two things in it that are the reader's own; what it printed."""
    text = (EXAMPLES / f"{language}.txt").read_text()
    text, hosts = re.subn(r"https://api\.talkntalk\.africa", here.url, text)
    text, keys = re.subn(r"tk_live_x+", here.key, text)
    assert (hosts, keys) == (1, 1)
    command = {
        "curl": ["sh", "-c", text],
        "node": [program("node"), "--input-type=module", "--eval", text],
        "python": [program("python"), "-c", text],
        "php": ["php", "-r", text],
    }[language]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


@asynccontextmanager
async def foreign(tmp_path: Path, money: str, **options: Any) -> AsyncIterator[tuple[Server, ForeignSmsc]]:
    """A server on the foreign SMSC, with so much in the wallet."""
    with foreign_smsc(tmp_path / "submits.jsonl", **options) as smsc:
        async with server(tmp_path / "data") as here:
            await here.start()
            await asyncio.gather(here.add_carrier(f"smpp://clarion:secret@127.0.0.1:{smsc.port}"), here.top_up(money))
            await here.bound()
            yield here, smsc


async def only_campaign(here: Server) -> str:
    (broadcast,) = (await here.command("broadcasts", "list"))["broadcasts"]
    return str(broadcast["id"])


@pytest.mark.parametrize("language", QUEUED)
async def test_the_example_runs_as_it_is_documented(language: str, tmp_path: Path) -> None:
    program(language)
    count = QUEUED[language]
    async with foreign(tmp_path, "1000.00", undeliver=[RECIPIENTS[1]], refuse=[RECIPIENTS[2]]) as (here, smsc):
        printed = run(language, here)
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
        assert run("python", here).splitlines() == [
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
