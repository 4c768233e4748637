"""The routes of OpenAI's API (https://platform.openai.com/docs/api-reference), and the page to try the model."""

from collections.abc import Sequence
from dataclasses import replace

from whisper_server.configuration.settings import Settings
from whisper_server.engine.options import Task
from whisper_server.http.audio import AudioApi
from whisper_server.http.calls import Calls
from whisper_server.http.models import ModelsApi
from whisper_server.http.page.site import Page
from whisper_server.http.server import HttpServer, Listening, Route
from whisper_server.operations.metrics import Metrics
from whisper_server.patience import Patience
from whisper_server.security.secured import Security
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Transcriber


def openai_server(
    settings: Settings, transcriber: Transcriber, model: ServedModel, metrics: Metrics, security: Security
) -> HttpServer | None:
    """Return the server of OpenAI's API, and of the page if the settings ask for it; None when they turn it off."""
    if settings.http_port is None:
        return None
    patience = Patience.of(settings)
    model = replace(model, names=tuple(dict.fromkeys((*model.names, *settings.http_model_alias))))
    listening = Listening(
        settings.host,
        settings.http_port,
        settings.http_max_connections,
        settings.http_keepalive_seconds,
        share_port=settings.share_ports,
    )
    authenticate = security.tokens.check if security.tokens else None
    calls = Calls(metrics, patience.write, settings.max_connection_age_seconds, authenticate)
    audio = AudioApi(transcriber, model, patience, settings.max_upload_bytes)
    tls = security.certificates.server_context() if security.certificates else None
    routes = _routes(audio, ModelsApi(model))
    if not settings.http_page:
        return HttpServer(listening, routes, calls, tls)
    page = Page(transcriber, model, settings, calls)
    return HttpServer(listening, (*routes, *page.routes()), calls, tls, page.sockets())


def _routes(audio: AudioApi, models: ModelsApi) -> Sequence[Route]:
    """Return the routes; their methods are named as OpenAI's description of its API names them."""
    return (
        Route("POST", "/v1/audio/transcriptions", "createTranscription", audio.handler(Task.TRANSCRIBE)),
        Route("POST", "/v1/audio/translations", "createTranslation", audio.handler(Task.TRANSLATE)),
        Route("GET", "/v1/models", "listModels", models.list_models),
        Route("GET", "/v1/models/{model:.+}", "retrieveModel", models.retrieve_model),
    )
