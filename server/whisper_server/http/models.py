"""`/v1/models`: what the model may be called."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from whisper_server.http.answers import Answer, json_answer
from whisper_server.served_model import ServedModel

_OWNER = "whisper-operator"


class ModelsApi:
    """Tells which models are served."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    async def list_models(self, _: web.Request) -> Answer:
        """List every name of the model."""
        return json_answer({"object": "list", "data": self._describe(self._model.names)})

    async def retrieve_model(self, request: web.Request) -> Answer:
        """Tell of one name; NotFoundError when nothing is called by it."""
        name = self._model.resolve_name(request.match_info["model"])
        return json_answer(self._describe([name])[0])

    def _describe(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [{"id": name, "object": "model", "created": self._model.created, "owned_by": _OWNER} for name in names]
