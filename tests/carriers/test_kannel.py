"""The bind, and the whole road, against Kannel's SMSC for tests: another one that is not ours."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.carriers.recording import TEXTS, Recorder, long_message, message, running_bind, submit_all, until
from tests.flow.hand import ledger_is_exact
from tests.flow.rig import add_carrier, numbers, road
from tests.kannel_smsc import kannel_smsc

from clarion.carriers.smpp import connect, parse_url, probe
from clarion.store import Store
from clarion.store import tables as t
from clarion.wiring.machine import SystemTimer

LONG = ("udh8", "udh16", "sar", "payload")


@pytest.mark.parametrize("kind", ["transmitter", "receiver"])
async def test_its_binds_are_probed(tmp_path: Path, kind: str) -> None:
    with kannel_smsc(tmp_path / "log") as smsc:
        result = await probe(parse_url(f"smpp://clarion:secret@127.0.0.1:{smsc.port}?bind={kind}"), SystemTimer())
    assert [(step.name, step.detail) for step in result.steps] == [
        ("connect", f"127.0.0.1:{smsc.port}"),
        ("bind", f"{kind} as clarion"),
        ("unbind", "answered"),
    ]


async def test_a_bind_that_it_does_not_know_is_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "BIND_ANSWER_S", 0.3)
    with kannel_smsc(tmp_path / "log") as smsc:
        result = await probe(parse_url(f"smpp://clarion@127.0.0.1:{smsc.port}"), SystemTimer())
    assert result.steps[-1].detail == "no answer to the bind in 0.3 s"


async def test_texts_both_ways_over_a_pair(tmp_path: Path) -> None:
    """Its answers have no id; its texts from phones name one, and are none the less texts."""
    sending, receiving = Recorder(), Recorder()
    with kannel_smsc(tmp_path / "log", texts=40) as smsc:
        async with (
            running_bind(smsc.port, sending, "bind=transmitter&enquire=0.2") as transmitter,
            running_bind(smsc.port, receiving, "bind=receiver&enquire=0.2"),
        ):
            await submit_all(transmitter, [message(number, text) for number, text in enumerate(TEXTS)])
            await until(lambda: len(sending.answers) == len(TEXTS), "answers")
            await until(lambda: len(receiving.texts) == 40, "texts")
            await until(lambda: smsc.handled("deliver_sm_resp") == 40, "acknowledgements")
            # It asks after every text, and is asked by both in the silence that follows.
            await until(lambda: smsc.handled("enquire_link") >= 4 and smsc.handled("enquire_link_resp") == 40, "enquiries both ways")
            assert smsc.submits()[0] == b"Hello"
            await transmitter.close(5)
            assert smsc.handled("unbind") == 1
    assert [(answer.outcome.value, answer.reference) for answer in sending.answers] == [("sent", "")] * len(TEXTS)
    assert [(text.sender, text.recipient, text.text) for text in receiving.texts] == [("456", "123", str(n)) for n in range(1, 41)]
    assert receiving.receipts == []


async def test_every_way_of_a_long_text_is_taken(tmp_path: Path) -> None:
    """What it tells of a short message ends at a zero, which the header of eight bits has."""
    recorders = {long: Recorder() for long in LONG}
    made = {long: long_message(0x1F1, "0123456789" * 40, f"long={long}") for long in LONG}
    with kannel_smsc(tmp_path / "log") as smsc:
        async with AsyncExitStack() as stack:
            for long in LONG:
                bind = await stack.enter_async_context(running_bind(smsc.port, recorders[long], f"bind=transmitter&long={long}"))
                await submit_all(bind, made[long])
                await until(lambda long=long: len(recorders[long].answers) == len(made[long]), "answers")  # type: ignore[misc]
            submits = smsc.submits()
    assert [recorder.outcomes for recorder in recorders.values()] == [["sent"] * len(made[long]) for long in LONG]
    texts = [part.text.encode() for part in made["udh16"]]
    headers = [bytes((6, 8, 4, 1, 0xF1, 3, part)) for part in (1, 2, 3)]
    assert submits == [
        *[b"\5"] * 3,
        *[header + text for header, text in zip(headers, texts, strict=True)],
        *[part.text.encode() for part in made["sar"]],
        b"",
    ]


async def test_on_the_road_with_its_death_and_return(store: Store, tmp_path: Path) -> None:
    """What it took without an id is sent and charged once, its texts are rows, and work goes on when it is there again."""
    async with road(store) as here:
        with kannel_smsc(tmp_path / "log", texts=10) as smsc:
            url = f"smpp://clarion@127.0.0.1:{smsc.port}?bind=pair&window=20"
            second = await store.write(add_carrier, "kannel", url, here.runtime.clock.now(), prefix="25471")
            await until(lambda: len([held for held in here.connections.held if held.bind.state == "bound"]) == 3, "three binds")
            accepted = await here.accept(numbers(200, 254_710_000_000))
            await here.until(accepted, lambda v: v.counts["sent"] == 200)
            assert len(smsc.submits()) == 200
            rows = sa.select(t.inbound.c.sender, t.inbound.c.recipient, t.inbound.c.text).where(t.inbound.c.carrier_id == second)
            await until(lambda: smsc.handled("deliver_sm_resp") == 10, "texts acknowledged")
            assert sorted(await here.all(rows)) == sorted(("456", "123", str(number)) for number in range(1, 11))
            smsc.kill()
        later = await here.accept(numbers(50, 254_711_000_000))
        with kannel_smsc(tmp_path / "again", port=smsc.port) as smsc:
            await here.until(later, lambda v: v.counts["sent"] == 50)
            assert len(smsc.submits()) == 50
        await store.read(ledger_is_exact)
        charged = sa.select(sa.func.count()).select_from(t.deliveries).where(t.deliveries.c.charged_milli > 0)
        assert await here.all(charged) == [(250,)]
        assert await here.all(sa.select(sa.func.count()).select_from(t.orphans)) == [(0,)]
