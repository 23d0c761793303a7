"""A broadcast, live: looks at its counters, shows what changed, ends with its last message."""

from collections import deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from clarion.cli.broadcasts import ENDED, by_state, fields, find, open_messages, open_until
from clarion.cli.output import add_row, make_console, make_table, print_json, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from clarion.core.clock import Timer
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.history import Reason
    from clarion.store.views import BroadcastView

RATE_S = 3.0
"""The rate is what happened in so many last seconds."""

REASONS_SHARE = 0.1
"""Reading the reasons of a large broadcast takes a while: at most this share of the time goes into it."""

BAR_WIDTH = 60
COLORS = {
    "waiting": "grey37",
    "retry": "yellow",
    "marked": "cyan",
    "unknown": "magenta",
    "sent": "blue",
    "delivered": "green",
    "undelivered": "red",
    "refused": "dark_red",
    "suppressed": "grey62",
    "expired": "grey62",
    "cancelled": "grey62",
    "undetermined": "dark_magenta",
}


async def follow(runtime: "Runtime", view: "BroadcastView", owner: "Organization", interval_s: float, *, as_json: bool) -> None:
    """Show a broadcast until nothing of it is open; with `as_json` a line whenever something changed."""
    rate = _Rate(runtime.timer)
    reasons = _Reasons(runtime)
    last: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        screen = None if as_json else stack.enter_context(_screen())
        while True:
            now = rate.add(view)
            why = await reasons.of(view, final=not open_messages(view))
            if screen is not None:
                screen.update(_picture(view, owner, now, why))
            elif by_state(view) != last:
                last = by_state(view)
                shown = [{"state": each.state, "reason": each.reason, "messages": each.messages} for each in why]
                print_json(fields(view, owner) | {"messages_per_s": round(now), "reasons": shown})
            if not open_messages(view):
                return
            await runtime.timer.sleep(interval_s)
            view = await find(runtime, str(view.public_id))


class _Rate:
    """Messages a second that left for the carrier or ended without it, over the last seconds."""

    def __init__(self, timer: "Timer") -> None:
        self._timer = timer
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, view: "BroadcastView") -> float:
        counts = by_state(view)
        done = counts["unknown"] + counts["sent"] + sum(counts[state] for state in ENDED)
        self._seen.append((self._timer.monotonic(), done))
        while self._seen[-1][0] - self._seen[0][0] > RATE_S:
            self._seen.popleft()
        elapsed = self._seen[-1][0] - self._seen[0][0]
        return (self._seen[-1][1] - self._seen[0][1]) / elapsed if elapsed else 0.0


class _Reasons:
    """Reads why messages failed, as often as it is cheap, and at the end."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._next = 0.0
        self._known: list[Reason] = []

    async def of(self, view: "BroadcastView", *, final: bool) -> "list[Reason]":
        from clarion.store.history import failure_reasons

        began = self._runtime.timer.monotonic()
        if final or began >= self._next:
            self._known = await self._runtime.store.read(failure_reasons, view)
            ended = self._runtime.timer.monotonic()
            self._next = ended + (ended - began) / REASONS_SHARE
        return self._known


class _Screen:
    """Rich's live display, as the one thing that is done with it."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live = Live(console=make_console(), auto_refresh=False)

    def __enter__(self) -> "_Screen":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        # Rich ends its last picture only on a terminal.
        if not self._live.console.is_terminal:
            self._live.console.line()

    def update(self, picture: "RenderableType") -> None:
        self._live.update(picture, refresh=True)


def _screen() -> _Screen:
    return _Screen()


def _picture(view: "BroadcastView", owner: "Organization", rate: float, reasons: "list[Reason]") -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    head = Text(f"{view.public_id}  {printable(owner.name)}  {view.state}  {view.recipients:,} messages  {rate:,.0f}/s")
    open_ = Text(f"Open: {open_until(view, owner.zone) or 'nothing'}")
    if not reasons:
        return Group(head, _bar(view), open_)
    table = make_table(["State", "Why", ">Messages"])
    for why in reasons:
        add_row(table, (why.state, why.reason or "not told", f"{why.messages:,}"))
    return Group(head, _bar(view), open_, table)


def _bar(view: "BroadcastView") -> "Text":
    """All states as one bar, and their numbers below it. A state with one message has at least one cell."""
    from rich.text import Text

    counts = {state: count for state, count in by_state(view).items() if count}
    bar, legend = Text(), Text()
    for state, count in counts.items():
        bar.append("█" * max(1, round(BAR_WIDTH * count / view.recipients)), COLORS[state])
        legend.append("■ ", COLORS[state])
        legend.append(f"{state} {count:,}   ")
    return bar + Text("\n") + legend
