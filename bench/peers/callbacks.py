"""Who is called back: counts a peer's delivery callbacks, in a process of its own. Prints its port, and answers until SIGTERM.

A callback is a GET with the recipient's number behind `?n=`; `/count` answers how many came, and for how many numbers.
"""

import asyncio
import json
import signal
import sys
from typing import cast

import uvloop


class Receiver(asyncio.Protocol):
    """One connection, kept alive. Peers send no second request before the answer to the first."""

    called = 0
    numbers: set[bytes] = set()  # noqa: RUF012  (of all connections)
    answer = b""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head, buffer = buffer[:end], buffer[end + 4 :]
            target = head[: head.index(b"\r\n")].split(b" ")[1]
            if target == b"/count":
                self._transport.write(_response(json.dumps([Receiver.called, len(Receiver.numbers)]).encode()))
                continue
            Receiver.called += 1
            Receiver.numbers.add(target.partition(b"?n=")[2].partition(b"&")[0])
            self._transport.write(Receiver.answer)
        self._buffer = buffer


def _response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def main(body: str) -> None:
    """Serve."""
    Receiver.answer = _response(body.encode())
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Receiver, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1] if len(sys.argv) > 1 else ""))
