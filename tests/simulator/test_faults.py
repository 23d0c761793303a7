"""The faults of a plan through a real bind: each does what it says, is counted, and comes again under the same seed."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.carriers.recording import Recorder, message, running_bind, submit_all, until
from tests.carriers.scripted import ScriptedConnection
from tests.simulator.running import running_smsc

from clarion.carriers.smpp import connect, pdu, status
from clarion.simulator import SmscSettings, garbage
from clarion.simulator.faults import PLAIN, Chance, Draw, Fate, Faults
from clarion.wiring.machine import SystemTimer

EVERYTHING: dict[str, Any] = {
    "failures": {0x0B: 0.05, 0x14: 0.05},
    "unanswered_share": 0.05,
    "answer_late_share": 0.05,
    "answer_spread_ms": 9,
    "receipt_spread_ms": 9,
    "early_share": 0.1,
    "late_share": 0.1,
    "never_share": 0.1,
    "twice_share": 0.1,
    "undelivered_share": 0.1,
    "expired_share": 0.1,
    "rejected_share": 0.1,
    "foreign_share": 0.1,
    "receipt_id_form": "hex",
    "receipt_id_form_share": 0.5,
    "reply_share": 0.1,
    "stop_share": 0.1,
    "disconnect_every": 130,
    "half_open_every": 170,
    "garbage_every": 30,
}


def fates(count: int = 2_000, **settings: Any) -> list[Fate]:
    made = SmscSettings(**settings)
    faults = Faults(made, SystemTimer(), Chance(made.seed))
    return [faults.fate(b"2547000%05d" % number) for number in range(count)]


def test_the_same_seed_gives_the_same_faults() -> None:
    assert fates(**EVERYTHING) == fates(**EVERYTHING)
    assert fates(**EVERYTHING) != fates(**EVERYTHING, seed=2)


def test_another_share_of_one_fault_moves_no_other() -> None:
    more = fates(**{**EVERYTHING, "twice_share": 0.5, "stop_share": 0.0})
    assert [fate._replace(twice=False, stop="") for fate in more] == [fate._replace(twice=False, stop="") for fate in fates(**EVERYTHING)]


def test_shares_are_kept() -> None:
    drawn = fates(20_000, **{**EVERYTHING, "failures": {}})
    for name, value, share in (
        ("answered", False, 0.05),
        ("answer_late", True, 0.05),
        ("early", True, 0.1),
        ("late", True, 0.1),
        ("twice", True, 0.1),
        ("foreign", True, 0.1),
        ("other_id", True, 0.5),
        ("receipt", b"EXPIRED", 0.09),
        ("receipt", b"", 0.1),
        ("ends", "disconnect", 1 / 130),
    ):
        found = sum(getattr(fate, name) == value for fate in drawn) / len(drawn)
        assert abs(found - share) < 0.01, (name, found)
    assert {fate.garbage for fate in drawn} == {"", *garbage.KINDS}


def test_without_a_fault_a_fate_is_plain() -> None:
    assert all(fate is PLAIN for fate in fates(disconnect_every=10_000))


def test_chance_is_even_and_the_same_everywhere() -> None:
    """The first numbers of SplitMix64 for the seed 0, by its authors' program."""
    chance = Chance(0)
    shift = 11
    assert [int(chance.of(0, place) * (1 << 53)) for place in (Draw(1), Draw(2))] == [
        0xE220A8397B1DCDAF >> shift,
        0x6E789E6AA1B965F4 >> shift,
    ]


async def play(count: int, receipted: int, options: str = "", **settings: Any) -> tuple[Recorder, dict[str, Any]]:
    recorder = Recorder()
    async with running_smsc(**settings) as (smsc, port), running_bind(port, recorder, options) as bind:
        await submit_all(bind, [message(number) for number in range(count)])
        await until(lambda: len(recorder.answers) >= count and len(recorder.receipts) >= receipted)
    return recorder, smsc.counters.as_dict()


@pytest.mark.parametrize(("form", "written"), [("hex", "abcdef"), ("upper", "11259375"), ("padded", "11259375"), ("decimal", "11259375")])
async def test_receipts_with_another_id_form(form: str, written: str) -> None:
    recorder, counters = await play(1, 1, receipt_id_form=form, first_id=0xABCDEF)
    assert recorder.receipts[0].reference == written
    raw = {"padded": b"id:00000000000011259375 "}.get(form, b"id:" + written.encode() + b" ")
    assert raw in recorder.receipts[0].raw
    capital, _ = await play(1, 1, receipt_id_form="upper", message_id_form="hex", first_id=0xABCDEF)
    assert b"id:ABCDEF " in capital.receipts[0].raw
    assert "receipt_other_id_form" not in counters["faults"]


async def test_a_share_of_receipts_in_another_form() -> None:
    recorder, counters = await play(200, 200, receipt_id_form="hex", receipt_id_form_share=0.5)
    answered = {answer.reference for answer in recorder.answers}
    same = sum(receipt.reference in answered for receipt in recorder.receipts)
    assert counters["faults"]["receipt_other_id_form"] == 200 - same
    assert 60 < same < 140


async def test_answers_late_spread_and_never() -> None:
    recorder, counters = await play(
        40, 40, "answer_timeout=0.4", answer_late_share=0.5, answer_late_ms=900, answer_spread_ms=40, unanswered_share=0.2
    )
    outcomes = Counter(recorder.outcomes)
    assert outcomes["unknown"] == counters["faults"]["answer_late"] + counters["faults"]["unanswered"] > 5
    assert outcomes["sent"] == 40 - outcomes["unknown"]
    answered = [answer.submission.message_id for answer in recorder.answers if answer.outcome == "sent"]
    assert answered != sorted(answered)


async def test_a_late_answer_comes_behind_its_receipt() -> None:
    recorder = Recorder()
    async with (
        running_smsc(answer_late_share=1.0, answer_late_ms=600) as (smsc, port),
        running_bind(port, recorder, "answer_timeout=0.2") as bind,
    ):
        await submit_all(bind, [message(1)])
        await until(lambda: len(recorder.answers) == 2)
        assert [(answer.outcome.value, bool(answer.reference)) for answer in recorder.answers] == [("unknown", False), ("sent", True)]
        assert len(recorder.receipts) == 1
        assert smsc.counters.answers == {0: 1}


@pytest.mark.parametrize("faults", [{"answer_late_share": 1.0, "answer_late_ms": 300}, {"answer_delay_ms": 300}])
async def test_an_answer_to_a_connection_that_is_gone_is_not_counted(faults: dict[str, Any]) -> None:
    async with running_smsc(**faults) as (smsc, port):
        recorder = Recorder()
        async with running_bind(port, recorder) as bind:
            await submit_all(bind, [message(1)])
            await until(lambda: smsc.counters.taken == 1)
            smsc.disconnect()
            await until(lambda: smsc.counters.binds == 2, "bound again")
            # Behind the answer that the first connection was owed.
            await submit_all(bind, [message(2)])
            await until(lambda: recorder.outcomes == ["unknown", "sent"])
        assert smsc.counters.answers == {0: 1}


async def test_foreign_receipts_are_for_other_numbers() -> None:
    recorder, counters = await play(20, 40, foreign_share=1.0)
    ours = {str(answer.submission.recipient) for answer in recorder.answers}
    given = {answer.reference for answer in recorder.answers}
    foreign = [receipt for receipt in recorder.receipts if receipt.recipient not in ours]
    assert len(foreign) == 20 == counters["faults"]["receipt_foreign"]
    assert sum(receipt.reference in given for receipt in foreign) == 10
    assert {receipt.sender for receipt in foreign} == {"CLARION"}


async def test_a_half_open_link_takes_one_more_and_is_silent() -> None:
    recorder = Recorder()
    async with running_smsc(half_open_every=10) as (smsc, port), running_bind(port, recorder, "window=10&enquire=0.3") as bind:
        await submit_all(bind, [message(number) for number in range(10)])
        await until(lambda: len(recorder.receipts) == 10, "the receipts on the next connection")
        await until(lambda: smsc.counters.binds == 2)
    assert ("connecting", "no answer to enquire_link in 0.3 s") in recorder.states
    assert smsc.counters.faults == {"half_open": 1}
    assert smsc.counters.disconnects == 0


async def test_binds_refused_and_unanswered_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "BIND_ANSWER_S", 0.2)
    recorder = Recorder()
    async with (
        running_smsc(bind_status=status.BIND_FAILED, bind_refused_first=1, bind_unanswered_first=2) as (smsc, port),
        running_bind(port, recorder),
    ):
        reasons = [reason for state, reason in recorder.states if state in {"connecting", "refused"} and reason]
        assert reasons == ["no answer to the bind in 0.2 s"] * 2 + ["ESME_RBINDFAIL (0x0000000d)"]
        assert smsc.counters.faults == {"bind_unanswered": 2, "bind_refused": 1}
        assert (smsc.counters.binds, smsc.counters.binds_refused) == (1, 3)


async def test_recipients_reply_and_opt_out() -> None:
    recorder = Recorder()
    faults: dict[str, Any] = {"reply_share": 1.0, "reply_texts": ("ñ€" * 60,), "stop_share": 1.0, "reply_delay_ms": 1, "stop_delay_ms": 2}
    async with running_smsc(**faults) as (smsc, port), running_bind(port, recorder) as bind:
        await submit_all(bind, [message(1, sender="20880")])
        await until(lambda: len(recorder.texts) == 3)
        await until(lambda: smsc.counters.receipts_acknowledged == 1)
    assert {(text.sender, text.recipient) for text in recorder.texts} == {("254700000001", "20880")}
    assert "".join(text.text for text in recorder.texts) == "ñ€" * 60 + "STOP"
    counters = smsc.counters
    assert (counters.replies, counters.stops, counters.texts_sent, counters.receipts_sent) == (1, 1, 3, 1)


@pytest.mark.parametrize("kind", garbage.KINDS)
async def test_garbage_comes_behind_the_answer(kind: str) -> None:
    """By the octets on the wire: the answer, then what the kind says; nothing of it is a PDU in its place."""
    async with running_smsc(garbage_every=1, garbage_kinds=(kind,), receipts=False) as (smsc, port):
        connection = ScriptedConnection(*await asyncio.open_connection("127.0.0.1", port))
        connection.send(pdu.BIND_TRANSCEIVER, 0, 1, pdu.encode_bind(pdu.BindRequest("me", "")))
        await connection.expect(pdu.BIND_TRANSCEIVER | pdu.RESPONSE)
        connection.send(pdu.SUBMIT_SM, 0, 2, pdu.encode_message(pdu.Message("20880", "254711222333", b"Hi")))
        answer = await connection.expect(pdu.SUBMIT_SM_RESP)
        assert (answer.status, answer.sequence) == (0, 2)
        head = await connection._reader.readexactly(pdu.HEADER_OCTETS)
        length, command, _, sequence = pdu.HEADER.unpack(head)
        broken = list(garbage.KINDS)[:3]
        assert (not pdu.HEADER_OCTETS <= length <= pdu.PDU_OCTETS_MAX) == (kind in broken)
        if kind == "second_answer":
            assert (command, sequence) == (pdu.SUBMIT_SM_RESP, 2)
        assert smsc.counters.garbage == 1
        assert smsc.counters.faults == {f"garbage_{kind}": 1}
        connection.break_off()


async def test_counters_add_up() -> None:
    recorder, counters = await play(
        400, 0, "answer_timeout=1", failures={0x0B: 0.2, 0x58: 0.1, 0x400: 0.1}, undelivered_share=0.5, unanswered_share=0.1
    )
    answers = counters["answers"]
    assert set(answers) == {"ESME_ROK", "ESME_RINVDSTADR", "ESME_RTHROTTLED", "0x00000400"}
    assert counters["submits"] == 400 == sum(answers.values()) + counters["faults"]["unanswered"]
    assert counters["taken"] == 400 - counters["refused"] - counters["throttled"] == sum(counters["receipts"].values())
    assert Counter(recorder.outcomes)["refused"] == counters["refused"] == answers["ESME_RINVDSTADR"] + answers["0x00000400"]
