"""The app: the faces, the operations, the documentation, and one answer for every path that is none of these."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from clarion import __version__
from clarion.api import documentation, operations
from clarion.api.envelopes import envelope_at
from clarion.api.faces import talkntalk, teekrr, teli
from clarion.api.refusals import Code, Refusal
from clarion.api.services import Services
from clarion.api.tracing import Tracing

DESCRIPTION = "Bulk SMS over the HTTP APIs of several vendors, from your own server."


def make_app(services: Services) -> FastAPI:
    """An ASGI app that keeps nothing but its rate windows."""
    app = FastAPI(
        title="Clarion",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # A path without its slash is another path: a redirect would repeat a send, or turn it into a GET.
        redirect_slashes=False,
    )
    app.include_router(operations.make_router(services))
    app.include_router(talkntalk.make_router(services))
    app.include_router(teli.make_router(services))
    app.include_router(teekrr.make_router(services))
    documentation.serve_page(app)
    documentation.describe(app, (*talkntalk.TYPES, *teli.TYPES, *teekrr.TYPES))
    app.add_middleware(Tracing, services=services)

    async def no_endpoint(request: Request, error: Exception) -> Response:
        return _no_endpoint(request, error, services.powered_by)

    app.add_exception_handler(HTTPException, no_endpoint)
    return app


def _no_endpoint(request: Request, error: Exception, powered_by: str) -> Response:
    """The router found nothing for this path, or nothing for this method."""
    envelope = envelope_at(request.url.path, powered_by)
    allow = (getattr(error, "headers", None) or {}).get("Allow")
    if getattr(error, "status_code", 404) != 405:
        return envelope(Refusal(Code.UNKNOWN_PATH))
    allowed = {method.strip() for method in (allow or "").split(",")} - {""}
    headers = {"Allow": ", ".join(sorted(allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    return envelope(Refusal(Code.WRONG_METHOD, values={"method": request.method}, headers=headers))
