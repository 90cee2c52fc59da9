"""The pages: the demo, the console, the widget's frame and loader, and the files they are made of.

Owns which file answers which address and how long it may be kept. Refuses to know what is in them.
Invariant: only files of `agent/web/static` are ever served, unchanged.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC: Final = Path(str(files("agent.web"))) / "static"

router = APIRouter(include_in_schema=False)

# Addresses carry no version, so a browser must ask before it reuses a file (a 304 is cheap); the
# loader is asked for by every page view of every host page and may be a few minutes old.
_REVALIDATE: Final = "no-cache"
_LOADER: Final = "public, max-age=300"


class Files(StaticFiles):
    """Static files with a caching rule, also usable for a single page."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _LOADER if path == "widget/loader.js" else _REVALIDATE
        return response


static_files: Final = Files()
_PAGES: Final = {
    "/demo": "demo/index.html",
    "/console": "console/index.html",
    "/widget/frame": "widget/frame.html",
    "/widget/loader.js": "widget/loader.js",
}


def _page(address: str, path: str) -> None:
    async def page(request: Request) -> Response:
        return await static_files.get_response(path, request.scope)

    router.add_api_route(address, page, methods=["GET", "HEAD"], response_class=Response)


for _address, _path in _PAGES.items():
    _page(_address, _path)


@router.get("/")
async def home() -> RedirectResponse:
    return RedirectResponse("/demo", status_code=307)
