"""The pages: demo, console, admin page, and the files that they and the widget are made of.

Owns which file answers which address and how long it may be kept. Refuses to know what is in them.
Invariant: only files of `agent/web/static` are ever served, unchanged.
"""

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from agent.http.compression import accepts_gzip, gzipped

STATIC: Final = Path(str(files("agent.web"))) / "static"

router = APIRouter(include_in_schema=False)

# Addresses carry no version, so a browser must ask before it reuses a file (a 304 is cheap).
REVALIDATE: Final = "no-cache"
_TEXT: Final = frozenset({".html", ".css", ".js", ".svg"})


class Files(StaticFiles):
    """Static files with a caching rule, compressed, also usable for a single page."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = REVALIDATE
        if isinstance(response, FileResponse) and Path(response.path).suffix in _TEXT:
            response.headers["Vary"] = "Accept-Encoding"
            if accepts_gzip(Headers(scope=scope)):
                return await asyncio.to_thread(_packed, response)
        return response


def _packed(file: FileResponse) -> Response:
    body = gzipped(Path(file.path).read_bytes())
    headers = {
        name: file.headers[name] for name in ("Cache-Control", "ETag", "Last-Modified", "Vary")
    }
    headers["ETag"] = f"W/{headers['ETag']}"  # the same file in other bytes
    headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=file.media_type)


static_files: Final = Files()
_PAGES: Final = {
    "/demo": "demo/index.html",
    "/console": "console/index.html",
    "/admin": "admin/index.html",
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
