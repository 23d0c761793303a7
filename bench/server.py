"""`clarion serve` as it is, with a probe of its event loop beside it, and on request a profile.

Prints one JSON line when it answers: the URL, and the ids of its threads by name.
"""

import argparse
import asyncio
import cProfile
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from bench.lag import PERIOD_S, SAMPLE

from clarion.store.writer import Job, Writer
from clarion.wiring.server import Announcement, ServeOptions, serve


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("lag_file", type=Path)
    parser.add_argument("--database-url")
    parser.add_argument("--profile", type=Path, help="where the profile goes; a profiled server is about half as fast")
    options = parser.parse_args()
    profile = Profile() if options.profile else None
    with options.lag_file.open("wb") as lag_file:

        def announce(announcement: Announcement) -> None:
            _sample(lag_file)
            if profile is not None:
                profile.loop.enable()
            threads = {thread.name: thread.native_id for thread in threading.enumerate()}
            print(json.dumps({"url": announcement.url, "threads": threads}), flush=True)

        port = 0
        code = serve(ServeOptions(port=port, data_dir=options.data_dir, database_url=options.database_url, log_format="json"), announce)
    if profile is not None:
        profile.write(options.profile)
    return code


def _sample(file: BinaryIO) -> None:
    """How late the loop comes to what is due, for as long as it runs."""
    loop = asyncio.get_running_loop()

    def sample(due: float) -> None:
        now = time.monotonic()
        file.write(SAMPLE.pack(now, now - due))
        loop.call_later(PERIOD_S, sample, now + PERIOD_S)

    loop.call_later(PERIOD_S, sample, time.monotonic() + PERIOD_S)


class Profile:
    """Where the event loop's time goes, by cProfile, and what each function costs in the writer's thread."""

    def __init__(self) -> None:
        self.loop = cProfile.Profile()
        self._writes: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        submit, timed = Writer.submit, self._timed

        def timed_submit(self: Writer, job: Job, *, urgent: bool) -> None:
            job.function = timed(job.function)
            submit(self, job, urgent=urgent)

        Writer.submit = timed_submit  # type: ignore[method-assign]

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        cost = self._writes[function.__name__]

        def timed(*args: object, **kwargs: object) -> object:
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                cost[0] += 1
                cost[1] += time.perf_counter() - wall_s
                cost[2] += time.thread_time() - cpu_s

        return timed

    def write(self, path: Path) -> None:
        """`path` gets what cProfile saw, for pstats; beside it `.json` the writes: calls, seconds, CPU seconds by function."""
        self.loop.disable()
        self.loop.dump_stats(path)
        path.with_suffix(".json").write_text(json.dumps(self._writes))


if __name__ == "__main__":
    sys.exit(main())
