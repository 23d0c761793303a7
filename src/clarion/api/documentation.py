"""The OpenAPI document and its page.

Bodies are decoded by msgspec, which FastAPI knows nothing of: their schemas are put into the document here. The page's assets come
from the wheel of `fastapi-offline`, so that it works without a network; nothing of that package is imported.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

ASSETS_PACKAGE = "fastapi_offline"
ASSETS_PATH = "/docs/assets"

_SCHEMA = "#/components/schemas/{name}"

SECURITY_SCHEMES: Mapping[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer tk_live_…`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key in a header of its own"},
}


def operation(
    *,
    answers: Mapping[int, tuple[str, type]],
    request: type | None = None,
    example: object = None,
    parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What an operation's entry says beyond FastAPI's own. `answers`: by status, what it means and the type of its body."""
    entry: dict[str, Any] = {
        "security": [{name: []} for name in SECURITY_SCHEMES],
        "responses": {str(status): {"description": meaning, **_content(shape)} for status, (meaning, shape) in answers.items()},
    }
    if request is not None:
        entry["requestBody"] = {"required": True, **_content(request, example)}
    if parameters:
        entry["parameters"] = list(parameters)
    return entry


def describe(app: FastAPI, types: Sequence[type]) -> None:
    """Put the schemas of `types` into the app's OpenAPI document."""
    _, components = msgspec.json.schema_components(types, ref_template=_SCHEMA)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            described = made.setdefault("components", {})
            described["schemas"] = {**described.get("schemas", {}), **components}
            described["securitySchemes"] = dict(SECURITY_SCHEMES)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def serve_page(app: FastAPI) -> None:
    """`/docs`: Swagger UI, which asks nobody but this server."""
    app.mount(ASSETS_PATH, StaticFiles(directory=_assets()), name="assets")
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Clarion",
        swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url="data:,",
        swagger_ui_parameters={"validatorUrl": None},
    )

    async def docs(_: Request) -> Response:
        return Response(page.body, media_type="text/html")

    app.add_route("/docs", docs, include_in_schema=False)


def _assets() -> Path:
    spec = find_spec(ASSETS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        message = f"the package {ASSETS_PACKAGE} is not installed"
        raise RuntimeError(message)
    return Path(spec.submodule_search_locations[0]) / "static"


def _content(shape: type, example: object = None) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"$ref": _SCHEMA.format(name=shape.__name__)}}
    if example is not None:
        media["example"] = example
    return {"content": {"application/json": media}}
