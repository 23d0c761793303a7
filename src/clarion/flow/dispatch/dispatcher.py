"""Dispatch: one bind's messages, marked, put on the wire, and recorded as they end (law 2 of the design).

What a message goes through here: `take` marks it, it waits in hand for a place in the window and a token, it is submitted, its answer
comes, its outcome is committed. From the mark to the commit it is in doubt, and at most twice the window may be.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress

import structlog

from clarion.broker.interface import PLAN, carrier_topic
from clarion.carriers.interface import Answer, Bind, Submission
from clarion.core.rates import TokenBucket
from clarion.core.states import Outcome
from clarion.flow.dispatch.desk import Desk
from clarion.flow.dispatch.journey import Ended, Journey
from clarion.flow.dispatch.trail import Trail
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import binds, marks, outcomes
from clarion.store.binds import Lease
from clarion.store.catalog import Catalog
from clarion.store.errors import Unavailable

POLL_S = 1.0
"""Rings may be lost: everybody looks as often as this (law 1)."""

MARK_SHARE = 2
"""Marks wait until half of what may be marked is free, unless a ring came: each costs as much as a hundred messages."""

BUSY_MARK_SHARE = 8
"""Where the carrier has half a window to answer and little is left in hand, they wait for an eighth only: the window must stay full."""

KEPT_SHARE = 16
"""A sixteenth of a window is kept for single sends and replies. More would cost the wire: while a carrier that answers late has a whole
window, another one must be in hand to follow it at once."""

AHEAD_S = 0.1
"""On a limited carrier no more is marked than goes out in this time, so that a single send or a pause need not wait for a window."""

THROTTLED_S = (0.1, 5.0)
"""First and longest rest after a throttling answer; each one in a row doubles it."""

THROTTLED_MAX = 10
"""A message that was turned away so often leaves the hand and is tried again later, so that its place is free for others."""

TOKENS_S = 0.01
"""On a limited carrier tokens are waited for at least so long: what has gathered goes out in one write and one commit."""

LATER_MICROS = 60 * 1_000_000

UNBOUND_S = 2.0
"""After this long without a connection, what is in hand goes back to the road, where another bind may take it."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Feeds one bind: `run` it until it ends or is cancelled; its bind's answers go to `answered` and, in batches, to `record`."""

    def __init__(
        self, runtime: Runtime, lease: Lease, carrier_id: int, bind: Bind, bucket: TokenBucket, settings: Settings | None = None
    ) -> None:
        """`settings` know the other routes; without them what is refused stays so."""
        self._runtime = runtime
        self._lease = lease
        self._carrier_id = carrier_id
        self._bind = bind
        self._bucket = bucket
        self._settings = settings
        self._desk = Desk()
        self._wake = asyncio.Event()
        self._rung = True
        self._more = False
        self._stopping = False
        self._rest_s = 0.0
        self._rest_until = 0.0
        self._unbound_since: float | None = None
        self._given_back = True
        self._uncertain = False
        self.bypassed = False
        """While the carrier is out and others take what they can: nothing is marked, and what the wire does not have is put back."""
        self.trail = Trail()
        self.fenced = asyncio.Event()
        """Set when the bind turned out to belong to somebody else: nothing more is sent, facts are still recorded."""

    @property
    def doubt(self) -> int:
        """Messages marked whose outcome is not committed."""
        return len(self._desk.journeys)

    async def run(self) -> None:
        """Mark and send until cancelled, or until the bind is somebody else's. After `stop` what was begun is still sent to its end."""
        listening = asyncio.ensure_future(self._listen())
        try:
            while not self.fenced.is_set():
                self._wake.clear()
                if await self._step():
                    # What was marked goes out in a step of its own: whoever sends a single text waits for each.
                    await self._runtime.timer.sleep(0)
                else:
                    await self._rest()
        finally:
            listening.cancel()

    def stop(self) -> None:
        """Mark nothing more. What is in hand and was never given to the wire is to be put back by `put_back`."""
        self._stopping = True
        self._wake.set()

    def wake(self) -> None:
        """Look again: the connection's state has changed."""
        self._wake.set()

    async def _step(self) -> bool:
        """Mark what there is room for and send what the wire takes; False if there is nothing to do but wait."""
        self._send()
        if self._stopping:
            return False
        if self._bind.state != "bound":
            await self._leave_unbound()
            return False
        self._unbound_since = None
        if self.bypassed:
            if self._desk.waiting():
                await self.put_back(begun=False)
            return False
        if self._uncertain:
            # A mark may have been committed and its messages lost with the answer: they must not stay without a row.
            if self.doubt == 0:
                await self._give_back()
            return False
        room, bulk_room = self._room()
        worth_it = bulk_room * self._share() >= self._capacity()
        if not self._bind.can_submit or room <= 0 or not (self._rung or (self._more and worth_it)):
            return False
        # Somebody may wait for a single send: a mark for a ring goes first, and takes bulk along only where there is much room.
        take = marks.take_first if self._rung else marks.take
        self._rung = False
        self._given_back = False
        now = self._runtime.clock.now()
        try:
            taken = await self._runtime.store.write(
                take,
                self._lease.bind_id,
                self._carrier_id,
                self._lease.fence,
                room,
                bulk_room if worth_it else 0,
                dict(self._desk.in_flight),
                now,
            )
        except Unavailable as error:
            log.warning("store.unavailable", doing="mark", bind=self._lease.bind_id, carrier_id=self._carrier_id, error=str(error))
            self._uncertain = True
            return False
        if taken.fenced:
            log.warning("bind.fenced", bind=self._lease.bind_id, carrier_id=self._carrier_id)
            self.fenced.set()
            return True
        if taken.exhausted:
            self._runtime.broker.ring(PLAN)
        self._more = taken.more
        cut_otherwise = Ended(self._carrier_id)
        self._desk.take(taken, self._bind, now, cut_otherwise)
        await self.record(cut_otherwise, None)
        return bool(taken.messages)

    def _share(self) -> int:
        """Which part of what may be marked has to be free for a mark to be worth its while."""
        window = self._bind.window
        busy = 2 * self._bind.free <= window and 4 * self._desk.waiting() <= window
        return BUSY_MARK_SHARE if busy else MARK_SHARE

    def _capacity(self) -> int:
        """How many messages of lane 2 may be marked at most."""
        capacity = 2 * self._bind.window - self._bind.window // KEPT_SHARE
        return min(capacity, self._ahead()) if self._bucket.rate_per_second > 0 else capacity

    def _ahead(self) -> int:
        return max(1, int(self._bucket.rate_per_second * AHEAD_S))

    def _room(self) -> tuple[int, int]:
        """How many messages may be marked now, and how many of lane 2."""
        room = 2 * self._bind.window - self.doubt
        if self._bucket.rate_per_second > 0:
            room = min(room, self._ahead() - self._desk.waiting())
        return room, min(room, self._capacity() - (self.doubt if self._bucket.rate_per_second == 0 else self._desk.waiting()))

    def _send(self) -> None:
        """Give the wire what it takes: by lane, within the window and the rate."""
        now = self._runtime.timer.monotonic()
        free = self._bind.free
        if free <= 0 or now < self._rest_until:
            return
        batch: list[Submission] = []
        journeys = self._desk.journeys
        for lane in self._desk.hand:
            room = min(len(lane), free - len(batch))
            if self._bucket.rate_per_second > 0:
                room = next((n for n in range(room) if not self._bucket.take(1, now)), room)
            batch += [lane.popleft() for _ in range(room)]
        given = self._bind.submit(batch) if batch else 0
        if given:
            went = batch if given == len(batch) else batch[:given]
            self.trail.add(went, self._bind.place, journeys, self._runtime.clock.now())
            for submission in went:
                journeys[submission.message_id].given += 1
        for submission in reversed(batch[given:]):
            self._desk.hand[journeys[submission.message_id].message.lane].appendleft(submission)

    async def _rest(self) -> None:
        """Wait for a ring, an answer, a committed outcome or a token; at most until the next poll."""
        timeout = POLL_S
        now = self._runtime.timer.monotonic()
        if self._desk.waiting() and self._bind.free > 0:
            timeout = min(timeout, max(self._rest_until - now, self._bucket.wait_s(1, now), TOKENS_S))
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()

    async def _listen(self) -> None:
        listener = self._runtime.broker.listen([carrier_topic(self._carrier_id)])
        try:
            while True:
                await listener.wait(POLL_S)
                self._rung = True
                self._wake.set()
        finally:
            listener.close()

    def answered(self, answers: Sequence[Answer]) -> None:
        """Keep the wire full as soon as answers made room on it; throttled submissions go back in hand, first in their lane."""
        outcomes = {answer.outcome for answer in answers}
        if Outcome.THROTTLED in outcomes:
            first, longest = THROTTLED_S
            self._rest_s = min(max(first, self._rest_s * 2), longest)
            self._rest_until = self._runtime.timer.monotonic() + self._rest_s
        elif Outcome.SENT in outcomes:
            self._rest_s = 0.0
        if outcomes != {Outcome.SENT}:
            self._take_back(answers)
        self._send()
        self._wake.set()

    def _take_back(self, answers: Sequence[Answer]) -> None:
        """What was not taken: throttled parts into the hand again, the rest of a refused message out of it."""
        throttled = [answer.submission for answer in answers if answer.outcome is Outcome.THROTTLED]
        enough: set[int] = set()
        for submission in reversed(throttled):
            journey = self._desk.journey_of(submission)
            if journey is not None and not journey.has_given_up(submission.part):
                journey.turn_away(last=THROTTLED_MAX)
                if not journey.cut:
                    self._desk.hand[journey.message.lane].appendleft(submission)
                elif journey.parts > 1:
                    enough.add(submission.message_id)
        if enough:
            self._cut(enough)
        for answer in answers:
            submission = answer.submission
            journey = self._desk.journey_of(submission)
            if journey is None:
                continue
            if answer.outcome is Outcome.REFUSED and submission.parts > 1:
                self._cut({submission.message_id})
            elif answer.outcome is Outcome.UNKNOWN:
                journey.give_up(submission.part)

    def _cut(self, message_ids: set[int]) -> None:
        """Take what is left of these messages out of hand: no further part of them is given."""
        for message_id in message_ids & self._desk.journeys.keys():
            self._desk.journeys[message_id].cut = True
        for lane in self._desk.hand:
            kept = [submission for submission in lane if submission.message_id not in message_ids]
            if len(kept) < len(lane):
                lane.clear()
                lane.extend(kept)

    def ended(self, answers: Sequence[Answer]) -> Ended:
        """What answers say of their messages: outcomes, parts, attempts."""
        ended = Ended(self._carrier_id)
        touched: dict[int, Journey] = {}
        journeys, sent = self._desk.journeys, Outcome.SENT
        for answer in answers:
            submission = answer.submission
            message_id = submission.message_id
            journey = journeys.get(message_id)
            if journey is None or journey.message.attempt != submission.attempt:
                ended.add_late(answer)
                continue
            if answer.outcome is sent and journey.parts == 1:
                # Nearly every message ends here; an `unknown` of the same batch is overtaken.
                touched.pop(message_id, None)
                ended.add_sent(journey.message, answer)
                continue
            if answer.outcome is not Outcome.THROTTLED:
                journey.answers[submission.part] = answer
            elif not journey.cut:
                continue
            touched[message_id] = journey
        now = self._runtime.clock.now()
        for journey in touched.values():
            if journey.finished:
                ended.add(journey, now + (LATER_MICROS if journey.turned_away else 0))
        return ended

    async def put_back(self, *, begun: bool = True) -> None:
        """Write what is in hand, and was never given to the wire, as `retry`, due at once.

        With `begun` False the rest of long messages of which a part was given stays in hand, to be sent.
        """
        in_hand = {submission.message_id for lane in self._desk.hand for submission in lane}
        if not begun:
            in_hand = {message_id for message_id in in_hand if not self._desk.journeys[message_id].given}
        self._cut(in_hand)
        ended = Ended(self._carrier_id)
        for message_id in in_hand:
            if self._desk.journeys[message_id].finished:
                ended.add(self._desk.journeys[message_id], self._runtime.clock.now())
        await self.record(ended, None)

    async def record(self, ended: Ended, form: str | None) -> None:
        """Commit it: outcomes, parts, money; then orphaned receipts that were waiting for these references."""
        if not ended.empty:
            now = self._runtime.clock.now()
            self.let_go(ended, await self._runtime.write_patiently(outcomes.record_outcomes, ended.batch(), form, now, self._catalog))

    @property
    def _catalog(self) -> Catalog | None:
        return None if self._settings is None else self._settings.last_catalog

    def let_go(self, ended: Ended, carriers: Collection[int]) -> None:
        """It is committed: nothing of it is in doubt any more, and `carriers` got something to try again."""
        for carrier_id in carriers:
            self._runtime.broker.ring(carrier_topic(carrier_id))
        journeys = self._desk.journeys
        gone = [journeys.pop(message_id) for message_id in ended.message_ids if message_id in journeys]
        self._desk.in_flight.subtract(Counter([journey.message.organization_id for journey in gone]))
        self._wake.set()

    async def _leave_unbound(self) -> None:
        """A connection that stays away gives its messages and chunks back, once nothing of them is in doubt."""
        now = self._runtime.timer.monotonic()
        if self._unbound_since is None:
            self._unbound_since = now
        if now - self._unbound_since < UNBOUND_S:
            return
        if self._desk.waiting():
            await self.put_back()
        if self.doubt == 0 and not self._given_back:
            await self._give_back()

    async def _give_back(self) -> None:
        bind_id, fence = self._lease.bind_id, self._lease.fence
        lost = await self._runtime.write_patiently(binds.give_back, bind_id, fence, self._runtime.clock.now())
        if lost:
            log.warning("bind.doubt", bind=bind_id, carrier_id=self._carrier_id, messages=lost)
        self._given_back = True
        self._uncertain = False
        self._runtime.broker.ring(carrier_topic(self._carrier_id))
