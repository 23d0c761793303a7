"""A bind over TCP: connecting, refused, bound, lost and closed."""

import asyncio

import pytest
from tests.carriers.recording import Recorder, message, running_bind, submit_all, until
from tests.carriers.scripted import scripted_carrier

from clarion.carriers.smpp import SmppBind, SmppSettings, connect, parse_url, pdu, probe
from clarion.wiring.machine import SystemClock, SystemTimer


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience in tenths of a second."""
    monkeypatch.setattr(connect, "BIND_ANSWER_S", 0.2)


async def test_what_a_bind_says_of_itself() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, "bind=transmitter&system_type=VMA", wait=False) as bind:
        connection = await carrier.connection()
        assert bind.free == 0
        request = await connection.take_bind()
        await until(lambda: bind.state == "bound")
        assert request.command == pdu.BIND_TRANSMITTER
        assert pdu.decode_bind(request.octets) == pdu.BindRequest("clarion", "secret", "VMA", 0x34)
        assert bind.can_submit
        assert bind.free == bind.window == 200
    assert recorder.states == [("connecting", ""), ("bound", ""), ("closed", "the bind was closed")]


async def test_a_receiver_submits_nothing() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, "bind=receiver", wait=False) as bind:
        assert (await (await carrier.connection()).take_bind()).command == pdu.BIND_RECEIVER
        await until(lambda: bind.state == "bound")
        assert (bind.can_submit, bind.free, bind.submit([message(1)])) == (False, 0, 0)


async def test_a_lost_connection_answers_unknown_and_then_binds_again() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, "window=10", wait=False) as bind:
        connection = await carrier.bound()
        await until(lambda: bind.state == "bound")
        assert bind.submit([message(number) for number in range(20)]) == 10
        submits = await connection.submits(10)
        connection.answer(submits[0])
        connection.answer(submits[1])
        await until(lambda: len(recorder.answers) == 2)
        connection.break_off()
        again = await carrier.bound()
        await until(lambda: bind.state == "bound" and bind.free == 10)
        assert recorder.outcomes == ["sent"] * 2 + ["unknown"] * 8
        assert recorder.order == ["connecting", "bound", *["answer"] * 10, "connecting", "bound"]
        bind.submit([message(99)])
        again.answer((await again.submits(1))[0], "7")
        await until(lambda: len(recorder.answers) == 11)
        assert recorder.answers[-1].reference == "7"


async def test_a_delivery_of_a_lost_connection_is_not_acknowledged_on_the_next() -> None:
    recorder = Recorder(acknowledges=False)
    body = pdu.encode_message(pdu.Message("254711222333", "CLARION", b"id:1 stat:DELIVRD", 4))
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, wait=False) as bind:
        first = await carrier.bound()
        first.send(pdu.DELIVER_SM, 0, 1, body)
        await until(lambda: len(recorder.receipts) == 1)
        first.break_off()
        second = await carrier.bound()
        await until(lambda: bind.state == "bound")
        bind.acknowledge([recorder.receipts[0].sequence])
        second.send(pdu.DELIVER_SM, 0, 1, body)
        await until(lambda: len(recorder.receipts) == 2)
        second.send(pdu.ENQUIRE_LINK, 0, 2)
        await second.expect(pdu.ENQUIRE_LINK_RESP)
        bind.acknowledge([receipt.sequence for receipt in recorder.receipts])
        assert (await second.expect(pdu.DELIVER_SM_RESP)).sequence == 1
        second.send(pdu.ENQUIRE_LINK, 0, 3)
        await second.expect(pdu.ENQUIRE_LINK_RESP)


async def test_a_refused_bind_tells_the_carriers_own_error_and_is_tried_again() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, wait=False) as bind:
        await (await carrier.connection()).take_bind(status=0x0E)
        await until(lambda: bind.state == "refused")
        assert recorder.states[-1] == ("refused", "ESME_RINVPASWD (0x0000000e)")
        assert bind.submit([message(1)]) == 0
        await carrier.bound()
        await until(lambda: bind.state == "bound")


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (0x02, "ESME_RINVCMDLEN (0x00000002)"),
        (0x04, "ESME_RINVBNDSTS (0x00000004)"),
        (0x05, "ESME_RALYBND (0x00000005)"),
        (0x08, "ESME_RSYSERR (0x00000008)"),
        (0x0D, "ESME_RBINDFAIL (0x0000000d)"),
        (0x0E, "ESME_RINVPASWD (0x0000000e)"),
        (0x0F, "ESME_RINVSYSID (0x0000000f)"),
        (0x14, "ESME_RMSGQFUL (0x00000014)"),
        (0x53, "ESME_RINVSYSTYP (0x00000053)"),
        (0x58, "ESME_RTHROTTLED (0x00000058)"),
        (0x64, "ESME_RX_T_APPN (0x00000064)"),
        (0xFF, "ESME_RUNKNOWNERR (0x000000ff)"),
        (0x401, "vendor status (0x00000401)"),
        (0x7777, "reserved status (0x00007777)"),
    ],
)
async def test_every_reason_to_refuse_a_bind_is_told_and_the_bind_rests_for_it(refusal: int, told: str) -> None:
    """In the state, which `carriers list` shows, and by a probe, which is `carriers test`."""
    recorder = Recorder()
    async with scripted_carrier() as carrier:
        async with running_bind(carrier.port, recorder, wait=False) as bind:
            await (await carrier.connection()).take_bind(status=refusal)
            await until(lambda: bind.state == "refused")
            assert bind._refused, "its pauses are those of a refusal"
        probing = asyncio.create_task(probe(parse_url(f"smpp://clarion@127.0.0.1:{carrier.port}"), SystemTimer()))
        await (await carrier.connection()).take_bind(status=refusal)
        result = await probing
    assert recorder.states[1] == ("refused", told)
    assert [(step.name, step.succeeded) for step in result.steps] == [("connect", True), ("bind", False)]
    assert result.steps[-1].detail == told


@pytest.mark.parametrize(("refusal", "told"), [(0x03, "ESME_RINVCMDID (0x00000003)"), (0, "ESME_RBINDFAIL (0x0000000d)")])
async def test_a_bind_that_is_not_even_known_is_refused(refusal: int, told: str) -> None:
    """SMSCs of SMPP 3.3 answer a transceiver's bind with a generic_nack."""
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, wait=False) as bind:
        connection = await carrier.connection()
        request = await connection.expect(pdu.BIND_TRANSCEIVER)
        connection.send(pdu.GENERIC_NACK, refusal, request.sequence)
        await until(lambda: bind.state == "refused")
    assert recorder.states[1] == ("refused", told)


@pytest.mark.parametrize(
    ("octets", "told", "perhaps"),
    [
        (
            b"HTTP/1.1 400 Bad Request\r\nServer: other\r\n\r\n",
            "'HTTP/1.1 400 Bad Request\\r\\nServer: other\\r' is no PDU",
            "no SMPP is spoken at",
        ),
        (b"\x15\x03\x01\x00" * 5, "a PDU says that it has 352518400 octets, more than 65536", "it may not know this address, or speak TLS"),
    ],
)
async def test_a_bind_that_is_answered_in_another_protocol(octets: bytes, told: str, perhaps: str) -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, wait=False):
        (await carrier.connection()).writer.write(octets)
        await until(lambda: len(recorder.states) > 1)
        assert recorder.states[1][1].startswith(f"garbage from the carrier: {told}, before the bind was answered; {perhaps}")


async def test_a_bind_that_is_not_answered(hurried: None) -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, wait=False) as bind:
        await carrier.connection()
        await until(lambda: len(recorder.states) > 1)
        assert recorder.states[1] == ("connecting", "no answer to the bind in 0.2 s")
        (await carrier.connection()).break_off()
        await until(lambda: len(recorder.states) > 2)
        assert "before the bind was answered" in recorder.states[2][1]
        await carrier.bound()
        await until(lambda: bind.state == "bound")


async def test_nobody_listens() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier:
        port = carrier.port
    async with running_bind(port, recorder, wait=False):
        await until(lambda: len(recorder.states) > 2)
    assert {state for state, _ in recorder.states[:-1]} == {"connecting"}
    assert f"no connection to 127.0.0.1:{port}" in recorder.states[1][1]


@pytest.mark.parametrize(
    ("refused", "pauses"),
    [(False, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15, 15]), (True, [0.5, 1, 2, 4, 8, 16, 30, 30])],
)
def test_pauses_double_up_to_a_limit(refused: bool, pauses: list[float]) -> None:
    class Least:
        def random(self) -> float:
            return 0.0

    settings = SmppSettings(host="h", system_id="me")
    bind = SmppBind(settings, SystemClock(), SystemTimer(), Least(), Recorder(), "test")
    assert [bind._pause_s(refused=refused) for _ in pauses] == pytest.approx(pauses)


def test_a_refusal_after_many_failures_is_the_first_of_its_kind() -> None:
    bind = SmppBind(SmppSettings(host="h", system_id="me"), SystemClock(), SystemTimer(), _Half(), Recorder(), "test")
    for _ in range(20):
        bind._pause_s(refused=False)
    assert bind._pause_s(refused=True) == pytest.approx(0.75)
    assert bind._pause_s(refused=False) == pytest.approx(0.075)


async def test_closing_waits_for_answers_and_unbinds() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, wait=False) as bind:
        connection = await carrier.bound()
        await until(lambda: bind.state == "bound")
        bind.submit([message(1), message(2)])
        closing = asyncio.create_task(bind.close(30))
        submits = await connection.submits(2)
        assert (bind.free, bind.submit([message(3)])) == (0, 0)
        for submit in submits:
            connection.answer(submit)
        unbind = await connection.expect(pdu.UNBIND)
        connection.send(pdu.UNBIND_RESP, 0, unbind.sequence)
        await closing
        assert recorder.outcomes == ["sent", "sent"]
        assert recorder.states[-1] == ("closed", "the bind was closed")


async def test_closing_waits_for_deliveries_to_be_acknowledged() -> None:
    recorder = Recorder(acknowledges=False)
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, wait=False) as bind:
        connection = await carrier.bound()
        connection.send(pdu.DELIVER_SM, 0, 4, pdu.encode_message(pdu.Message("1", "2", b"id:1 stat:DELIVRD", 4)))
        await until(lambda: recorder.receipts)
        closing = asyncio.create_task(bind.close(30))
        await asyncio.sleep(0.05)
        bind.acknowledge([recorder.receipts[0].sequence])
        await connection.expect(pdu.DELIVER_SM_RESP)
        await connection.expect(pdu.UNBIND)
        connection.break_off()
        await closing


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_what_is_unanswered_at_the_end_is_unknown_before_the_state_changes(how: str) -> None:
    recorder = Recorder()
    settings = parse_url("smpp://clarion:secret@127.0.0.1")
    async with scripted_carrier() as carrier:
        settings = parse_url(f"smpp://clarion:secret@127.0.0.1:{carrier.port}")
        bind = SmppBind(settings, SystemClock(), SystemTimer(), _Half(), recorder, "test")
        running = asyncio.create_task(bind.run())
        connection = await carrier.bound()
        await until(lambda: bind.state == "bound")
        bind.submit([message(1), message(2)])
        await connection.submits(2)
        if how == "close":
            await bind.close(0)
            await running
        else:
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert recorder.outcomes == ["unknown", "unknown"]
        assert recorder.order == ["connecting", "bound", "answer", "answer", "closed"]
        assert (bind.free, bind.submit([message(3)])) == (0, 0)


async def test_the_timers_run_by_themselves() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, "answer_timeout=0.2&enquire=0.3", wait=False) as bind:
        connection = await carrier.bound()
        await until(lambda: bind.state == "bound")
        bind.submit([message(1)])
        (submit,) = await connection.submits(1)
        await until(lambda: recorder.outcomes == ["unknown"])
        connection.answer(submit, "11")
        await until(lambda: recorder.outcomes == ["unknown", "sent"])
        enquire = await connection.expect(pdu.ENQUIRE_LINK)
        connection.send(pdu.ENQUIRE_LINK_RESP, 0, enquire.sequence)
        await connection.expect(pdu.ENQUIRE_LINK)
        await until(lambda: ("connecting", "no answer to enquire_link in 0.3 s") in recorder.states)


async def test_a_probe_tells_each_step() -> None:
    async with scripted_carrier() as carrier:
        settings = parse_url(f"smpp://clarion:secret@127.0.0.1:{carrier.port}")
        probing = asyncio.create_task(probe(settings, SystemTimer()))
        connection = await carrier.bound()
        await connection.expect(pdu.UNBIND)
        connection.send(pdu.UNBIND_RESP, 0, 2)
        result = await probing
        assert result.succeeded
        assert [step.detail for step in result.steps] == [f"127.0.0.1:{carrier.port}", "transceiver as clarion", "answered"]
    result = await probe(settings, SystemTimer())
    assert not result.succeeded
    assert [step.name for step in result.steps] == ["connect"]


async def test_a_window_of_one_still_moves() -> None:
    recorder = Recorder()
    async with scripted_carrier() as carrier, running_bind(carrier.port, recorder, "window=1", wait=False) as bind:
        connection = await carrier.bound()
        giving = asyncio.create_task(submit_all(bind, [message(number) for number in range(5)]))
        for _ in range(5):
            connection.answer((await connection.submits(1))[0])
        await giving
        await until(lambda: recorder.outcomes == ["sent"] * 5)


class _Half:
    def random(self) -> float:
        return 0.5
