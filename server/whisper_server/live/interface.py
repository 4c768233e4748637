"""What front ends ask of a live stream, and what they get."""

from dataclasses import dataclass, field, fields

from whisper_server.engine.interface import LanguageFound, Segment
from whisper_server.errors import InvalidRequestError

#: What each value of `Endpointing` may be, both ends included.
ENDPOINTING_LIMITS = {
    "start_history_ms": (1, 5_000),
    "start_threshold": (0.0, 1.0),
    "stop_history_ms": (1, 10_000),
    "stop_threshold": (0.0, 1.0),
    # A window is 30 s at most, the speech that goes on while it fills included.
    "max_utterance_seconds": (5.0, 28.0),
}


@dataclass(frozen=True, slots=True)
class Endpointing:
    """When an utterance begins and ends; names after Riva's EndpointingConfig, values of voice activity.

    Attributes:
        start_history_ms: speech for so long begins an utterance.
        start_threshold: probability from which a step of 32 ms counts as speech.
        stop_history_ms: silence for so long ends it.
        stop_threshold: probability below which a step counts as silence.
        max_utterance_seconds: with no pause for so long it is cut at the last agreed word.

    Raises:
        InvalidRequestError: when a value is outside `ENDPOINTING_LIMITS`.
    """

    start_history_ms: int = 64
    start_threshold: float = 0.5
    stop_history_ms: int = 800
    stop_threshold: float = 0.35
    max_utterance_seconds: float = 25.0

    def __post_init__(self) -> None:
        for field_ in fields(self):
            value = getattr(self, field_.name)
            least, most = ENDPOINTING_LIMITS[field_.name]
            if not least <= value <= most:  # NaN is not either.
                raise InvalidRequestError(f"endpointing: {field_.name} is {value}, and may be from {least} to {most}")


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a stream is listened to.

    Attributes:
        interim_results: whether to tell what an utterance says before it ends.
        endpointing: when it does.
    """

    interim_results: bool = False
    endpointing: Endpointing = field(default_factory=Endpointing)


@dataclass(frozen=True, slots=True)
class Interim:
    """An utterance so far; never the last word on it.

    Attributes:
        text: of all of it, with Whisper's leading space.
        stability: the share of it that will not change any more, below 1.
        audio_seconds: how much of the stream has been heard.
    """

    text: str
    stability: float
    audio_seconds: float


@dataclass(frozen=True, slots=True)
class Final:
    """An utterance at its end: nothing more of it comes.

    Attributes:
        segments: times from the stream's start; none where what sounded like speech said nothing.
        language: of the utterance.
        audio_seconds: how much of the stream has been heard.
    """

    segments: tuple[Segment, ...]
    language: LanguageFound
    audio_seconds: float


LiveUpdate = Interim | Final
