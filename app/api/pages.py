"""Pages for people: the API's documentation from our own address, and the list of problems."""

import html
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.api.problems import KINDS

_ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Adds `/docs` and `/problems`; nothing on them is loaded from elsewhere."""
    app.mount(_ASSETS, StaticFiles(directory=_static_folder()), name="assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Zegel",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
        )

    @app.get("/problems", include_in_schema=False)
    async def problems() -> HTMLResponse:
        return HTMLResponse(_problems())


def _static_folder() -> Path:
    """Where the package that ships Swagger UI keeps it; found without importing it."""
    spec = find_spec("fastapi_offline")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"


def _problems() -> str:
    rows = "".join(
        f'<tr id="{code}"><td><code>{code}</code></td><td>{kind.status}</td>'
        f"<td>{html.escape(kind.title)}</td><td>{html.escape(kind.advice)}</td></tr>"
        for code, kind in KINDS.items()
    )
    style = "body{font-family:sans-serif;margin:2rem}td,th{text-align:left;padding:.3rem .8rem}"
    head = "<tr><th>code</th><th>status</th><th>what</th><th>what to do</th></tr>"
    title = "<!doctype html><html lang=en><meta charset=utf-8><title>Zegel: problems</title>"
    return f"{title}<style>{style}</style><h1>Problems</h1><table>{head}{rows}</table></html>"
