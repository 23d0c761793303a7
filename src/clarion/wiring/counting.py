"""What a simulated SMSC has done, by HTTP: JSON at /counters, Prometheus at /metrics."""

from typing import cast

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clarion.simulator.smsc import Smsc


def make_app(smsc: Smsc) -> Starlette:
    """The app of one SMSC."""

    async def counters(_: Request) -> Response:  # on the event loop, where nothing counts meanwhile
        return JSONResponse({**smsc.counters.as_dict(), "connections": len(smsc.sessions)})

    async def metrics(_: Request) -> Response:
        return Response(smsc.counters.as_metrics(), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/counters", counters), Route("/metrics", metrics)]
    return Starlette(routes=routes, exception_handlers={HTTPException: _nothing_else})


async def _nothing_else(request: Request, error: Exception) -> Response:
    """No such path, or a method other than GET."""
    refusal = cast("HTTPException", error)
    where = f"{request.method} {request.url.path}"
    said = f"There is nothing for {where}: GET /counters tells the counters as JSON, GET /metrics for Prometheus."
    return JSONResponse({"error": said}, refusal.status_code, refusal.headers)
