"""Follows one stream through its utterances."""

from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.live.agreement import LocalAgreement
from whisper_server.live.buffers import Tape
from whisper_server.live.cutting import Stretch, choose_cut
from whisper_server.live.decoding import UtteranceDecoder
from whisper_server.live.early import EarlyFinal
from whisper_server.live.endpoints import Begin, End, EndpointDetector
from whisper_server.live.interface import Final, Interim, LiveOptions
from whisper_server.live.partials import LEAST_SECONDS, Partials
from whisper_server.live.utterance import Utterance

#: So long before an utterance has to be cut two transcripts are made, for it to be cut where they agree, whether
#: interims are told or not; other partials have word times from then on, so that they can serve.
_CUT_NOTICES = (3 * SAMPLE_RATE, SAMPLE_RATE)
#: The cut waits for the second one; without it, it is made where words are safe to be whole, or in a quiet moment.
_CUT_PATIENCE_SECONDS = 1.0
#: A partial hears so much more than the one before, where the audio comes slower or faster than the time passes.
_LEAST_NEW = round(LEAST_SECONDS * SAMPLE_RATE)
#: No partial begins when so much of the silence that ends an utterance has passed: the model is left to the final.
_ENDING = 0.25


class Listener:
    """Takes samples and their probabilities of speech, and makes interims and finals of them.

    A final is waited for within `step` and `finish`, and nothing else is made meanwhile: partials are dropped before.
    """

    def __init__(self, decoder: UtteranceDecoder, partials: Partials, options: LiveOptions) -> None:
        self._decoder = decoder
        self._early = EarlyFinal(decoder)
        self._partials = partials
        self._interims = options.interim_results
        self._least_speech = options.endpointing.start_history_ms * SAMPLE_RATE // 1000
        self._longest = round(options.endpointing.max_utterance_seconds * SAMPLE_RATE)
        self._detector = EndpointDetector(options.endpointing)
        self._tape = Tape()
        self._utterance: Utterance | None = None

    def add(self, samples: Samples) -> None:
        """Take what was sent next; its probabilities follow by `step`."""
        self._tape.forget(self._detector.needed_from if self._utterance is None else self._utterance.start)
        self._tape.append(samples)

    async def step(self, probability: float) -> Final | None:
        """Take the probability of speech in the next step, and return the utterance that has ended with it."""
        event = self._detector.push(probability)
        if isinstance(event, Begin):
            self._utterance = Utterance(event.at, self._detector.heard)
        if self._utterance is None:
            return None
        if isinstance(event, End):
            return await self._end(self._utterance, event)
        if self._detector.heard - self._utterance.start >= self._longest:
            return await self._cut(self._utterance)
        return None

    async def finish(self) -> Final | None:
        """Return the utterance that ends with the stream."""
        if self._utterance is None:
            return None
        end = self._detector.ending
        if end.at == self._detector.heard:  # It is spoken to the last sample, beyond the last whole step.
            end = End(self._tape.end, end.speech)
        return await self._end(self._utterance, end)

    async def work_ahead(self) -> None:
        """Begin what the running utterance will need: its final if it seems to end, or a partial transcript."""
        utterance = self._utterance
        if utterance is None:
            return
        span = (utterance.start, self._detector.ending.at)
        if not self._early.is_of(span):
            await self._early.drop()
            if self._seems_to_end(utterance):
                await self._partials.drop()
                self._early.begin(self._tape.cut(*span), span)
        self._begin_partial(utterance)

    async def close(self) -> None:
        """End all that is being made."""
        await self._early.drop()
        await self._partials.drop()

    def _seems_to_end(self, utterance: Utterance) -> bool:
        return self._detector.padded and self._has_speech(utterance, self._detector.ending) and not self._decoder.busy

    def _has_speech(self, utterance: Utterance, end: End) -> bool:
        # What a cut has left may be nothing but the silence behind the last word.
        return end.speech - utterance.start >= self._least_speech

    def _begin_partial(self, utterance: Utterance) -> None:
        if self._partials.possible and self._wants_partial(utterance):
            utterance.transcribed = self._tape.end
            samples = self._tape.cut(utterance.start, self._tape.end)
            near_cut = len(samples) >= self._longest - _CUT_NOTICES[0]
            self._partials.begin(samples, utterance.start, word_times=near_cut)

    def interim(self) -> Interim | None:
        """Return what to tell of the running utterance, if a partial transcript has been made."""
        transcript = self._partials.take()
        if transcript is None or self._utterance is None:
            return None
        said = self._utterance.add(transcript)
        if not self._interims or not said.text:
            return None
        self._utterance.told = True
        return Interim(said.text, said.stability, self._heard_seconds)

    def _wants_partial(self, utterance: Utterance) -> bool:
        notices = [utterance.start + self._longest - notice for notice in _CUT_NOTICES]
        if any(utterance.transcribed < notice <= self._tape.end for notice in notices):
            return True
        new = self._tape.end - utterance.transcribed
        return self._interims and self._partials.due and new >= _LEAST_NEW and self._detector.silence < _ENDING

    async def _end(self, utterance: Utterance, end: End) -> Final | None:
        """Return the final of an utterance; None when there is nothing to tell."""
        self._utterance = None
        await self._partials.drop()
        if not self._has_speech(utterance, end):
            return None
        return await self._final(utterance, end.at)

    async def _cut(self, utterance: Utterance) -> Final | None:
        """Return the final of an utterance's first part, and go on with the rest as a new one."""
        transcript = await self._partials.settle(_CUT_PATIENCE_SECONDS)
        if transcript is not None:
            utterance.add(transcript)
        stretch = Stretch(self._tape.cut(utterance.start, self._detector.heard), utterance.start)
        cut = choose_cut(stretch, utterance.timed, utterance.agreement.earlier)
        self._utterance = Utterance(cut.at, self._detector.heard, agreement=LocalAgreement(cut.rest))
        return await self._final(utterance, cut.at)

    async def _final(self, utterance: Utterance, end: int) -> Final | None:
        heard = await self._early.take((utterance.start, end))
        if heard is None:
            heard = await self._decoder.final(self._tape.cut(utterance.start, end), utterance.start)
        heard = self._decoder.in_its_language(heard)
        if not heard.segments and not utterance.told:
            return None
        return Final(heard.segments, heard.language, self._heard_seconds)

    @property
    def _heard_seconds(self) -> float:
        return self._tape.end / SAMPLE_RATE
