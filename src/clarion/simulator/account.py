"""What an SMSC keeps for one customer across connections: receipts and texts that are still to be brought."""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clarion.simulator.session import SmscSession


class TextBody(bytes):
    """A text of a phone: everything else in `waiting` is a receipt."""


class Account:
    """The connections of one system_id. Everything in `waiting` is the body of a deliver_sm."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self._sessions: list[SmscSession] = []

    def join(self, session: "SmscSession") -> None:
        """A connection was bound."""
        self._sessions.append(session)

    def leave(self, session: "SmscSession", unacknowledged: list[bytes]) -> None:
        """A connection is gone: what it did not acknowledge comes first on another."""
        self._sessions.remove(session)
        self.waiting.extendleft(reversed(unacknowledged))
        self._bring(None)

    def send(self, bodies: list[bytes], preferred: "SmscSession | None" = None) -> None:
        """Bring these, rather on the connection that submitted, or keep them until one is there that can receive."""
        self.waiting.extend(bodies)
        self._bring(preferred)

    def _bring(self, preferred: "SmscSession | None") -> None:
        if preferred is not None and preferred.receives:
            preferred.send_receipts()
        for session in self._sessions:
            if not self.waiting:
                return
            session.send_receipts()
