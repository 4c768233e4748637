"""`nvidia.riva.asr.RivaSpeechRecognition`, with the messages of NVIDIA's own client package."""

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Any

from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.audio.stream import whole
from whisper_server.errors import InvalidRequestError
from whisper_server.profanity import ProfanityFilter
from whisper_server.rpc.calls import Calls
from whisper_server.rpc.riva_config import Asked, read_config, read_streaming_config
from whisper_server.rpc.riva_results import recognize_response, streaming_response
from whisper_server.rpc.riva_stream import audio_of, read_first
from whisper_server.rpc.server import Service
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Job, Transcriber

SERVICE = riva_asr_pb2.DESCRIPTOR.services_by_name["RivaSpeechRecognition"].full_name

#: What Riva's clients send to have the language detected.
_DETECT = "multi"
#: How Riva names whole recordings and streams; a model for both is listed under each.
_TYPES = ("offline", "online")


class RivaSpeechRecognition:
    """The service's methods, named as the proto names them."""

    def __init__(
        self, transcriber: Transcriber, model: ServedModel, calls: Calls, profanity: ProfanityFilter | None
    ) -> None:
        self._transcriber = transcriber
        self._model = model
        self._calls = calls
        self._profanity = profanity

    def service(self) -> Service:
        """Return what the server registers."""
        return Service(SERVICE, partial(riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server, self))

    async def Recognize(self, request: Any, context: Any) -> Any:  # noqa: N802 - the proto's name
        """Transcribe a whole recording."""
        return await self._calls.answer("Recognize", context, lambda: self._recognize(request, context))

    async def StreamingRecognize(self, requests: Any, context: Any) -> None:  # noqa: N802 - the proto's name
        """Transcribe a stream as it comes."""
        answers = self._listen(self._calls.reading(requests), self._calls.live_deadline(context))
        await self._calls.answer_stream("StreamingRecognize", context, answers, live=True)

    async def GetRivaSpeechRecognitionConfig(self, request: Any, context: Any) -> Any:  # noqa: N802 - the proto's name
        """Tell which models are served, and what they can do."""
        return await self._calls.answer("GetRivaSpeechRecognitionConfig", context, lambda: self._list_models(request))

    async def _recognize(self, request: Any, context: Any) -> Any:
        asked = read_config(request.config, self._model)
        mask = self._mask(asked)
        job = Job(whole(request.audio), asked.hint, asked.instructions, self._calls.deadline(context))
        outcome = await self._transcriber.transcribe(job)
        transcription = outcome.transcription if mask is None else mask.masked(outcome.transcription)
        response = recognize_response(transcription, outcome.audio_seconds, asked.instructions.decoding.alternatives)
        return _with_id(response, request)

    async def _listen(self, requests: AsyncIterator[Any], deadline: float | None) -> AsyncGenerator[Any, None]:
        first = await read_first(requests)
        asked, options = read_streaming_config(first.streaming_config, self._model)
        mask = self._mask(asked)
        job = Job(audio_of(requests), asked.hint, asked.instructions, deadline)
        async with self._transcriber.listening(job, options) as hearing:
            async for update in hearing.updates:
                told = update if mask is None else mask.masked_update(update)
                yield _with_id(streaming_response(told, asked.instructions.decoding.alternatives), first)

    async def _list_models(self, request: Any) -> Any:
        names = [self._model.resolve_name(request.model_name)] if request.model_name else self._model.names
        response = riva_asr_pb2.RivaSpeechRecognitionConfigResponse()
        for name in dict.fromkeys(names):
            for kind in _TYPES:
                response.model_config.add(model_name=name, parameters=self._parameters(kind))
        return response

    def _parameters(self, kind: str) -> dict[str, str]:
        return {
            "type": kind,
            "language_code": _DETECT if self._model.multilingual else "en",
            "languages": ",".join(self._model.languages),
            "sample_rate": str(SAMPLE_RATE),
        }

    def _mask(self, asked: Asked) -> ProfanityFilter | None:
        """Return what masks the answer; None when nothing is to be masked."""
        if not asked.masked:
            return None
        if self._profanity is None:
            raise InvalidRequestError(
                "profanity_filter: this server has no list of words; whoever runs it sets --profanity-words-file"
            )
        return self._profanity


def _with_id(response: Any, request: Any) -> Any:
    """Return `response` with the id of `request`, if it has one."""
    if request.HasField("id"):
        response.id.CopyFrom(request.id)
    return response
