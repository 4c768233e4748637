"""What successive transcripts of an utterance agree on.

LocalAgreement-2: words that two transcripts in a row begin with are agreed, and stay so; Macháček, Dabre, Bojar:
Turning Whisper into Real-Time Transcription System, 2023, https://arxiv.org/abs/2307.14743. Words are compared
without case and punctuation, which change with what follows.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

#: Thai and Lao, Burmese, Khmer, Japanese and Chinese put no spaces between words: their characters stand for words.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)")
#: The share of agreed words never reaches 1 before the final.
_MOST_STABLE = 0.99
#: Words that must agree in a row for a place to be the same in two transcripts.
_RUN = 3


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of `text`, each with the space before it; together they are `text` without its last spaces."""
    return tuple(_WORD.findall(text))


def normalize(word: str) -> str:
    """Return what is compared of a word: no case, no space, no punctuation where there is something else."""
    folded = unicodedata.normalize("NFKC", word).casefold().strip()
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in "PZ") or folded


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance so far.

    Attributes:
        text: of all of it.
        stability: the share of its words that are agreed, below 1.
    """

    text: str
    stability: float


class LocalAgreement:
    """Follows the transcripts of one utterance; each hears it from its start, and more of it than the one before.

    Attributes:
        newest: the words of the newest transcript.
        earlier: those of the one before.
    """

    def __init__(self, newest: tuple[str, ...] = ()) -> None:
        self.newest = newest
        self.earlier: tuple[str, ...] = ()
        self._agreed: tuple[str, ...] = ()

    @property
    def agreed(self) -> tuple[str, ...]:
        """Return the words that two transcripts in a row have begun with."""
        return self._agreed

    def add(self, text: str) -> Said:
        """Take the next transcript, and return the utterance so far: what is agreed, and how the transcript goes on."""
        words = split_words(text)
        now = self._after_agreed(words)
        before = self._after_agreed(self.newest)
        common = _common_prefix(now, before)
        kept = self._agreed
        if _same(words[: len(kept)], kept):
            kept = words[: len(kept)]  # The same words; their punctuation is better known by now.
        self._agreed = kept + now[:common]
        self.earlier, self.newest = self.newest, words
        said = kept + now
        stability = len(self._agreed) / len(said) if said else 0.0
        return Said("".join(said), min(stability, _MOST_STABLE))

    def _after_agreed(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Return how `words` go on behind what is agreed, wherever that ends in them."""
        return words[_aligned_length(self._agreed, words) :]


def last_agreed(words: Sequence[str], other: Sequence[str]) -> int:
    """Return how many of `words` there are up to the last one that `other`, a second transcript, agrees on.

    They agree in a place where several words in a row are the same; one alone may be chance.
    """
    first, second = [normalize(word) for word in words], [normalize(word) for word in other]
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    enough = min(_RUN, len(first), len(second))
    return max((block.a + block.size for block in blocks if block.size >= max(1, enough)), default=0)


def _same(words: Sequence[str], others: Sequence[str]) -> bool:
    return [normalize(word) for word in words] == [normalize(word) for word in others]


def _common_prefix(words: Sequence[str], others: Sequence[str]) -> int:
    pairs = enumerate(zip(words, others, strict=False))
    different = (place for place, (word, other) in pairs if normalize(word) != normalize(other))
    return next(different, min(len(words), len(others)))


def _aligned_length(prefix: Sequence[str], words: Sequence[str]) -> int:
    """Return how many of `words` are `prefix` written again: the number with the smallest Levenshtein distance."""
    if _same(words[: len(prefix)], prefix):
        return len(prefix)
    target = [normalize(word) for word in words]
    row = list(range(len(target) + 1))
    for word in prefix:
        row = _next_row(row, normalize(word), target)
    # Of equally good places the one that takes the same number of words.
    return min(range(len(row)), key=lambda taken: (row[taken], abs(taken - len(prefix))))


def _next_row(row: Sequence[int], word: str, target: Sequence[str]) -> list[int]:
    following = [row[0] + 1]
    for place, other in enumerate(target):
        following.append(min(row[place] + (word != other), row[place + 1] + 1, following[-1] + 1))
    return following
