"""What the page is made of, and at which addresses: everything a browser needs comes from this server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from whisper_server.configuration.settings import Settings
from whisper_server.http.answers import Answer, json_answer
from whisper_server.http.calls import Calls, Handler
from whisper_server.http.page.talk import Talk
from whisper_server.http.server import Route, Socket
from whisper_server.languages import language_name
from whisper_server.patience import Patience
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Transcriber

STATIC = Path(__file__).parent / "static"
_INDEX = "index.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

#: Nothing from elsewhere, nothing inline, no text taken for code, and in nobody's frame.
_POLICY = (
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"),
    *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    *("require-trusted-types-for 'script'", "trusted-types 'none'"),
)
HEADERS = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    # An upgrade of the server must not leave half of an old page in a browser.
    "Cache-Control": "no-cache",
}


class Page:
    """The page of one model."""

    def __init__(self, transcriber: Transcriber, model: ServedModel, settings: Settings, calls: Calls) -> None:
        self._model = model
        self._settings = settings
        self._talk = Talk(transcriber, model, Patience.of(settings), calls)

    def routes(self) -> Sequence[Route]:
        """Return its files, which hold no secret, and what it asks, which needs a token where the server has some."""
        files = [path for path in STATIC.iterdir() if path.suffix in _TYPES]
        return (
            *(Route("GET", _address(path), "tryPage", _file(path), public=True) for path in files),
            Route("GET", "/page/model", "tryPageModel", self._tell_model),
        )

    def sockets(self) -> Sequence[Socket]:
        """Return where it sends audio."""
        return (Socket("/page/talk", "tryPageTalk", self._talk.converse),)

    async def _tell_model(self, _: web.Request) -> Answer:
        languages = [{"code": code, "name": language_name(code).title()} for code in self._model.languages]
        document: dict[str, Any] = {
            "name": self._model.names[0],
            "languages": sorted(languages, key=lambda language: language["name"]),
            "translates": self._model.multilingual,
            "listens": self._settings.max_streams > 0,
            "maxUploadBytes": self._settings.max_upload_bytes,
        }
        answer = json_answer(document)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _address(path: Path) -> str:
    return "/" if path.name == _INDEX else f"/page/{path.name}"


def _file(path: Path) -> Handler:
    body, content_type = path.read_bytes(), _TYPES[path.suffix]

    async def handle(_: web.Request) -> Answer:
        return Answer(200, content_type, body, dict(HEADERS))

    return handle
