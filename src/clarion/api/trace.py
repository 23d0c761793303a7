"""What is known of a request while it is answered, for its log line."""

from dataclasses import dataclass

from starlette.types import Scope

from clarion.core.rates import Admission

SCOPE_KEY = "clarion.trace"


@dataclass(slots=True)
class Trace:
    """`organization_id` is known once the key was looked up, `admission` once the request was counted."""

    request_id: str
    organization_id: int | None = None
    admission: Admission | None = None


def trace_of(scope: Scope) -> Trace:
    """The trace that the middleware put there."""
    trace: Trace = scope[SCOPE_KEY]
    return trace
