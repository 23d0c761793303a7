"""The store as the rest of the house sees it: `read` and `write` run one plain synchronous function as one transaction (law 5)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
T = TypeVar("T")

Transaction = Callable[Concatenate[Connection, P], T]
"""Gets a connection and plain data, returns plain data, never awaits, does no other I/O, and may be run again."""


F = TypeVar("F", bound=Callable[..., Any])


def interactive(function: F) -> F:
    """Mark a transaction that somebody waits for: such writes go before the others."""
    function.interactive = True  # type: ignore[attr-defined]
    return function


def is_interactive(function: Callable[..., Any]) -> bool:
    """Whether `interactive` marked it."""
    return getattr(function, "interactive", False)


@dataclass(slots=True)
class Stats:
    """What the writes of this process cost so far. A hold is the time from BEGIN to the end of COMMIT.

    `blocked` is why the last write was not taken (`Unavailable`), None since one was.
    """

    commits: int = 0
    functions: int = 0
    held_s: float = 0.0
    longest_hold_ms: float = 0.0
    blocked: str | None = None

    def add(self, functions: int, held_s: float, *, changed: bool = True) -> None:
        """Count one commit of so many functions. One that changed nothing proves nothing: a full disk takes it too."""
        if changed:
            self.blocked = None
        self.commits += 1
        self.functions += functions
        self.held_s += held_s
        self.longest_hold_ms = max(self.longest_hold_ms, held_s * 1000)


class Store(Protocol):
    """One database. Callers hear after the commit; what a function raised is raised to its caller, and nothing of it is kept."""

    stats: Stats

    owner: int
    """The number under which this process holds binds; 0 if it was opened without one."""

    async def write(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` as a transaction, in a task that a cancelled caller cannot cut.

        Functions marked with `interactive` go before the others. Raises `Unavailable` when the database does not answer.
        """
        ...

    async def read(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on one snapshot, beside the writers."""
        ...

    async def take_ownership(self) -> int:
        """Give this process a number of its own, which `owner` then is; others can tell when it has gone (`owners.gone_owners`)."""
        ...

    async def close(self) -> None:
        """Finish the writes that were begun, then let go of the database."""
        ...
