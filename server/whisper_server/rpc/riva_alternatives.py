"""The likeliest readings of a whole recording, from the hypotheses of its segments."""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from whisper_server.engine.interface import Alternative, Segment


@dataclass(frozen=True, slots=True)
class Reading:
    """What may have been said, from the beginning to the end.

    Attributes:
        text: all of it.
        log_probability: the sum over its tokens.
        tokens: how many.
        loss: by how much less likely it is than the likeliest, hypothesis by hypothesis.
    """

    text: str = ""
    log_probability: float = 0.0
    tokens: int = 0
    loss: float = 0.0

    @property
    def confidence(self) -> float:
        """Return the geometric mean of the tokens' probabilities; 0 when nothing was said."""
        return math.exp(self.log_probability / self.tokens) if self.tokens else 0.0


def readings(segments: Sequence[Segment], most: int) -> list[Reading]:
    """Return the `most` likeliest readings, best first; the first is of every segment's own text.

    A segment's hypotheses are independent of the next one's, so the best readings of a beginning are all that the best
    readings of what is longer can begin with.
    """
    best = [Reading()]
    for segment in segments:
        own = Alternative(segment.text, segment.mean_log_probability, segment.tokens)
        hypotheses = _distinct([own, *segment.alternatives])
        longer = (
            (reading.loss + _loss(hypothesis, own), reading, hypothesis)
            for reading in best
            for hypothesis in hypotheses
        )
        # Only those that are kept are put together: of an hour, each is a long text.
        best = [_with(*kept) for kept in heapq.nsmallest(most, longer, key=itemgetter(0))]
    return best


def _distinct(hypotheses: Iterable[Alternative]) -> list[Alternative]:
    by_text: dict[str, Alternative] = {}
    for hypothesis in hypotheses:
        by_text.setdefault(hypothesis.text, hypothesis)
    return list(by_text.values())


def _loss(hypothesis: Alternative, own: Alternative) -> float:
    """Return by how much less likely a segment's hypothesis is than its own text.

    Never less than nothing: beams are ordered by a mean of CTranslate2's own counting, which may differ a little.
    """
    return max(0.0, own.mean_log_probability - hypothesis.mean_log_probability) * own.tokens


def _with(loss: float, reading: Reading, hypothesis: Alternative) -> Reading:
    return Reading(
        reading.text + hypothesis.text,
        reading.log_probability + hypothesis.mean_log_probability * hypothesis.tokens,
        reading.tokens + hypothesis.tokens,
        loss,
    )
