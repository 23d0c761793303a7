"""The bind against an SMSC that is not ours (npm `smpp`), so that the two ends cannot share a mistake."""

from pathlib import Path
from typing import Any

import pytest
from tests.carriers.recording import TEXTS, Recorder, long_message, message, running_bind, submit_all, until
from tests.foreign_smsc import foreign_smsc

from clarion.carriers.smpp import parse_url, probe
from clarion.carriers.smpp.receipts import normalise_reference
from clarion.core.states import Outcome
from clarion.wiring.machine import SystemTimer


async def test_texts_of_both_alphabets_arrive_as_they_were_written(tmp_path: Path) -> None:
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log") as smsc:
        async with running_bind(smsc.port, recorder) as bind:
            await submit_all(bind, [message(number, text) for number, text in enumerate(TEXTS)])
            await until(lambda: len(recorder.receipts) == len(TEXTS), "receipts")
        submits = smsc.submits()
    assert [submit["text"] for submit in submits] == list(TEXTS)
    assert [submit["destination"] for submit in submits] == [str(254_700_000_000 + number) for number in range(len(TEXTS))]
    assert {submit["source"] for submit in submits} == {"CLARION"}
    assert recorder.outcomes == ["sent"] * len(TEXTS)
    assert [answer.reference for answer in recorder.answers] == [receipt.reference for receipt in recorder.receipts]


async def test_long_messages_come_as_parts_that_make_the_text_again(tmp_path: Path) -> None:
    texts = ["0123456789" * 40 + "€" * 20, "Привет 😀 " * 30]
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log") as smsc:
        async with running_bind(smsc.port, recorder) as bind:
            for number, text in enumerate(texts, 1):
                await submit_all(bind, long_message(number, text))
            await until(lambda: recorder.receipts and len(recorder.receipts) == len(recorder.answers), "receipts")
        submits = smsc.submits()
    for number, text in enumerate(texts, 1):
        parts = [submit for submit in submits if submit["ref"] == number]
        assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))
        assert {part["total"] for part in parts} == {len(parts)}
        assert "".join(part["text"] for part in parts) == text


@pytest.mark.parametrize("long", ["udh8", "udh16", "sar", "payload"])
async def test_every_way_of_a_long_text_is_understood(tmp_path: Path, long: str) -> None:
    texts = ["0123456789" * 40 + "€" * 20, "Привет 😀 " * 30, "short"]
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log") as smsc:
        async with running_bind(smsc.port, recorder, f"long={long}") as bind:
            made = [part for number, text in enumerate(texts, 0x1F1) for part in long_message(number, text, f"long={long}")]
            await submit_all(bind, made)
            await until(lambda: len(recorder.receipts) == len(made), "receipts")
        submits = smsc.submits()
    assert [submit["text"] for submit in submits if "how" not in submit] == ["short"]
    assert {submit["how"] for submit in submits if "how" in submit} == {long}
    if long == "payload":
        assert [submit["text"] for submit in submits] == texts
        return
    for number, text in enumerate(texts[:2], 0x1F1):
        parts = [submit for submit in submits if submit.get("ref") == (number & 0xFF if long == "udh8" else number)]
        assert [part["part"] for part in parts] == list(range(1, parts[0]["total"] + 1))
        assert "".join(part["text"] for part in parts) == text


async def test_a_receipt_is_asked_for_the_last_part_alone(tmp_path: Path) -> None:
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log") as smsc:
        async with running_bind(smsc.port, recorder, "receipt=last") as bind:
            await submit_all(bind, [*long_message(1, "x" * 400), message(2)])
            await until(lambda: len(recorder.receipts) == 2, "receipts")
    ids = [answer.reference for answer in recorder.answers]
    assert len(ids) == 4
    assert [receipt.reference for receipt in recorder.receipts] == ids[2:]


async def test_long_texts_in_every_shape_are_read_from_it(tmp_path: Path) -> None:
    recorder = Recorder()
    shapes: list[dict[str, Any]] = [
        {"short_message": {"udh": [5, 0, 3, 7, 2, 1], "message": "one "}},
        {"short_message": {"udh": [6, 8, 4, 1, 7, 2, 2], "message": "two"}},
        {"short_message": "three", "sar_msg_ref_num": 0x107, "sar_total_segments": 2, "sar_segment_seqnum": 2},
        {"short_message": "", "message_payload": "четыре " * 60},
    ]
    with foreign_smsc(tmp_path / "log") as smsc:
        async with running_bind(smsc.port, recorder):
            for shape in shapes:
                smsc.send_text("254711222333", "20880", "", shape)
            await until(lambda: len(recorder.texts) == len(shapes), "texts")
    assert [(text.text, text.part, text.parts, text.part_reference) for text in recorder.texts] == [
        ("one ", 1, 2, 7),
        ("two", 2, 2, 0x107),
        ("three", 2, 2, 0x107),
        ("четыре " * 60, 1, 1, 0),
    ]


@pytest.mark.parametrize("form", ["text", "parameters", "both"])
async def test_receipts_tell_the_recipients_whose_messages_failed(tmp_path: Path, form: str) -> None:
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log", receipts=form, undeliver=["7"], refuse=["3"]) as smsc:
        async with running_bind(smsc.port, recorder) as bind:
            await submit_all(bind, [message(number) for number in range(100)])
            await until(lambda: len(recorder.receipts) == 90, "receipts")
            await until(lambda: smsc.counters()["acknowledged"] == 90, "acknowledgements")
    refused = [answer for answer in recorder.answers if answer.outcome is Outcome.REFUSED]
    assert {answer.submission.recipient % 10 for answer in refused} == {3}
    assert len(refused) == 10
    assert {answer.reason for answer in refused} == {"ESME_RINVDSTADR (0x0000000b)"}
    failed = [receipt for receipt in recorder.receipts if receipt.state == "undelivered"]
    assert sorted(receipt.recipient for receipt in failed) == [str(254_700_000_007 + tens) for tens in range(0, 100, 10)]
    assert {receipt.sender for receipt in recorder.receipts} == {"CLARION"}
    assert {receipt.reason for receipt in failed} == {"UNDELIV" if form == "parameters" else "UNDELIV err:034"}
    sent = {answer.reference for answer in recorder.answers if answer.outcome is Outcome.SENT}
    assert {receipt.reference for receipt in recorder.receipts} == sent


async def test_hexadecimal_answers_with_decimal_receipts_are_told_as_they_are(tmp_path: Path) -> None:
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log", hexIds=True, decimalReceipts=True, firstId=0xABC) as smsc:
        async with running_bind(smsc.port, recorder) as bind:
            await submit_all(bind, [message(number) for number in range(50)])
            await until(lambda: len(recorder.receipts) == 50, "receipts")
    answered = {answer.reference: answer.submission.recipient for answer in recorder.answers}
    assert "abc" in answered
    for receipt in recorder.receipts:
        assert answered[normalise_reference(f"{int(receipt.reference):X}")] == int(receipt.recipient)


async def test_throttled_and_lost_in_the_window(tmp_path: Path) -> None:
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log", throttleEvery=10, disconnectEvery=45) as smsc:
        async with running_bind(smsc.port, recorder, "window=20") as bind:
            await submit_all(bind, [message(number) for number in range(100)])
            await until(lambda: len(recorder.answers) == 100, "answers")
            await until(lambda: bind.state == "bound", "bound again")
            taken = smsc.counters()["taken"]
            await until(lambda: len({receipt.recipient for receipt in recorder.receipts}) == taken, "a receipt for each message taken")
    unknown = [answer for answer in recorder.answers if answer.outcome is Outcome.UNKNOWN]
    assert unknown
    assert len(unknown) <= 2 * 20
    # Ten are throttled; what was answered with the connection already lost, up to two windows, is unknown instead.
    assert recorder.outcomes.count("throttled") >= 5
    assert recorder.order.index("connecting", 1) > recorder.outcomes.index("unknown")


async def test_a_text_from_a_phone(tmp_path: Path) -> None:
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log") as smsc:
        async with running_bind(smsc.port, recorder):
            for text in ("STOP", "Привет"):
                smsc.send_text("254711222333", "20880", text)
            await until(lambda: len(recorder.texts) == 2, "texts")
    assert [(text.sender, text.recipient, text.text) for text in recorder.texts] == [
        ("254711222333", "20880", "STOP"),
        ("254711222333", "20880", "Привет"),
    ]


async def test_an_smsc_that_dies_and_comes_back(tmp_path: Path) -> None:
    recorder = Recorder()
    with foreign_smsc(tmp_path / "log", receipts="none") as smsc:
        async with running_bind(smsc.port, recorder) as bind:
            smsc.kill()
            await until(lambda: bind.state == "connecting", "the loss")
            with foreign_smsc(tmp_path / "log", port=smsc.port):
                await until(lambda: bind.state == "bound", "bound again")
                await submit_all(bind, [message(1)])
                await until(lambda: recorder.receipts, "a receipt")


@pytest.mark.parametrize("kind", ["transceiver", "transmitter", "receiver"])
async def test_every_kind_of_bind_is_probed(tmp_path: Path, kind: str) -> None:
    with foreign_smsc(tmp_path / "log", systemId="clarion", password="secret") as smsc:
        result = await probe(parse_url(f"smpp://clarion:secret@127.0.0.1:{smsc.port}?bind={kind}"), SystemTimer())
        wrong = await probe(parse_url(f"smpp://clarion:wrong@127.0.0.1:{smsc.port}?bind={kind}"), SystemTimer())
    assert [(step.name, step.succeeded) for step in result.steps] == [("connect", True), ("bind", True), ("unbind", True)]
    assert result.succeeded
    assert [(step.name, step.succeeded) for step in wrong.steps] == [("connect", True), ("bind", False)]
    assert wrong.steps[-1].detail == "ESME_RINVPASWD (0x0000000e)"


async def test_both_of_a_pair_are_probed(tmp_path: Path) -> None:
    with foreign_smsc(tmp_path / "log", systemId="clarion") as smsc:
        result = await probe(parse_url(f"smpp://clarion@127.0.0.1:{smsc.port}?bind=pair&binds=3"), SystemTimer())
        wrong = await probe(parse_url(f"smpp://other@127.0.0.1:{smsc.port}?bind=pair"), SystemTimer())
    assert result.succeeded
    assert [step.detail for step in result.steps if step.name == "bind"] == ["transmitter as clarion", "receiver as clarion"]
    assert [step.name for step in wrong.steps] == ["connect", "bind"]
