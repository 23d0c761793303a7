"""Health: whether each carrier works, told by its binds and their answers; what is decided here, accept and sweep go by.

Every process looks at the rows of all binds and at the answers of its own. The rules are `core.health` and `carriers.verdict`.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from clarion.carriers.meter import Meter
from clarion.carriers.verdict import Bounds, Verdict
from clarion.core.health import Change, Course, Patience, Seen
from clarion.core.routes import Health
from clarion.runtime import Runtime
from clarion.store import health
from clarion.store.catalog import Carrier
from clarion.store.errors import Unavailable

PERIOD_S = 1.0

log = structlog.get_logger(__name__)


class Held(Protocol):
    """A bind that this process holds."""

    @property
    def bind_id(self) -> int: ...
    @property
    def carrier(self) -> Carrier: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def unanswered(self) -> int: ...


class Watch:
    """Looks once a second."""

    def __init__(
        self, runtime: Runtime, held: Callable[[], Iterable[Held]], patience: Patience | None = None, bounds: Bounds | None = None
    ) -> None:
        self._runtime = runtime
        self._held = held
        self._patience = patience or Patience()
        self._bounds = bounds or Bounds()
        self._courses: dict[int, Course] = {}
        self._healths: dict[int, Health] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._told: dict[int, str] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._runtime.timer.sleep(PERIOD_S)
            try:
                await self.look()
            except Unavailable as error:
                log.warning("store.unavailable", doing="health", error=str(error))

    async def look(self) -> None:
        """One look at all carriers."""
        now = self._runtime.timer.monotonic()
        held = list(self._held())
        await self._judge(held, now)
        seen = await self._runtime.store.read(health.look)
        self._begin_anew(held, seen, now)
        proven = {each.carrier.id for each in held if self._verdicts[each.bind_id].proven}
        self._courses = {each.carrier_id: self._courses.get(each.carrier_id) or Course(self._patience) for each in seen}
        for each in seen:
            due = self._courses[each.carrier_id].look(each, now, proven=each.carrier_id in proven)
            if due is not None and await self._runtime.store.write(health.change, due, self._runtime.clock.now()):
                _tell(due)

    async def _judge(self, held: Iterable[Held], now: float) -> None:
        """Judge the answers of this process's binds, and keep what is new."""
        self._verdicts = {each.bind_id: self._verdicts.get(each.bind_id) or Verdict(self._bounds, now) for each in held}
        for each in held:
            self._verdicts[each.bind_id].look(each.meter.answers, each.unanswered, now)
        troubles = {bind_id: verdict.trouble for bind_id, verdict in self._verdicts.items()}
        new = [(bind_id, trouble) for bind_id, trouble in troubles.items() if trouble != self._told.get(bind_id, "")]
        if new:
            await self._runtime.store.write(health.note_trouble, self._runtime.store.owner, new)
        self._told = troubles

    def _begin_anew(self, held: Iterable[Held], seen: Iterable[Seen], now: float) -> None:
        """What is probed or well again, by whichever process that was decided, is judged by what comes from now on."""
        healths = {each.carrier_id: each.health for each in seen}
        before, self._healths = self._healths, healths
        for each in held:
            known, found = before.get(each.carrier.id), healths.get(each.carrier.id)
            if known is not None and found not in {None, known, Health.OUT}:
                self._verdicts[each.bind_id].begin_anew(now, on_probation=found is Health.PROBING)
                self._told[each.bind_id] = ""


def _tell(due: Change) -> None:
    level = log.warning if due.health is Health.OUT else log.info
    level(f"carrier.{due.health}", carrier=due.seen.name, reason=due.reason, outages=due.outages)
