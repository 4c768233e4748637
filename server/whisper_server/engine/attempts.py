"""One window, written down at one temperature after the other until its text passes."""

import dataclasses
from dataclasses import dataclass, field
from typing import cast

from whisper_server.engine.interface import Caller
from whisper_server.engine.observer import EngineObserver
from whisper_server.engine.options import Instructions
from whisper_server.engine.payloads import (
    Align,
    Alignment,
    Detect,
    Features,
    Languages,
    Payload,
    Result,
    Write,
    Written,
    key_of,
)
from whisper_server.engine.prompts import Before, make_key, make_prompt
from whisper_server.engine.quality import Quality, Thresholds, best, passes
from whisper_server.engine.schedule.rows import RowClass
from whisper_server.engine.schedule.scheduler import Scheduler
from whisper_server.engine.segments import kept_text
from whisper_server.engine.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Sound:
    """What the model hears of a window: its features, and how many of them sound."""

    features: Features = field(repr=False)
    frames: int


@dataclass(frozen=True, slots=True)
class Passage:
    """What was written of a window.

    Attributes:
        written: the text that passed, or the best of all.
        temperature: the last one tried.
    """

    written: Written
    temperature: float

    @property
    def quality(self) -> Quality:
        """Return what is judged of the text."""
        return self.written.quality

    @property
    def tokens(self) -> tuple[int, ...]:
        """Return the tokens of the text."""
        return self.written.hypotheses[0].tokens


class Desk:
    """Takes in the windows of one request, and queues them for the model.

    Attributes:
        vocabulary: the model's.
    """

    def __init__(
        self,
        scheduler: Scheduler[Payload, Result],
        vocabulary: Vocabulary,
        observer: EngineObserver,
        caller: Caller,
        row_class: RowClass = RowClass.NORMAL,
        *,
        admitted: bool = False,
    ) -> None:
        self.vocabulary = vocabulary
        self._scheduler = scheduler
        self._observer = observer
        self._caller = caller
        self._row_class = row_class
        self._admitted = admitted

    async def write(
        self,
        sound: Sound,
        instructions: Instructions,
        before: Before,
        language: str | None,
        *,
        keep_tail: bool,
    ) -> Passage:
        """Return what is said in a window.

        With a single temperature there is nothing else to try, and its text is taken whatever it is.

        Args:
            sound: the window.
            instructions: how to write.
            before: what stands before its text.
            language: Whisper's code; None to detect it.
            keep_tail: whether text after the last pair of times counts.
        """
        decoding = instructions.decoding
        thresholds, temperatures = Thresholds.of(decoding), decoding.temperatures
        passages: list[Passage] = []
        for temperature in temperatures:
            spoken = language or (passages[0].written.language if passages else None)
            row = self._row(sound, instructions, before, spoken, temperature, keep_tail=keep_tail)
            passages.append(Passage(cast("Written", await self._submit(row)), temperature))
            if len(temperatures) == 1 or passes(passages[-1].quality, thresholds):
                return self._with_languages(passages[-1], passages[0])
            if temperature != temperatures[-1]:
                self._observer.fell_back()
        return await self._best(passages, thresholds, sound, instructions, keep_tail=keep_tail)

    def _row(
        self,
        sound: Sound,
        instructions: Instructions,
        before: Before,
        language: str | None,
        temperature: float,
        *,
        keep_tail: bool,
    ) -> Write:
        decoding, task = instructions.decoding, instructions.task
        # A language that is still to be detected takes the place of this one.
        prompt = make_prompt(self.vocabulary, before, language or "en", task, timestamps=decoding.timestamps)
        return Write(
            features=sound.features,
            frames=sound.frames,
            key=make_key(self.vocabulary, decoding, prompt, temperature),
            prompt=prompt.tokens,
            language=language,
            task=task,
            word_times=instructions.word_times,
            keep_tail=keep_tail,
            thresholds=Thresholds.of(decoding) if len(decoding.temperatures) > 1 else None,
        )

    async def languages(self, features: Features) -> Languages:
        """Return the languages that a window may be in, likeliest first."""
        return cast("Languages", await self._submit(Detect(features)))

    async def _submit(self, payload: Payload) -> Result:
        admitted, self._admitted = self._admitted, True  # Once the first row is in, the request is.
        return await self._scheduler.submit(
            self._caller.identity,
            key_of(payload),
            payload,
            row_class=self._row_class,
            deadline=self._caller.deadline,
            admitted=admitted,
        )

    @staticmethod
    def _with_languages(passage: Passage, first: Passage) -> Passage:
        """Return a passage with the languages that were found when its window was heard first."""
        return dataclasses.replace(
            passage, written=dataclasses.replace(passage.written, languages=first.written.languages)
        )

    async def _best(
        self,
        passages: list[Passage],
        thresholds: Thresholds,
        sound: Sound,
        instructions: Instructions,
        *,
        keep_tail: bool,
    ) -> Passage:
        chosen = passages[best([passage.quality for passage in passages], thresholds)]
        chosen = dataclasses.replace(self._with_languages(chosen, passages[0]), temperature=passages[-1].temperature)
        if not instructions.word_times:
            return chosen
        written = chosen.written
        tokens = kept_text(chosen.tokens, self.vocabulary, keep_tail=keep_tail)
        payload = Align(sound.features, sound.frames, written.language, instructions.task, tokens)
        alignment = cast("Alignment", await self._submit(payload))
        return dataclasses.replace(chosen, written=dataclasses.replace(written, alignment=alignment))
