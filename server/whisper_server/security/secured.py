"""What the settings say of who may call, opened once for every front end."""

from dataclasses import dataclass

from whisper_server.metrics import Metrics
from whisper_server.security.tokens import Tokens
from whisper_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Security:
    """What front ends ask of their callers.

    Attributes:
        tokens: those that may be brought; None when none is asked for.
    """

    tokens: Tokens | None

    @classmethod
    def open(cls, settings: Settings, metrics: Metrics) -> "Security":
        """Read the files; MountedFileError when one is not as it should be."""
        return cls(Tokens(settings.tokens_file, metrics) if settings.tokens_file else None)
