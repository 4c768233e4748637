"""One utterance as it is spoken."""

from dataclasses import dataclass, field

from whisper_server.live.agreement import LocalAgreement


@dataclass(slots=True)
class Utterance:
    """What is known of the running utterance.

    Attributes:
        start: its first sample, counted from the stream's start.
        transcribed: the sample behind what the newest transcript is made of, also while it is being made; at first, the
            one at which the utterance was noticed.
        told: whether the client has been told anything of it.
        agreement: of its transcripts.
    """

    start: int
    transcribed: int
    told: bool = False
    agreement: LocalAgreement = field(default_factory=LocalAgreement)
