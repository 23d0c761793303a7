"""One bind at work: its session's answers go to dispatch, its deliveries to receive, in the order in which they came (section 1)."""

import asyncio
from collections.abc import Sequence

import structlog

from clarion.carriers.interface import Answer, InboundText, Receipt
from clarion.carriers.meter import Meter
from clarion.carriers.smpp.bind import SmppBind
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.rates import TokenBucket
from clarion.flow.dispatch import Dispatcher
from clarion.flow.receive import Receiver
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import binds, inbound, outcomes, submits
from clarion.store.binds import Lease
from clarion.store.catalog import Carrier
from clarion.store.errors import Unavailable
from clarion.store.inbound import Inbound

BATCH_MAX = 250
"""Answers or receipts in one transaction: what the writer does in about 3 ms."""

GRACE_S = 12.0
"""How long an ending connection waits for what is on the wire; with what follows it stays below the 20 s of a SIGTERM."""

FAREWELL_S = 3.5
"""What ending takes after that: the last answers, the unbind, the last commits."""

GATHERED = 200
GATHER_S = 0.002
"""What came is recorded at once where it is so much; else others join it for this long: a transaction costs as much as 100 messages."""

POLL_S = 0.02

TRAIL_S = 1.0
"""How much of the trail a process that is killed takes with it."""

log = structlog.get_logger(__name__)


class Connection:
    """A leased bind from its start to its release; it is its bind's `BindEvents`."""

    def __init__(
        self,
        runtime: Runtime,
        lease: Lease,
        carrier: Carrier,
        settings: SmppSettings,
        bucket: TokenBucket,
        receiver: Receiver,
        meter: Meter,
        routes: Settings,
    ) -> None:
        self._runtime = runtime
        self._lease = lease
        self._receiver = receiver
        self._routes = routes
        self._answers: list[Answer] = []
        self._deliveries: list[Receipt | InboundText] = []
        self._states: list[tuple[str, str]] = []
        self._arrived = asyncio.Event()
        self._recording = False
        self._closing = False
        self._closed = asyncio.Event()
        self.carrier = carrier
        self.bind_id = lease.bind_id
        self.meter = meter
        label = f"{carrier.name}/{lease.bind_id}"
        self.bind = SmppBind(settings, runtime.clock, runtime.timer, runtime.random, self, label, meter)
        self.dispatcher = Dispatcher(runtime, lease, carrier.id, self.bind, bucket, routes)

    @property
    def unanswered(self) -> int:
        """Submits given to the carrier and not answered."""
        return self.bind.unanswered

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
        # Whatever is logged on this bind's behalf says so.
        structlog.contextvars.bind_contextvars(carrier=self.carrier.name, bind=self.bind_id, slot=self.meter.slot)
        tasks = [
            asyncio.create_task(self.bind.run()),
            asyncio.create_task(self._record_arrivals()),
            asyncio.create_task(self.dispatcher.run()),
            asyncio.create_task(self._keep_trail()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self.dispatcher.fenced.is_set():
                await self.bind.close(0)
                await self._drained(GRACE_S)
            elif self._closing:
                # The bind is the first to end, and what it brought in its last moment is still to be recorded.
                await self._closed.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def adjust(self, carrier: Carrier, settings: SmppSettings) -> None:
        """Go on under another window, of which the carrier does not know; the rate is its bucket's."""
        self.carrier = carrier
        self.bind.adjust(settings)
        self.dispatcher.wake()

    def stop(self) -> None:
        """Mark nothing more, at once; `close` does the rest."""
        self._closing = True
        self.dispatcher.stop()

    async def close(self, begun_s: float = GRACE_S) -> None:
        """Put back what the wire never saw, wait for what it did, answer what is owed, unbind, give the bind back.

        Long messages of which a part was given are sent to their end for `begun_s`, and cut then.
        """
        self.stop()
        await self._emptied(begun_s, min(GRACE_S, self._runtime.left_s - FAREWELL_S))
        await self.bind.close(1.0)
        await self.dispatcher.put_back()
        await self._drained(1.0)
        await self._write_trail()
        await self._runtime.write_patiently(binds.release, self._lease.bind_id, self._lease.fence, self._runtime.clock.now())
        self._closed.set()

    async def abandon(self, reason: str) -> None:
        """After `run` or `close` failed: record what can be recorded, give the bind back, and leave the reason for whoever asks."""
        self.stop()
        try:
            while self._answers or self._deliveries:
                await self._record_some()
        except Exception:
            log.exception("bind.facts_lost", carrier=self.carrier.name, bind=self.bind_id)
        now = self._runtime.clock.now()
        await self._runtime.write_patiently(binds.release, self._lease.bind_id, self._lease.fence, now)
        await self._runtime.write_patiently(binds.note_state, self._lease.bind_id, self._lease.fence, "closed", reason, now)

    async def _emptied(self, begun_s: float, wait_s: float) -> None:
        """Put back, again and again, since a mark under way or a throttled answer may still bring something in hand; then as `_drained`."""
        started = self._runtime.timer.monotonic()
        while True:
            waited_s = self._runtime.timer.monotonic() - started
            await self.dispatcher.put_back(begun=waited_s >= begun_s)
            if self._is_drained or waited_s >= wait_s:
                return
            await self._runtime.timer.sleep(POLL_S)

    @property
    def _is_drained(self) -> bool:
        return not (self._recording or self._answers or self._deliveries or self.dispatcher.doubt)

    async def _drained(self, wait_s: float) -> None:
        """Wait until nothing of this bind waits for an answer or a commit."""
        until = self._runtime.timer.monotonic() + wait_s
        while self._runtime.timer.monotonic() < until:
            if self._is_drained:
                return
            await self._runtime.timer.sleep(POLL_S)

    async def _keep_trail(self) -> None:
        while True:
            await self._runtime.timer.sleep(TRAIL_S)
            await self._write_trail()

    async def _write_trail(self) -> None:
        ranges = self.dispatcher.trail.drain()
        if ranges:
            await self._runtime.write_patiently(submits.keep, self.carrier.id, self.meter.slot, self._lease.fence, ranges)

    async def _record_arrivals(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._recording = True
            while self._answers or self._deliveries or self._states:
                if len(self._answers) + len(self._deliveries) < GATHERED:
                    await self._runtime.timer.sleep(GATHER_S)
                await self._record_some()
            self._recording = False

    async def _record_some(self) -> None:
        """The state, which came first; then one batch of each, answers first: a receipt that came behind its answer finds its message."""
        await self._record_state()
        answers, self._answers = self._answers[:BATCH_MAX], self._answers[BATCH_MAX:]
        deliveries: list[Receipt | InboundText] = []
        if not self._answers:
            deliveries, self._deliveries = self._deliveries[:BATCH_MAX], self._deliveries[BATCH_MAX:]
        receipts = [delivery for delivery in deliveries if isinstance(delivery, Receipt)]
        if answers and receipts and len(receipts) == len(deliveries):
            await self._record_together(answers, receipts)
        else:
            if answers:
                await self.dispatcher.record(self.dispatcher.ended(answers), self._receiver.form)
            if deliveries:
                await self._take(deliveries)

    async def _record_state(self) -> None:
        if not self._states:
            return
        state, reason = self._states[-1]
        self._states.clear()
        await self._runtime.write_patiently(
            binds.note_state, self._lease.bind_id, self._lease.fence, state, reason, self._runtime.clock.now()
        )

    async def _record_together(self, answers: Sequence[Answer], receipts: Sequence[Receipt]) -> None:
        """The ordinary case: one transaction. Where it fails, the answers are recorded all the same, and receipts as `_take` does."""
        ended, form, now = self.dispatcher.ended(answers), self._receiver.form, self._runtime.clock.now()
        batch = None if ended.empty else ended.batch()
        try:
            arrived = await self._runtime.write_patiently(
                outcomes.record_arrivals, self.carrier.id, form, batch, receipts, now, self._routes.last_catalog
            )
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001  (whose fault it was shows when each is recorded by itself)
            await self.dispatcher.record(ended, form)
            await self._take(receipts)
            return
        self.dispatcher.let_go(ended, arrived.carriers)
        self.bind.acknowledge([receipt.sequence for receipt in receipts])
        await self._receiver.learn(arrived.receipts)

    async def _take(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        """Record and acknowledge. What cannot be recorded must not come again for ever: it is put aside alone, and acknowledged."""
        try:
            await self._receiver.receive(deliveries)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, the carrier would send it again)
            if len(deliveries) > 1:
                for delivery in deliveries:
                    await self._take([delivery])
                return
            # No text and no traceback: a driver's error may quote what it was given.
            log.error("delivery.unreadable", carrier=self.carrier.name, bind=self.bind_id, error=type(error).__name__)  # noqa: TRY400
            await self._put_aside(deliveries[0])
        self.bind.acknowledge([delivery.sequence for delivery in deliveries])

    async def _put_aside(self, delivery: Receipt | InboundText) -> None:
        """Keep the octets as they came, with nothing read out of them."""
        data_coding = delivery.data_coding if isinstance(delivery, InboundText) else 0
        octets = Inbound("", "", "", data_coding, delivery.raw, 1, 1, 0)
        try:
            await self._runtime.write_patiently(inbound.keep, self.carrier.id, [octets], self._runtime.clock.now())
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, the carrier would send it again)
            log.error("delivery.lost", carrier=self.carrier.name, bind=self.bind_id, error=type(error).__name__)  # noqa: TRY400
