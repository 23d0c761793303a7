"""A client of a peer's HTTP API that costs little: connections that are kept, and one request at a time on each."""

import asyncio
from collections.abc import Callable, Iterator
from typing import cast


async def send(port: int, requests: Iterator[bytes], connections: int, may_go: Callable[[], bool] | None = None) -> None:
    """Send all of them, and wait until they are accepted. Raises RuntimeError at the first that is not.

    While `may_go` says no, nothing new is sent.
    """
    loop = asyncio.get_running_loop()
    opened = []
    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: _Connection(requests, may_go), "127.0.0.1", port)
        opened.append(connection)
    try:
        await asyncio.gather(*(connection.done for connection in opened))
    finally:
        for connection in opened:
            connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], may_go: Callable[[], bool] | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._requests = requests
        self._may_go = may_go
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not _is_whole(self._buffer):
            return
        answer, self._buffer = self._buffer, b""
        if answer[9:12] not in {b"200", b"202"}:
            self._end(RuntimeError(f"a request was answered {answer[:500]!r}"))
            return
        self._next()

    def connection_lost(self, _: Exception | None) -> None:
        self._end(RuntimeError("a connection to the peer was lost"))

    def close(self) -> None:
        """Nothing more is sent."""
        self._end(None)
        self._transport.close()

    def _next(self) -> None:
        if self.done.done():
            return
        if self._may_go is not None and not self._may_go():
            self._loop.call_later(0.01, self._next)
        elif request := next(self._requests, b""):
            self._transport.write(request)
        else:
            self._end(None)

    def _end(self, reason: Exception | None) -> None:
        if self.done.done():
            return
        if reason is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(reason)


def _is_whole(answer: bytes) -> bool:
    """RFC 9112, section 6: by its length, or in chunks."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, found, length = head.lower().partition(b"content-length:")
    return len(body) >= int(length.partition(b"\r\n")[0]) if found else body.endswith(b"0\r\n\r\n")
