"""What machines ask a server: is it alive, should it get traffic, how is it doing."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from clarion.api.answers import answer
from clarion.api.services import Services


def make_router(services: Services) -> APIRouter:
    """`/healthz`, `/readyz`, `/metrics`: open to whoever reaches the port, and without a rate."""
    router = APIRouter(tags=["Operations"])

    @router.get("/healthz", summary="Whether the process answers", response_class=Response)
    async def healthz() -> Response:
        return answer(200, {"status": "ok"})

    @router.get(
        "/readyz",
        summary="Whether the process should get traffic",
        response_class=Response,
        responses={503: {"description": "Not ready, for these reasons"}},
    )
    async def readyz() -> Response:
        reasons = services.ready()
        return answer(503 if reasons else 200, {"status": "not ready" if reasons else "ready", "reasons": reasons})

    @router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(services.registry), media_type=CONTENT_TYPE_LATEST)

    return router
