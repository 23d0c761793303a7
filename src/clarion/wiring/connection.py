"""One bind at work: its session's answers go to dispatch, its deliveries to receive, in the order in which they came (section 1)."""

import asyncio
from collections.abc import Sequence

import structlog

from clarion.carriers.interface import Answer, InboundText, Receipt
from clarion.carriers.smpp.bind import SmppBind
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.rates import TokenBucket
from clarion.flow.dispatch import Dispatcher
from clarion.flow.receive import Receiver
from clarion.runtime import Runtime
from clarion.store import binds
from clarion.store.binds import Lease
from clarion.store.catalog import Carrier

BATCH_MAX = 500
"""Answers or receipts in one transaction: what the writer does in about 10 ms."""

GRACE_S = 12.0
"""How long an ending connection waits for what is on the wire; with what follows it stays below the 20 s of a SIGTERM."""

POLL_S = 0.02

log = structlog.get_logger(__name__)


class Connection:
    """A leased bind from its start to its release; it is its bind's `BindEvents`."""

    def __init__(
        self, runtime: Runtime, lease: Lease, carrier: Carrier, settings: SmppSettings, bucket: TokenBucket, receiver: Receiver
    ) -> None:
        self._runtime = runtime
        self._lease = lease
        self._receiver = receiver
        self._answers: list[Answer] = []
        self._deliveries: list[Receipt | InboundText] = []
        self._states: list[tuple[str, str]] = []
        self._arrived = asyncio.Event()
        self._recording = False
        self._closing = False
        self.carrier = carrier
        self.bind_id = lease.bind_id
        self.bind = SmppBind(settings, runtime.clock, runtime.timer, runtime.random, self, f"{carrier.name}/{lease.bind_id}")
        self.dispatcher = Dispatcher(runtime, lease, carrier.id, self.bind, bucket, settings.sender)

    def answered(self, answers: Sequence[Answer]) -> None:
        """Of `BindEvents`."""
        self._answers += answers
        self.dispatcher.answered(answers)
        self._arrived.set()

    def delivered(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        """Of `BindEvents`."""
        self._deliveries += deliveries
        self._arrived.set()

    def state_changed(self, state: str, reason: str) -> None:
        """Of `BindEvents`."""
        level = log.info if self._closing or not reason else log.warning
        level("bind.state", carrier=self.carrier.name, bind=self._lease.bind_id, state=state, reason=reason)
        self._states.append((state, reason))
        self.dispatcher.wake()
        self._arrived.set()

    async def run(self) -> None:
        """Work until `close`, or until the bind turns out to be somebody else's."""
        tasks = [
            asyncio.create_task(self.bind.run()),
            asyncio.create_task(self._record_arrivals()),
            asyncio.create_task(self.dispatcher.run()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self.dispatcher.fenced.is_set():
                await self.bind.close(0)
                await self._drained(GRACE_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Mark nothing more, put back what the wire never saw, wait for what it did, answer what is owed, unbind, give the bind back."""
        self._closing = True
        self.dispatcher.stop()
        await self.dispatcher.put_back(begun=False)
        await self._drained(GRACE_S)
        await self.bind.close(1.0)
        await self.dispatcher.put_back()
        await self._drained(1.0)
        await self._runtime.write_patiently(binds.release, self._lease.bind_id, self._lease.fence, self._runtime.clock.now())

    async def _drained(self, wait_s: float) -> None:
        """Wait until nothing of this bind waits for an answer or a commit."""
        until = self._runtime.timer.monotonic() + wait_s
        while self._runtime.timer.monotonic() < until:
            if not (self._recording or self._answers or self._deliveries or self.dispatcher.doubt):
                return
            await self._runtime.timer.sleep(POLL_S)

    async def _record_arrivals(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._recording = True
            while self._answers or self._deliveries or self._states:
                await self._record_some()
            self._recording = False

    async def _record_some(self) -> None:
        """One batch of each, answers first: a receipt that came behind its answer finds its message."""
        answers, self._answers = self._answers[:BATCH_MAX], self._answers[BATCH_MAX:]
        if answers:
            await self.dispatcher.record(answers, self._receiver.form)
        if self._answers:
            return
        deliveries, self._deliveries = self._deliveries[:BATCH_MAX], self._deliveries[BATCH_MAX:]
        if deliveries:
            await self._receiver.receive(deliveries)
            self.bind.acknowledge([delivery.sequence for delivery in deliveries])
        if self._states:
            state, reason = self._states[-1]
            self._states.clear()
            await self._runtime.write_patiently(
                binds.note_state, self._lease.bind_id, self._lease.fence, state, reason, self._runtime.clock.now()
            )
