"""The store as the rest of the house sees it: `read` and `write` run one plain synchronous function as one transaction (law 5)."""

from collections.abc import Callable
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


class Store(Protocol):
    """One database. Callers hear after the commit; what a function raised is raised to its caller, and nothing of it is kept."""

    async def write(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` as a transaction, in a task that a cancelled caller cannot cut.

        Functions marked with `interactive` go before the others. Raises `Unavailable` when the database does not answer.
        """
        ...

    async def read(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on one snapshot, beside the writers."""
        ...

    async def close(self) -> None: ...
