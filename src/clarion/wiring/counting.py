"""What a simulated SMSC has done, by HTTP: JSON at /counters, Prometheus at /metrics."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
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

    return Starlette(routes=[Route("/counters", counters), Route("/metrics", metrics)])
