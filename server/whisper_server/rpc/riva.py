"""`nvidia.riva.asr.RivaSpeechRecognition`, with the messages of NVIDIA's own client package."""

from functools import partial
from typing import Any

from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.audio.stream import whole
from whisper_server.errors import UnsupportedError
from whisper_server.rpc.calls import Calls
from whisper_server.rpc.riva_config import read_config
from whisper_server.rpc.riva_results import recognize_response
from whisper_server.rpc.server import Service
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Job, Transcriber

SERVICE = riva_asr_pb2.DESCRIPTOR.services_by_name["RivaSpeechRecognition"].full_name

#: What Riva's clients send to have the language detected.
_DETECT = "multi"


class RivaSpeechRecognition:
    """The service's methods, named as the proto names them."""

    def __init__(self, transcriber: Transcriber, model: ServedModel, calls: Calls) -> None:
        self._transcriber = transcriber
        self._model = model
        self._calls = calls

    def service(self) -> Service:
        """Return what the server registers."""
        return Service(SERVICE, partial(riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server, self))

    async def Recognize(self, request: Any, context: Any) -> Any:  # noqa: N802 - the proto's name
        """Transcribe a whole recording."""
        return await self._calls.answer("Recognize", context, lambda: self._recognize(request, context))

    async def StreamingRecognize(self, _requests: Any, context: Any) -> Any:  # noqa: N802 - the proto's name
        """Refuse: only whole recordings are transcribed."""
        await self._calls.answer("StreamingRecognize", context, self._refuse_stream)

    async def GetRivaSpeechRecognitionConfig(self, request: Any, context: Any) -> Any:  # noqa: N802 - the proto's name
        """Tell which models are served, and what they can do."""
        return await self._calls.answer("GetRivaSpeechRecognitionConfig", context, lambda: self._list_models(request))

    async def _recognize(self, request: Any, context: Any) -> Any:
        hint, instructions = read_config(request.config, self._model)
        job = Job(whole(request.audio), hint, instructions, self._calls.deadline(context))
        response = recognize_response(await self._transcriber.transcribe(job))
        response.id.CopyFrom(request.id)
        return response

    async def _refuse_stream(self) -> None:
        raise UnsupportedError("StreamingRecognize is not served here: send the whole recording with Recognize")

    async def _list_models(self, request: Any) -> Any:
        names = [self._model.resolve_name(request.model_name)] if request.model_name else self._model.names
        response = riva_asr_pb2.RivaSpeechRecognitionConfigResponse()
        for name in names:
            response.model_config.add(model_name=name, parameters=self._parameters())
        return response

    def _parameters(self) -> dict[str, str]:
        return {
            "type": "offline",
            "language_code": _DETECT if self._model.multilingual else "en",
            "languages": ",".join(self._model.languages),
            "sample_rate": str(SAMPLE_RATE),
        }
