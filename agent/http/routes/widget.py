"""The widget as the admin set it: its settings, and the two files that carry them to browsers.

Owns the limits of the settings and their way into the loader and the frame. Refuses to know how the
widget uses them. Invariant: the settings hold no secret, and whatever an admin wrote stands in the
files as text only.
"""

import asyncio
import hashlib
import html
from functools import cache
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from agent.http.compression import accepts_gzip, gzipped
from agent.http.dependencies import AdminDep, ServicesDep
from agent.http.routes.pages import REVALIDATE, STATIC
from agent.http.schemas import Body, clean
from agent.storage.widget import Locale, WidgetSettings

router = APIRouter()

QUESTIONS: Final = 4
# Every page view of every host page asks for the loader: it may be a few minutes old.
_LOADER_AGE: Final = "public, max-age=300"
# Where the files wait for the settings. Unfilled, each stands for "nothing was set".
_IN_LOADER: Final = "/* settings */ {}"
_IN_FRAME: Final = 'data-settings="{}"'

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Greeting = Annotated[str, Field(max_length=500), AfterValidator(clean)]
Question = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(clean)]


class WidgetIn(Body):
    """An empty text or list takes the language's own words away."""

    colour: Colour | None = None
    position: Literal["right", "left"] = "right"
    default_locale: Locale | None = None
    greetings: dict[Locale, Greeting] = Field(default_factory=dict)
    suggested_questions: dict[Locale, Annotated[list[Question], Field(max_length=QUESTIONS)]] = (
        Field(default_factory=dict)
    )

    def settings(self) -> WidgetSettings:
        questions = {
            locale: tuple(question for question in some if question)
            for locale, some in self.suggested_questions.items()
        }
        return WidgetSettings(
            colour=self.colour and self.colour.lower(),
            position=self.position,
            default_locale=self.default_locale,
            greetings={locale: text for locale, text in self.greetings.items() if text},
            suggested_questions={locale: some for locale, some in questions.items() if some},
        )


@router.get("/api/v1/admin/widget", tags=["admin"])
async def read_widget(services: ServicesDep, _admin: AdminDep) -> WidgetSettings:
    return await asyncio.to_thread(services.records.widget.read)


@router.put("/api/v1/admin/widget", tags=["admin"], name="change_widget")
async def change_widget(services: ServicesDep, _admin: AdminDep, body: WidgetIn) -> WidgetSettings:
    """Take these settings in place of the ones before; pages get them within five minutes."""
    settings = body.settings()
    await asyncio.to_thread(services.records.widget.write, settings)
    return settings


@router.api_route("/widget/loader.js", methods=["GET", "HEAD"], include_in_schema=False)
async def loader(request: Request, services: ServicesDep) -> Response:
    """What the button needs before there is a frame: its colour and its side."""
    settings = await asyncio.to_thread(services.records.widget.shown)
    seen = {"colour", "position", "default_locale"}
    shown = settings.model_dump_json(include=seen, exclude_none=True)
    text = _filled("widget/loader.js", _IN_LOADER, shown)
    return _answer(request, text, "text/javascript", _LOADER_AGE)


@router.api_route("/widget/frame", methods=["GET", "HEAD"], include_in_schema=False)
async def frame(request: Request, services: ServicesDep) -> Response:
    settings = await asyncio.to_thread(services.records.widget.shown)
    shown = settings.model_dump_json(exclude={"greetings"}, exclude_none=True)
    text = _filled("widget/frame.html", _IN_FRAME, f'data-settings="{html.escape(shown)}"')
    return _answer(request, text, "text/html", REVALIDATE)


def _filled(path: str, place: str, value: str) -> bytes:
    text = _file(path)
    if text.count(place) != 1:
        raise RuntimeError(f"{path} has no single place for the settings")
    return text.replace(place, value).encode()


@cache
def _file(path: str) -> str:
    return (STATIC / path).read_text("utf-8")


def _answer(request: Request, body: bytes, media_type: str, caching: str) -> Response:
    headers = {
        "ETag": f'W/"{hashlib.sha256(body).hexdigest()[:32]}"',
        "Cache-Control": caching,
        "Vary": "Accept-Encoding",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if accepts_gzip(request.headers):
        headers["Content-Encoding"] = "gzip"
        body = gzipped(body)
    return Response(body, headers=headers, media_type=media_type)
