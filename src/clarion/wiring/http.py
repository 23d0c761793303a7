"""An app on a socket: uvicorn without its own signals, since the process has an order of ending."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp

from clarion.core.clock import Timer

GRACE_S = 5
"""How long open requests may take after SIGTERM."""

STARTED_S = 0.05
"""Between two looks whether it answers."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def answering(app: ASGIApp, opened: socket.socket, timer: Timer) -> AsyncIterator[None]:
    """HTTP on a socket that is already ours."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # the app believes them from trusted proxies alone
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Uvicorn(config)
    serving = asyncio.create_task(server.serve(sockets=[opened]))
    try:
        while not server.started and not serving.done():
            await timer.sleep(STARTED_S)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({serving})
        if not serving.cancelled() and (error := serving.exception()) is not None:
            log.error("http.failed", exc_info=error)


class _Uvicorn(uvicorn.Server):
    """Without signal handlers: the process has its own order of ending."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to `server`."""
        yield


def open_socket(host: str, port: int) -> socket.socket:
    """The address that HTTP is answered on, taken before anything else is done. Raises OSError if it is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(2048)
    except BaseException:
        opened.close()
        raise
    return opened
