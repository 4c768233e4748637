"""How much one request may hold, and what all of them may take at a time."""

from dataclasses import dataclass, field

from whisper_server.audio.spool import Spool

#: A day and more of 16 kHz samples.
MAX_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """How much one request may hold.

    Attributes:
        max_seconds: of audio.
        max_bytes: as it comes.
        spool: where what cannot be read as it comes waits for its end.
    """

    max_seconds: float
    max_bytes: int = MAX_BYTES
    spool: Spool = field(default_factory=Spool)
