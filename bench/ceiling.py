"""How fast the simulated SMSC is, and how fast our SMPP client is with it: no database on either side."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from bench import processes

from clarion.carriers.interface import Answer, InboundText, Receipt, Submission
from clarion.carriers.smpp import pdu
from clarion.carriers.smpp.bind import SmppBind
from clarion.carriers.smpp.settings import SmppSettings
from clarion.carriers.smpp.submissions import SubmitEncoder
from clarion.core.text import GSM7
from clarion.wiring.machine import SystemClock, SystemRandom, SystemTimer

SUBMITS = 300_000
BLOCK = 200
BLOCKS_OPEN = 10
WINDOW = 200
TEXT = "Your order is on its way and will arrive today."


async def measure(folder: Path) -> dict[str, float]:
    """Submits a second: that the SMSC answers to a probe which does nothing else, and that our client sends, answered and receipted."""
    smsc = await processes.start("bench.smsc", "--no-receipts", errors=folder / "smsc.err")
    bare = await _bare(int(smsc.line))
    await smsc.stop()
    smsc = await processes.start("bench.smsc", errors=folder / "smsc.err")
    client = await _client(int(smsc.line))
    await smsc.stop()
    return {"ceiling": bare, "client": client}


async def delayed(folder: Path, delay_ms: int, submits: int) -> float:
    """Submits a second that our client sends on one bind to a carrier that answers in so many milliseconds."""
    smsc = await processes.start("bench.smsc", "--answer-delay-ms", delay_ms, errors=folder / "smsc.err")
    rate = await _client(int(smsc.line), submits)
    await smsc.stop()
    return rate


async def _bare(port: int) -> float:
    """Octets made beforehand, answers only counted."""
    loop = asyncio.get_running_loop()
    _, probe = await loop.create_connection(_Probe, "127.0.0.1", port)
    await probe.bound
    started = time.perf_counter()
    probe.begin()
    await probe.done
    probe.transport.close()
    return SUBMITS / (time.perf_counter() - started)


class _Probe(asyncio.Protocol):
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.bound: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        encoder = SubmitEncoder(SmppSettings("127.0.0.1", "probe", sender="CLARION"))
        self._block = b"".join(encoder.encode(_submission(n), n, 0) for n in range(1, BLOCK + 1))
        self._given = self._octets = self._answer_octets = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(pdu.frame(pdu.BIND_TRANSCEIVER, 0, 1, pdu.encode_bind(pdu.BindRequest("probe", "", ""))))

    def begin(self) -> None:
        for _ in range(BLOCKS_OPEN):
            self._give()

    def data_received(self, data: bytes) -> None:
        if not self.bound.done():
            self.bound.set_result(None)
            return
        # All answers are of one length: the SMSC's ids have as many digits for the next 200 years.
        self._answer_octets = self._answer_octets or int.from_bytes(data[:4], "big")
        self._octets += len(data)
        answered = self._octets // self._answer_octets
        while self._given < SUBMITS and self._given - answered <= BLOCK * (BLOCKS_OPEN - 1):
            self._give()
        if answered >= SUBMITS and not self.done.done():
            self.done.set_result(None)

    def _give(self) -> None:
        self.transport.write(self._block)
        self._given += BLOCK


async def _client(port: int, submits: int = SUBMITS) -> float:
    """One bind with its window kept full, every receipt acknowledged."""
    settings = SmppSettings("127.0.0.1", "probe", port=port, window=WINDOW)
    feeder = _Feeder(submits)
    feeder.bind = SmppBind(settings, SystemClock(), SystemTimer(), SystemRandom(1), feeder, "ceiling")
    running = asyncio.create_task(feeder.bind.run())
    await feeder.bound
    started = time.perf_counter()
    feeder.feed()
    await feeder.done
    took_s = time.perf_counter() - started
    await feeder.bind.close(1.0)
    await running
    return submits / took_s


class _Feeder:
    bind: SmppBind

    def __init__(self, submits: int) -> None:
        loop = asyncio.get_running_loop()
        self.bound: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self._submits = submits
        self._given = self._receipted = 0

    def feed(self) -> None:
        count = min(self.bind.free, self._submits - self._given)
        self._given += self.bind.submit([_submission(self._given + n) for n in range(count)])

    def answered(self, answers: Sequence[Answer]) -> None:
        self.feed()

    def delivered(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        self.bind.acknowledge([delivery.sequence for delivery in deliveries])
        self._receipted += len(deliveries)
        if self._receipted >= self._submits and not self.done.done():
            self.done.set_result(None)

    def state_changed(self, state: str, reason: str) -> None:
        if state == "bound" and not self.bound.done():
            self.bound.set_result(None)


def _submission(number: int) -> Submission:
    return Submission(number, 1, "CLARION", 254_700_000_000 + number, TEXT, GSM7, 1, 1, 0, None)
