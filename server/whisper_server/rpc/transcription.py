"""`whisper.v1.Transcription`: our own protocol, for what Riva's has no words for."""

import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from whisper_server.api import transcription_pb2 as pb
from whisper_server.api.transcription_pb2_grpc import add_TranscriptionServicer_to_server
from whisper_server.configuration.settings import Settings
from whisper_server.engine.interface import Segment, Update
from whisper_server.engine.options import Instructions
from whisper_server.live.interface import Final
from whisper_server.pacing import with_pauses
from whisper_server.rpc.calls import Calls
from whisper_server.rpc.server import Service
from whisper_server.rpc.transcription_config import read_audio, read_format, read_instructions, read_live, read_speech
from whisper_server.rpc.transcription_model import model_response
from whisper_server.rpc.transcription_results import Answers, language_message, live_message, summary_message
from whisper_server.rpc.uploads import uploading
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Hearing, Job, Transcriber

SERVICE = pb.DESCRIPTOR.services_by_name["Transcription"].full_name

#: How often a caller hears of progress when there is nothing else to tell.
_PROGRESS_SECONDS = 1.0


class Transcription:
    """The service's methods, named as the proto names them."""

    def __init__(self, transcriber: Transcriber, model: ServedModel, settings: Settings, calls: Calls) -> None:
        self._transcriber = transcriber
        self._model = model
        self._settings = settings
        self._calls = calls

    def service(self) -> Service:
        """Return what the server registers."""
        return Service(SERVICE, partial(add_TranscriptionServicer_to_server, self))

    async def Transcribe(self, requests: Any, context: Any) -> None:  # noqa: N802 - the proto's name
        """Transcribe a recording while it comes."""
        await self._calls.answer_stream("Transcribe", context, self._transcribe(requests, context))

    async def StreamTranscribe(self, requests: Any, context: Any) -> None:  # noqa: N802 - the proto's name
        """Transcribe speech as it is spoken."""
        answers = self._listen(requests, self._calls.live_deadline(context))
        await self._calls.answer_stream("StreamTranscribe", context, answers, live=True)

    async def DetectLanguage(self, requests: Any, context: Any) -> Any:  # noqa: N802 - the proto's name
        """Tell the language of a recording."""
        return await self._calls.answer("DetectLanguage", context, lambda: self._detect(requests, context))

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> Any:  # noqa: N802 - the proto's name
        """Tell which model is served."""
        return await self._calls.answer("GetModel", context, lambda: self._tell_model(request))

    async def _transcribe(self, requests: Any, context: Any) -> AsyncGenerator[pb.TranscribeResponse, None]:
        async with uploading(self._calls.reading(requests)) as (config, chunks):
            answers = Answers(read_format(config), self._model)
            instructions = read_instructions(config, self._model)
            job = Job(chunks, read_audio(config.audio_format), instructions, self._calls.deadline(context))
            async with self._transcriber.transcribing(job) as hearing:
                async with contextlib.aclosing(_told(hearing, answers)) as told:
                    async for answer in told:
                        yield answer
                for answer in answers.finish(hearing.audio_seconds):
                    yield answer

    async def _listen(self, requests: Any, deadline: float | None) -> AsyncGenerator[pb.StreamTranscribeResponse, None]:
        async with uploading(self._calls.reading(requests)) as (config, chunks):
            self._model.resolve_name(config.model)
            speech = read_speech(config.speech, self._model)
            job = Job(chunks, read_audio(config.audio_format), speech, deadline)
            segments = 0
            async with self._transcriber.listening(job, read_live(config)) as hearing:
                async for update in hearing.updates:
                    segments += len(update.segments) if isinstance(update, Final) else 0
                    yield live_message(update)
                summary = summary_message(self._model, hearing.audio_seconds, segments)
                yield pb.StreamTranscribeResponse(summary=summary)

    async def _detect(self, requests: Any, context: Any) -> pb.DetectLanguageResponse:
        async with uploading(self._calls.reading(requests)) as (config, chunks):
            self._model.resolve_name(config.model)
            job = Job(chunks, read_audio(config.audio_format), Instructions(), self._calls.deadline(context))
            return pb.DetectLanguageResponse(language=language_message(await self._transcriber.detect_language(job)))

    async def _tell_model(self, request: pb.GetModelRequest) -> pb.GetModelResponse:
        self._model.resolve_name(request.model)
        return model_response(self._model, self._settings)


async def _told(hearing: Hearing[Update], answers: Answers) -> AsyncGenerator[pb.TranscribeResponse, None]:
    """Yield what tells what is heard, and how far it has come."""
    transcribed = 0.0
    async with contextlib.aclosing(with_pauses(hearing.updates, _PROGRESS_SECONDS)) as updates:
        async for update in updates:
            if update is not None:
                for answer in answers.tell(update):
                    yield answer
            if isinstance(update, Segment):
                transcribed = update.end
            for answer in answers.progress(hearing.audio_seconds, transcribed):
                yield answer
