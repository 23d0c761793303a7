"""SQLite's one writer: takes what waits as soon as the last commit has ended, and commits it together (law 5)."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from clarion.core.clock import Timer
from clarion.store.errors import Unavailable
from clarion.store.interface import Stats, is_interactive

GROUP_S = 0.005
"""How long a group takes in more: whoever comes in between waits for it."""

WAL_BYTES_MAX = 64 * 1024 * 1024
"""A WAL that has grown beyond this, because readers held the checkpoints up, is emptied by force."""

TRUNCATE_WAIT_MS = 50
"""How long emptying it may wait for readers, who are short; the writer stands still meanwhile."""

TRUNCATE_AGAIN_S = 1.0
"""When it is tried again if they were not."""


@dataclass(slots=True, eq=False)
class Job:
    """One transaction that waits, and then how it ended. `ticket` is the caller's."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    ticket: Any
    result: Any = None
    error: BaseException | None = None


class Writer(threading.Thread):
    """Runs jobs in groups on the one connection of `engine`; `settle` is called in this thread after each group's commit.

    `unavailable` turns an error of the database that may pass into `Unavailable`, and gives None for every other.
    """

    def __init__(
        self,
        engine: sa.Engine,
        path: Path,
        timer: Timer,
        stats: Stats,
        unavailable: Callable[[BaseException], Unavailable | None],
        settle: Callable[[Sequence[Job]], None],
    ) -> None:
        super().__init__(name="clarion-writer", daemon=True)
        self._engine = engine
        self._wal = os.fspath(path.with_name(path.name + "-wal"))
        self._monotonic = timer.monotonic
        self._stats = stats
        self._unavailable = unavailable
        self._settle = settle
        self._urgent: deque[Job] = deque()
        self._ordinary: deque[Job] = deque()
        self._bell = threading.Event()
        self._closing = False
        self._connection: sa.Connection | None = None
        self._truncate_after = 0.0

    def submit(self, job: Job, *, urgent: bool) -> None:
        """From the one thread that also finishes; order is kept within each kind."""
        if self._closing:
            raise Unavailable("The database is closed.")
        (self._urgent if urgent else self._ordinary).append(job)
        self._bell.set()

    def finish(self) -> None:
        """Do what waits, then end; does not wait for the end."""
        self._closing = True
        self._bell.set()

    def run(self) -> None:
        while True:
            # Asked before the look: what was submitted before the end was seen.
            closing = self._closing
            first = self._take()
            if first is not None:
                self._settle(self._commit_group(first))
                self._keep_wal_short()
            elif closing:
                break
            else:
                self._bell.wait()
                self._bell.clear()
        self._let_go()

    def _take(self) -> Job | None:
        if self._urgent:
            return self._urgent.popleft()
        return self._ordinary.popleft() if self._ordinary else None

    def _commit_group(self, first: Job) -> Sequence[Job]:
        started = self._monotonic()
        group: list[Job] = []
        try:
            opened = self._open()
            before = _changes(opened)
            with opened.begin() as transaction:
                connection = transaction.connection
                job: Job | None = first
                somebody_waits = False
                while job is not None:
                    group.append(job)
                    somebody_waits = somebody_waits or is_interactive(job.function)
                    job.result = job.function(connection, *job.args, **job.kwargs)
                    job = self._next(started, somebody_waits=somebody_waits)
        except BaseException as error:  # noqa: BLE001  (whatever it is, it belongs to the caller)
            if not group:
                return self._fail([first, *self._waiting()], error)
            if len(group) == 1:
                return self._fail(group, error)
            self._passed(error)
            return [self._alone(job) for job in group]
        self._stats.add(len(group), self._monotonic() - started, changed=_changes(opened) != before)
        return group

    def _next(self, started: float, *, somebody_waits: bool) -> Job | None:
        """What else goes into the transaction: once somebody waits for its commit, nothing that nobody waits for."""
        if self._monotonic() - started >= GROUP_S or (somebody_waits and not self._urgent):
            return None
        return self._take()

    def _alone(self, job: Job) -> Job:
        job.result = None
        started = self._monotonic()
        try:
            opened = self._open()
            before = _changes(opened)
            with opened.begin() as transaction:
                job.result = job.function(transaction.connection, *job.args, **job.kwargs)
        except BaseException as error:  # noqa: BLE001  (as above)
            self._fail([job], error)
        else:
            self._stats.add(1, self._monotonic() - started, changed=_changes(opened) != before)
        return job

    def _waiting(self) -> Iterable[Job]:
        # BEGIN failed after its whole time-out: let nobody who waits already wait for another one.
        while (job := self._take()) is not None:
            yield job

    def _fail(self, jobs: Sequence[Job], error: BaseException) -> Sequence[Job]:
        passed = self._passed(error)
        for job in jobs:
            job.result = None
            job.error = passed or error
        return jobs

    def _passed(self, error: BaseException) -> Unavailable | None:
        """The error as `Unavailable` if it is one; the connection is not trusted after it."""
        passed = self._unavailable(error)
        if passed is not None:
            passed.__cause__ = error
            self._stats.blocked = str(passed)
            self._let_go()
        return passed

    def _open(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _keep_wal_short(self) -> None:
        try:
            size = os.stat(self._wal).st_size  # noqa: PTH116  (after every commit, and a Path takes three times as long)
        except OSError:
            # Its folder was moved or deleted: this connection writes to what nobody finds again, a new one says so.
            self._let_go()
            return
        now = self._monotonic()
        if size <= WAL_BYTES_MAX or now < self._truncate_after or self._connection is None:
            return
        self._truncate_after = now + TRUNCATE_AGAIN_S
        driver: Any = self._connection.connection.driver_connection
        with suppress(Exception):
            (patience,) = driver.execute("PRAGMA busy_timeout").fetchone()
            try:
                driver.execute(f"PRAGMA busy_timeout = {TRUNCATE_WAIT_MS}")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                driver.execute(f"PRAGMA busy_timeout = {patience}")


def _changes(connection: sa.Connection) -> int:
    """Rows that this connection has changed so far."""
    driver: Any = connection.connection.driver_connection
    return int(driver.total_changes)
