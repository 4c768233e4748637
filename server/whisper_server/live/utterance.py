"""One utterance as it is spoken."""

from dataclasses import dataclass, field

from whisper_server.engine.interface import Transcription
from whisper_server.live.agreement import LocalAgreement, Said
from whisper_server.live.cutting import TimedTranscript


@dataclass(slots=True)
class Utterance:
    """What is known of the running utterance.

    Attributes:
        start: its first sample, counted from the stream's start.
        transcribed: the sample behind what the newest transcript is made of, also while it is being made; at first, the
            one at which the utterance was noticed.
        told: whether the client has been told anything of it.
        agreement: of its transcripts.
        timed: the words of the newest transcript, if it has word times.
    """

    start: int
    transcribed: int
    told: bool = False
    agreement: LocalAgreement = field(default_factory=LocalAgreement)
    timed: TimedTranscript = field(default_factory=TimedTranscript)

    def add(self, transcript: Transcription) -> Said:
        """Take the newest transcript, and return the utterance so far."""
        words = tuple(word for segment in transcript.segments for word in segment.words)
        self.timed = TimedTranscript(words, self.transcribed)
        return self.agreement.add("".join(segment.text for segment in transcript.segments))
