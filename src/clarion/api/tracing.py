"""Around every request: its id, its log line, its metrics, and an answer when something breaks.

Plain ASGI, because Starlette's BaseHTTPMiddleware runs each request in a second task and copies its body through a queue.
"""

import re

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clarion.api.envelopes import envelope_at
from clarion.api.metrics import HttpMetrics
from clarion.api.refusals import Code, Refusal
from clarion.api.services import Services
from clarion.api.trace import SCOPE_KEY, Trace
from clarion.store.errors import Unavailable

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,128}")
"""What a caller may name its request: it is echoed in a header and printed in logs."""

REQUEST_ID_CHARACTERS = 20

PATH_CHARACTERS_MAX = 200
"""Of a path in the log: a caller may make it as long as the server takes."""

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines, so logged at debug level."""

CLIENT_CLOSED = 499
"""The caller hung up before the answer: a status for log and metrics only, by nginx's custom."""

AGAIN_S = 5
"""When it is worth asking a database again that did not answer: the stages ask every second, and a restart takes some."""

log = structlog.stdlib.get_logger("clarion.api")


class Tracing:
    """Every answer has `X-Request-Id`: the caller's own, if it is sane."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._timer = services.runtime.timer
        self._ids = services.runtime.ids
        self._powered_by = services.powered_by
        self._metrics = HttpMetrics(services.registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = Trace(_sane_id(scope) or self._ids.token(REQUEST_ID_CHARACTERS))
        answering = _Answering(send, trace.request_id, without_body=scope["method"] == "HEAD")
        method, started = scope["method"], self._timer.monotonic()
        inner = {**scope, SCOPE_KEY: trace, "method": "GET" if method == "HEAD" else method}
        with structlog.contextvars.bound_contextvars(request_id=trace.request_id):
            status = await self._answered(inner, receive, answering)
            duration_s = self._timer.monotonic() - started
            self._metrics.observe(method, inner, status, duration_s)
            write = log.debug if scope["path"] in QUIET_PATHS else log.info
            write(
                "request",
                method=method,
                path=_printable_path(scope),
                status=status,
                duration_ms=round(duration_s * 1000, 1),
                organization_id=trace.organization_id,
            )

    async def _answered(self, scope: Scope, receive: Receive, answering: "_Answering") -> int:
        """Run the app; its own breakdowns become answers in the envelope of the path."""
        code = Code.INTERNAL
        try:
            await self._app(scope, receive, answering)
        except ClientDisconnect:
            return CLIENT_CLOSED
        except Unavailable as error:
            log.warning("store_unavailable", reason=str(error))
            code = Code.UNAVAILABLE
        except Exception:
            log.exception("request_broke")
        else:
            return answering.status
        if not answering.status:
            headers = {"Retry-After": str(AGAIN_S)} if code is Code.UNAVAILABLE else {}
            refusal = Refusal(code, values={"request_id": scope[SCOPE_KEY].request_id}, headers=headers)
            await envelope_at(scope["path"], self._powered_by)(refusal)(scope, receive, answering)
        return answering.status


class _Answering:
    """`send`, with the request id in the headers, the status noted, and no body where only the head was asked for."""

    def __init__(self, send: Send, request_id: str, *, without_body: bool) -> None:
        self.status = 0
        self._send = send
        self._header = (b"x-request-id", request_id.encode("ascii"))
        self._without_body = without_body

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        elif self._without_body and message["type"] == "http.response.body":
            message["body"] = b""
        await self._send(message)


def _sane_id(scope: Scope) -> str | None:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if SANE_REQUEST_ID.fullmatch(given) else None


def _printable_path(scope: Scope) -> str:
    """As it came, still percent-encoded: a decoded one may hold line breaks."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("ascii", "backslashreplace")
    return raw.decode("ascii", "backslashreplace")[:PATH_CHARACTERS_MAX]
