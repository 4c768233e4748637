"""What is written out: whatever has these fields, the engine's segments as well as the messages of our protocol."""

from collections.abc import Sequence
from typing import Protocol


class SpokenWord(Protocol):
    """One word: its text, with a space before it where the script has them; seconds; probability from 0 to 1."""

    @property
    def text(self) -> str: ...

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    @property
    def probability(self) -> float: ...


class SpokenSegment(Protocol):
    """A stretch of speech: its text, when it was said in seconds, and its words where their times are known."""

    @property
    def text(self) -> str: ...

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    @property
    def language(self) -> str: ...

    @property
    def mean_log_probability(self) -> float: ...

    @property
    def no_speech_probability(self) -> float: ...

    @property
    def compression_ratio(self) -> float: ...

    @property
    def temperature(self) -> float: ...

    @property
    def words(self) -> Sequence[SpokenWord]: ...


class SpokenLanguage(Protocol):
    """What the recording was taken to be in: Whisper's code, and how probable that is."""

    @property
    def language(self) -> str: ...

    @property
    def probability(self) -> float: ...


class Spoken(Protocol):
    """All that was said in a recording."""

    @property
    def language(self) -> SpokenLanguage: ...

    @property
    def segments(self) -> Sequence[SpokenSegment]: ...
