"""What dominates: the event loop's time by package, and the writer's by function, from one profiled run."""

import json
import pstats
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

OTHERS = "all others"


class Share(NamedTuple):
    """A part of a thread's time: who, how often (0: not counted), and the share of the whole, 0 to 1."""

    name: str
    calls: int
    share: float


def of_loop(profile: Path, most: int = 14) -> list[Share]:
    """By file of ours, and by package of others. What C functions take belongs to who calls them."""
    seconds: dict[str, float] = defaultdict(float)
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, own_s, _, callers) in stats.items():
        if file != "~":
            seconds[_home(file)] += own_s
            continue
        for (caller_file, _, _), (_, _, called_s, _) in callers.items():
            seconds[_home(caller_file) if caller_file != "~" else name] += called_s
        if not callers:
            seconds[name] += own_s
    total_s = sum(seconds.values())
    return _first([Share(name, 0, own_s / total_s) for name, own_s in seconds.items()], most)


def of_writer(profile: Path, writer_cpu_s: float, most: int = 10) -> list[Share]:
    """By function, and what is left: BEGIN, COMMIT and waking the callers."""
    writes: dict[str, list[float]] = json.loads(profile.with_suffix(".json").read_text())
    shares = [Share(name, int(calls), cpu_s / writer_cpu_s) for name, (calls, _, cpu_s) in writes.items()]
    shares.append(Share("BEGIN, COMMIT, waking the callers", 0, 1 - sum(share.share for share in shares)))
    return _first(shares, most)


def _first(shares: list[Share], most: int) -> list[Share]:
    ordered = sorted(shares, key=lambda share: -share.share)
    rest = sum(share.share for share in ordered[most:])
    return [*ordered[:most], *([Share(OTHERS, 0, rest)] if rest > 0 else [])]


def _home(file: str) -> str:
    """`clarion/flow/accept.py` for ours, the package's name for what is installed, `Python` for the standard library."""
    _, found, inner = file.rpartition("/src/clarion/")
    if found:
        return f"clarion/{inner}"
    _, found, inner = file.rpartition("/site-packages/")
    if found:
        return inner.partition("/")[0]
    return "compiled" if file.endswith(".pyx") else "Python"
