"""Where the process stands in its life: probes and front ends read it, `serve` writes it."""

from enum import StrEnum


class Phase(StrEnum):
    """The phases, in order; a broken one is not followed by another."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    BROKEN = "broken"


class Lifecycle:
    """The current phase."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING

    @property
    def started(self) -> bool:
        """Whether the model has been warmed up."""
        return self.phase is not Phase.STARTING

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return self.phase is Phase.READY
