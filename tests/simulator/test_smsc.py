"""The simulated SMSC through a real bind: what it is told to do, and that it does nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.carriers.recording import TEXTS, Recorder, long_message, message, running_bind, submit_all, until
from tests.carriers.scripted import ScriptedConnection
from tests.simulator.running import read_log, running_smsc

from clarion.carriers.smpp import parse_url, pdu, probe, status
from clarion.simulator import SmscSettings
from clarion.wiring.machine import SystemTimer


async def play(count: int, receipted: int, options: str = "", *, first: int = 0, **settings: Any) -> Recorder:
    """Send so many messages, and wait for as many answers and so many receipts."""
    recorder = Recorder()
    async with running_smsc(**settings) as (_, port), running_bind(port, recorder, options) as bind:
        await submit_all(bind, [message(first + number) for number in range(count)])
        await until(
            lambda: len(recorder.answers) >= count and len(recorder.receipts) >= receipted, f"{count} answers, {receipted} receipts"
        )
    return recorder


async def test_everything_is_taken_and_receipted_in_order() -> None:
    recorder = await play(1_000, 1_000)
    assert recorder.outcomes == ["sent"] * 1_000
    references = [answer.reference for answer in recorder.answers]
    assert len(set(references)) == 1_000
    assert [receipt.reference for receipt in recorder.receipts] == references
    assert [int(receipt.recipient) for receipt in recorder.receipts] == [answer.submission.recipient for answer in recorder.answers]
    assert {(receipt.state, receipt.sender) for receipt in recorder.receipts} == {("delivered", "CLARION")}


async def test_the_log_is_there_when_the_answer_is(tmp_path: Path) -> None:
    recorder = Recorder()
    log = tmp_path / "submits.jsonl"
    async with running_smsc(log_file=log, aimed_failures=True) as (_, port), running_bind(port, recorder) as bind:
        await submit_all(bind, [message(number + 10, text) for number, text in enumerate(TEXTS)])
        await until(lambda: len(recorder.answers) == len(TEXTS))
        lines = read_log(log)
        assert [line["text"] for line in lines] == list(TEXTS)
        assert [line["id"] for line in lines] == [answer.reference for answer in recorder.answers]
        assert set(lines[0]) == {"at", "bind", "sequence", "source", "destination", "text", "id", "status"}
        await submit_all(bind, long_message(60, "ñ€" * 200))
        await submit_all(bind, [message(1)])
        await until(lambda: len(recorder.answers) == len(TEXTS) + 4 + 1)
    parts = read_log(log)[len(TEXTS) : -1]
    assert [(part["ref"], part["total"], part["part"]) for part in parts] == [(60, 4, number) for number in range(1, 5)]
    assert "".join(part["text"] for part in parts) == "ñ€" * 200
    assert (read_log(log)[-1]["id"], read_log(log)[-1]["status"]) == ("", status.INVALID_DESTINATION)


@pytest.mark.parametrize(("message_ids", "receipt_ids"), [("decimal", "same"), ("hex", "same"), ("hex", "decimal")])
async def test_forms_of_ids(message_ids: str, receipt_ids: str) -> None:
    recorder = await play(20, 20, message_id_form=message_ids, receipt_id_form=receipt_ids, first_id=0xABCDEF)
    answered = [answer.reference for answer in recorder.answers]
    receipted = [receipt.reference for receipt in recorder.receipts]
    assert answered[0] == {"decimal": "11259375", "hex": "abcdef"}[message_ids]
    assert receipted == ([str(int(reference, 16)) for reference in answered] if receipt_ids == "decimal" else answered)


async def test_an_smsc_started_again_gives_no_id_twice() -> None:
    first = await play(50, 50)
    second = await play(50, 50)
    assert not {answer.reference for answer in first.answers} & {answer.reference for answer in second.answers}


async def test_failures_come_by_share_and_are_the_same_for_a_seed() -> None:
    faults: dict[str, Any] = {"failures": {0x0B: 0.2, 0x14: 0.1}, "undelivered_share": 0.25, "seed": 7}
    one, two = await play(1_000, 600, **faults), await play(1_000, 600, **faults)
    outcomes = [answer.outcome for answer in sorted(one.answers, key=lambda answer: answer.submission.message_id)]
    assert outcomes == [answer.outcome for answer in sorted(two.answers, key=lambda answer: answer.submission.message_id)]
    assert 150 <= one.outcomes.count("refused") <= 250
    assert 60 <= one.outcomes.count("throttled") <= 140
    share = sum(receipt.state == "undelivered" for receipt in one.receipts) / len(one.receipts)
    assert 0.15 <= share <= 0.35
    other = await play(1_000, 600, **{**faults, "seed": 8})
    assert outcomes != [answer.outcome for answer in sorted(other.answers, key=lambda answer: answer.submission.message_id)]


async def test_throttling_above_a_rate() -> None:
    recorder = await play(300, 100, throttle_per_second=100)
    assert recorder.outcomes[:100] == ["sent"] * 100
    assert "throttled" in recorder.outcomes
    assert {answer.reason for answer in recorder.answers if answer.outcome == "throttled"} == {"ESME_RTHROTTLED (0x00000058)"}


async def test_receipts_early_late_twice_and_never() -> None:
    recorder = await play(1, 1, early_share=1.0)
    assert [step for step in recorder.order if step in {"delivery", "answer"}] == ["delivery", "answer"]
    assert len((await play(50, 100, twice_share=1.0)).receipts) == 100
    assert not (await play(50, 0, never_share=1.0)).receipts
    assert not (await play(50, 0, receipts=False)).receipts
    late = await play(100, 100, late_share=0.5, receipt_late_ms=50)
    answered = [answer.reference for answer in late.answers]
    assert [receipt.reference for receipt in late.receipts] != answered
    assert sorted(receipt.reference for receipt in late.receipts) == sorted(answered)


async def test_delays_keep_the_order() -> None:
    recorder = await play(200, 200, "window=50", answer_delay_ms=5, receipt_delay_ms=20)
    assert [answer.submission.message_id for answer in recorder.answers] == list(range(200))
    assert recorder.order[2] == "answer"


async def test_aimed_failures() -> None:
    recorder = Recorder()
    numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    async with running_smsc(aimed_failures=True, receipt_late_ms=20) as (_, port), running_bind(port, recorder, "answer_timeout=1") as bind:
        await submit_all(bind, [message(number) for number in numbers])
        await until(lambda: len(recorder.answers) == 10 and len(recorder.receipts) == 9)
    outcomes = {answer.submission.message_id: answer.outcome.value for answer in recorder.answers}
    assert outcomes == {**dict.fromkeys(numbers, "sent"), 1: "refused", 9: "unknown"}
    states: dict[int, list[str]] = {}
    for receipt in recorder.receipts:
        states.setdefault(int(receipt.recipient) % 100, []).append(receipt.state + receipt.reason)
    assert states == {
        2: ["undeliveredUNDELIV err:034"],
        4: ["delivered"] * 2,
        5: ["delivered"],
        6: ["delivered"],
        7: ["undeliveredEXPIRED err:027"],
        8: ["undeliveredREJECTD err:069"],
        9: ["delivered"],
        10: ["delivered"],
    }


async def test_disconnects_in_the_window_lose_answers_but_no_receipts() -> None:
    recorder = Recorder()
    async with running_smsc(disconnect_every=130) as (smsc, port), running_bind(port, recorder, "window=50") as bind:
        await submit_all(bind, [message(number) for number in range(400)])
        await until(lambda: len(recorder.answers) == 400)
        await until(lambda: smsc.counters.receipts_acknowledged == smsc.counters.taken, "a receipt for each message taken")
        assert smsc.counters.disconnects == smsc.counters.submits // 130 >= 2
        assert smsc.counters.binds == smsc.counters.disconnects + 1
    unknown = {str(answer.submission.recipient) for answer in recorder.answers if answer.outcome == "unknown"}
    sent = {str(answer.submission.recipient) for answer in recorder.answers if answer.outcome == "sent"}
    receipted = {receipt.recipient for receipt in recorder.receipts}
    assert unknown
    assert len(unknown) <= 50 * smsc.counters.disconnects
    assert sent <= receipted <= sent | unknown


async def test_receipts_wait_for_acknowledgements_and_go_to_the_next_bind() -> None:
    greedy = Recorder(acknowledges=False)
    async with running_smsc(outstanding=10) as (smsc, port):
        async with running_bind(port, greedy) as bind:
            await submit_all(bind, [message(number) for number in range(30)])
            await until(lambda: len(greedy.answers) == 30 and len(greedy.receipts) == 10)
            bind.acknowledge([greedy.receipts[0].sequence])
            await until(lambda: len(greedy.receipts) == 11)
        patient = Recorder()
        async with running_bind(port, patient, "bind=receiver"):
            await until(lambda: len(patient.receipts) == 29)
            await until(lambda: smsc.counters.receipts_acknowledged == 30)
    assert [receipt.reference for receipt in patient.receipts] == [answer.reference for answer in greedy.answers[1:]]


async def test_an_acknowledgement_beside_a_submit_lets_the_next_receipt_go() -> None:
    def submit(sequence: int, wants_receipt: int) -> bytes:
        body = pdu.encode_message(pdu.Message("20880", "254711222333", b"Hi", registered_delivery=wants_receipt))
        return pdu.frame(pdu.SUBMIT_SM, 0, sequence, body)

    async with running_smsc(outstanding=1) as (_, port):
        connection = ScriptedConnection(*await asyncio.open_connection("127.0.0.1", port))
        connection.send(pdu.BIND_TRANSCEIVER, 0, 1, pdu.encode_bind(pdu.BindRequest("me", "")))
        await connection.expect(pdu.BIND_TRANSCEIVER | pdu.RESPONSE)
        connection.writer.write(submit(2, 1) + submit(3, 1))
        for command in (pdu.SUBMIT_SM_RESP, pdu.SUBMIT_SM_RESP):
            await connection.expect(command)
        receipt = await connection.expect(pdu.DELIVER_SM)
        connection.writer.write(pdu.frame(pdu.DELIVER_SM_RESP, 0, receipt.sequence, b"\0") + submit(4, 0))
        await connection.expect(pdu.SUBMIT_SM_RESP)
        await connection.expect(pdu.DELIVER_SM)
        connection.break_off()


async def test_a_receipt_refused_for_the_moment_comes_again() -> None:
    recorder = Recorder(acknowledges=False)
    async with running_smsc() as (smsc, port), running_bind(port, recorder) as bind:
        bind.submit([message(1)])
        await until(lambda: recorder.receipts)
        session = bind._session
        assert session
        session._write(pdu.frame(pdu.DELIVER_SM_RESP, status.QUEUE_FULL, 1, b"\0"))
        await until(lambda: len(recorder.receipts) == 2)
        assert smsc.counters.receipts_acknowledged == 0


async def test_a_transmitter_gets_no_receipts_and_a_receiver_gets_all() -> None:
    sender, receiver = Recorder(), Recorder()
    async with (
        running_smsc() as (_, port),
        running_bind(port, receiver, "bind=receiver"),
        running_bind(port, sender, "bind=transmitter") as bind,
    ):
        await submit_all(bind, [message(number) for number in range(50)])
        await until(lambda: len(receiver.receipts) == 50)
    assert sender.outcomes == ["sent"] * 50
    assert not sender.receipts


async def test_texts_from_phones() -> None:
    recorder = Recorder()
    async with running_smsc() as (smsc, port), running_bind(port, recorder):
        parts = sum(smsc.send_text("clarion", "254711222333", "20880", text) for text in (*TEXTS, "ñ€" * 200))
        await until(lambda: len(recorder.texts) == parts)
    assert tuple(text.text for text in recorder.texts[: len(TEXTS)]) == TEXTS
    assert "".join(text.text for text in recorder.texts[len(TEXTS) :]) == "ñ€" * 200
    assert [(text.part, text.parts) for text in recorder.texts[len(TEXTS) :]] == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"system_id": "other"}, "ESME_RINVSYSID (0x0000000f)"),
        ({"system_id": "clarion", "password": "other"}, "ESME_RINVPASWD (0x0000000e)"),
        ({"bind_status": 0x0D}, "ESME_RBINDFAIL (0x0000000d)"),
        ({"system_id": "clarion", "password": "secret"}, ""),
    ],
)
async def test_who_is_let_in(settings: dict[str, Any], refusal: str) -> None:
    async with running_smsc(**settings) as (smsc, port):
        result = await probe(parse_url(f"smpp://clarion:secret@127.0.0.1:{port}"), SystemTimer())
        assert result.succeeded == (not refusal)
        assert not refusal or result.steps[-1].detail == refusal
        assert (smsc.counters.binds, smsc.counters.binds_refused) == ((0, 1) if refusal else (1, 0))


async def test_pdus_out_of_place() -> None:
    async with running_smsc() as (smsc, port):
        connection = ScriptedConnection(*await asyncio.open_connection("127.0.0.1", port))
        connection.send(pdu.SUBMIT_SM, 0, 1, b"\0" * 20)
        assert (await connection.expect(pdu.SUBMIT_SM_RESP)).status == status.WRONG_BIND_STATE
        connection.send(0x103, 0, 2)
        assert (await connection.expect(pdu.GENERIC_NACK)).status == status.INVALID_COMMAND
        bind = pdu.encode_bind(pdu.BindRequest("me", ""))
        connection.send(pdu.BIND_TRANSCEIVER, 0, 3, bind[:4])
        assert (await connection.expect(pdu.BIND_TRANSCEIVER | pdu.RESPONSE)).status == status.INVALID_LENGTH
        connection.send(pdu.BIND_TRANSCEIVER, 0, 4, bind)
        assert (await connection.expect(pdu.BIND_TRANSCEIVER | pdu.RESPONSE)).status == 0
        connection.send(pdu.BIND_TRANSCEIVER, 0, 5, bind)
        assert (await connection.expect(pdu.BIND_TRANSCEIVER | pdu.RESPONSE)).status == status.ALREADY_BOUND
        connection.send(pdu.SUBMIT_SM, 0, 6, b"\0\1\1254")
        assert (await connection.expect(pdu.SUBMIT_SM_RESP)).status == status.INVALID_LENGTH
        connection.send(pdu.ENQUIRE_LINK, 0, 7)
        await connection.expect(pdu.ENQUIRE_LINK_RESP)
        connection.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await connection.expect(pdu.GENERIC_NACK)
        with pytest.raises(asyncio.IncompleteReadError):
            await connection.read()
        await until(lambda: not smsc.sessions)


async def test_a_stop_unbinds_and_a_start_is_found_again() -> None:
    recorder = Recorder()
    async with running_smsc() as (smsc, port), running_bind(port, recorder) as bind:
        await smsc.stop()
        await until(lambda: len(recorder.states) > 2)
        async with running_smsc(port) as (again, _):
            await until(lambda: bind.state == "bound" and again.counters.binds == 1)
    assert ("connecting", "the carrier ended the bind") in recorder.states


@pytest.mark.parametrize(
    "settings",
    [
        {"message_id_form": "octal"},
        {"receipt_id_form": "roman"},
        {"early_share": 1.5},
        {"failures": {8: 0.6, 11: 0.6}},
        {"early_share": 0.6, "never_share": 0.6},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is|add up"):
        SmscSettings(**settings)
