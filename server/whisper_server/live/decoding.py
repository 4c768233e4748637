"""What one stream asks of the model."""

import dataclasses

from whisper_server.audio.samples import Samples
from whisper_server.audio.windows import Piece, Window
from whisper_server.engine.interface import Caller, Engine, LanguageFound, Transcription, WindowRequest
from whisper_server.engine.options import DecodingOptions, Instructions
from whisper_server.engine.schedule.errors import QueueFullError, RowDroppedError
from whisper_server.engine.schedule.rows import RowClass


class UtteranceDecoder:
    """Finals and partials of one stream, in its language."""

    def __init__(self, engine: Engine, instructions: Instructions, caller: Caller) -> None:
        self._engine = engine
        self._instructions = instructions
        self._caller = caller
        self._language: LanguageFound | None = None  # what was found in the first utterance

    @property
    def busy(self) -> bool:
        """Whether the model has no time for what can be left out."""
        return self._engine.full

    async def final(self, samples: Samples, start: int) -> Transcription:
        """Return what is said in the samples that begin at `start`, with all the care that was asked for.

        It is let in whatever waits already: the client was let in before, and a stream has one final at a time.
        """
        return await self._engine.hear(self._request(samples, start, self._in_language(), RowClass.FINAL))

    def in_its_language(self, heard: Transcription) -> Transcription:
        """Take a final for told: the first one that says something fixes the language, the others are in it."""
        if self._language is not None:
            return dataclasses.replace(heard, language=self._language)
        if heard.segments and not self._instructions.multilingual:
            self._language = heard.language
        return heard

    async def partial(self, samples: Samples, start: int, *, word_times: bool) -> Transcription | None:
        """Return what seems to be said, by the cheapest way; None when the model has more important things to do."""
        instructions = dataclasses.replace(self._in_language(), word_times=word_times, decoding=self._greedy())
        try:
            return await self._engine.hear(self._request(samples, start, instructions, RowClass.PARTIAL))
        except (QueueFullError, RowDroppedError):
            return None

    def _in_language(self) -> Instructions:
        if self._language is None:
            return self._instructions
        return dataclasses.replace(self._instructions, language=self._language.language)

    def _greedy(self) -> DecodingOptions:
        decoding = self._instructions.decoding
        return dataclasses.replace(
            decoding, beam_size=1, best_of=1, patience=1.0, temperatures=decoding.temperatures[:1], alternatives=1
        )

    def _request(self, samples: Samples, start: int, instructions: Instructions, row_class: RowClass) -> WindowRequest:
        window = Window(samples, (Piece(0, start, len(samples)),))
        admitted = row_class is RowClass.FINAL
        return WindowRequest(window, instructions, self._caller, row_class, admitted=admitted)
