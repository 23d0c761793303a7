"""STOP and START by text, from a phone behind an SMSC that is not ours to a real server that is in the middle of sending."""

import asyncio
from pathlib import Path

from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, server, until
from tests.foreign_smsc import foreign_smsc

MESSAGES = 5_000
RECIPIENTS = [str(254_700_000_000 + number) for number in range(MESSAGES)]
PHONE = RECIPIENTS[-1]

BEGUN = 200
"""Submits after which it says STOP: far from the end, at this rate."""

RATE = 800


async def test_a_stop_keeps_every_later_message_and_a_start_undoes_it(tmp_path: Path) -> None:
    """Issue 8: in the middle of a broadcast of 5,000, also of another that was accepted before; asked at accept and at every mark."""
    with foreign_smsc(tmp_path / "submits.jsonl") as smsc:
        async with server(tmp_path / "data") as here:
            await here.start()
            await here.add_carrier(f"smpp://clarion@127.0.0.1:{smsc.port}?rate={RATE}")
            await here.top_up()
            await here.bound()
            # Reading 5,000 messages again and again takes more requests than an organization has in a minute.
            await here.command("organizations", "set", "default", "--rate-limits", "off")
            campaign = await here.send_bulk(RECIPIENTS, "An offer")
            behind = await here.send_bulk([*RECIPIENTS[:9], PHONE], "Another offer")
            await until(lambda: len(smsc.submits()) >= BEGUN, "the middle of the broadcast")
            smsc.send_text(PHONE, "CLARION", " stop!")
            for each, sent in ((campaign, MESSAGES - 1), (behind, 9)):
                statuses = await here.ended(each)
                assert statuses.pop(PHONE) == "failed"
                assert list(statuses.values()) == ["delivered"] * sent
            assert PHONE not in {submit["destination"] for submit in smsc.submits()}
            (listed,) = (await here.command("optouts", "list"))["optouts"]
            assert (listed["number"], listed["reason"]) == (f"+{PHONE}", "STOP")
            kept = await here.command("messages", "list", "--number", PHONE, "--state", "suppressed")
            assert [each["reason"] for each in kept["messages"]] == ["opted_out: STOP"] * 2
            assert await refused(here) == [{"mobile": PHONE, "error": "opted_out", "detail": "This recipient has opted out."}]
            smsc.send_text(PHONE, "CLARION", "Start")
            async with asyncio.timeout(PATIENCE_S):
                while (await here.command("optouts", "list"))["optouts"]:
                    await asyncio.sleep(0.1)
            assert await here.ended(await here.send_bulk([PHONE], "Welcome back")) == {PHONE: "delivered"}
            # Nobody paid for what was kept.
            await here.look(assert_exact)


async def refused(here: Server) -> object:
    """What a send to the phone is told at accept."""
    response = await here.post("/v1/sms/send-bulk/", {"recipients": [PHONE], "message": "Hi", "sender_id": "CLARION"})
    assert response.status_code == 207
    return response.json()["errors"]
