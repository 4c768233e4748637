"""Who is told what the engine does, for metrics."""

from typing import Protocol

from whisper_server.engine.schedule.scheduler import Observer


class EngineObserver(Observer, Protocol):
    """As the scheduler's, called from any thread; it must be quick and must not raise."""

    def fell_back(self) -> None:
        """A window's text did not pass, and is tried again at the next temperature."""


class Unobserved(EngineObserver):
    """Told everything, does nothing."""

    def queued(self, rows: int) -> None:
        """Do nothing."""

    def waited(self, seconds: float) -> None:
        """Do nothing."""

    def ran(self, rows: int, seconds: float) -> None:
        """Do nothing."""

    def fell_back(self) -> None:
        """Do nothing."""
