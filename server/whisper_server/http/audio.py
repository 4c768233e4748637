"""`/v1/audio/…`: a form with a recording in, what was said in it out."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from aiohttp import web

from whisper_server.audio.formats import AudioHint
from whisper_server.cues.render import render
from whisper_server.cues.writers import Format
from whisper_server.engine.options import Task
from whisper_server.http.answers import Answer, brief, json_answer, text_of, verbose
from whisper_server.http.body import body_of
from whisper_server.http.calls import Handler
from whisper_server.http.form import Form, reading_form
from whisper_server.http.options import Choice, Granularity, ResponseFormat, read_choice
from whisper_server.http.parts import boundary_of, parts_of
from whisper_server.patience import Patience, until
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Job, Outcome, Transcriber

#: What was said in longer recordings takes more than a few milliseconds to write, in which nobody else is answered.
_LONG_SECONDS = 600

#: How captions are written, and what they are called; no media type is registered for SubRip.
_CAPTIONS = {
    ResponseFormat.SRT: (Format.SRT, "text/plain"),
    ResponseFormat.VTT: (Format.VTT, "text/vtt"),
}


class AudioApi:
    """Transcribes and translates."""

    def __init__(self, transcriber: Transcriber, model: ServedModel, patience: Patience, max_upload_bytes: int) -> None:
        self._transcriber = transcriber
        self._model = model
        self._patience = patience
        self._max_upload_bytes = max_upload_bytes

    def handler(self, task: Task) -> Handler:
        """Return what answers requests for `task`."""

        async def handle(request: web.Request) -> Answer:
            deadline = self._patience.deadline()
            async with until(deadline):
                return await self._answer(request, task, deadline)

        return handle

    async def _answer(self, request: web.Request, task: Task, deadline: float) -> Answer:
        with self._transcriber.admitted():
            async with self._form(request) as form:
                choice = read_choice(form.fields, self._model, task)
                job = Job(form.file, AudioHint(), choice.instructions, deadline, admitted=True)
                outcome = await self._transcriber.transcribe(job)
        if outcome.audio_seconds < _LONG_SECONDS:
            return _write(choice, outcome)
        return await asyncio.to_thread(_write, choice, outcome)

    @contextlib.asynccontextmanager
    async def _form(self, request: web.Request) -> AsyncGenerator[Form, None]:
        boundary = boundary_of(request.headers.get("Content-Type"))
        async with (
            contextlib.aclosing(body_of(request, self._max_upload_bytes, self._patience.idle)) as body,
            contextlib.aclosing(parts_of(body, boundary)) as parts,
            reading_form(parts, self._transcriber.spool) as form,
        ):
            yield form


def _write(choice: Choice, outcome: Outcome) -> Answer:
    match choice.response_format:
        case ResponseFormat.JSON:
            return json_answer(brief(outcome))
        case ResponseFormat.VERBOSE_JSON:
            granularities = choice.granularities
            return json_answer(
                verbose(
                    outcome,
                    choice.instructions.task,
                    segments=Granularity.SEGMENT in granularities,
                    words=Granularity.WORD in granularities,
                )
            )
        case ResponseFormat.TEXT:
            return Answer(200, "text/plain", f"{text_of(outcome)}\n".encode())
        case captions:
            form, media_type = _CAPTIONS[captions]
            return Answer(200, media_type, render(form, outcome.transcription, outcome.audio_seconds).encode())
