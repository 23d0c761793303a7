"""Whether the process should get traffic: the database answers and takes writes, and somebody can send."""

from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.wiring.connections import Connections

SILENT_S = 3.0
"""A database that has not answered the polls for so long makes the process not ready."""


def not_ready(runtime: Runtime, settings: Settings, connections: Connections) -> list[str]:
    """The reasons, none of them if it is ready. Nothing is asked for this: a request finds what the process knows.

    Leases are renewed every three seconds, so a database that takes no writes is known of without any traffic.
    """
    silent_s = runtime.timer.monotonic() - settings.answered_at
    silence = [f"the database has not answered for {silent_s:.0f} seconds"] if silent_s > SILENT_S else []
    blocked = runtime.store.stats.blocked
    refusal = [f"the last write was not taken: {blocked}"] if blocked is not None else []
    return silence + refusal + connections.not_ready()
