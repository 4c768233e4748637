"""What the demo asks of a cluster, whichever it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class Images:
    """Where the cluster finds the three images: `<registry>/whisper-<part>:<tag>`."""

    registry: str
    tag: str


@dataclass(frozen=True)
class Storage:
    """The `spec.cache` that gives a WhisperModel a volume here, and objects to apply before it."""

    cache: dict[str, Any]
    objects: list[dict[str, Any]] = field(default_factory=list)


class Target(Protocol):
    """A cluster that the demo runs on. The methods are called in the order in which they stand here."""

    title: str

    def build_images(self) -> None:
        """Build the images."""

    def bring_up(self) -> Path:
        """Make sure that it runs and has the images; return its kubeconfig."""

    def images(self) -> Images:
        """Return where it finds the images."""

    def s3_host(self) -> str:
        """Return the address of this machine that pods can reach, for the S3 server to listen on."""

    def storage(self) -> Storage:
        """Return a volume for the model."""

    def take_down(self) -> bool:
        """Remove the cluster if this run brought it up, and say whether; called when interrupted, at any moment."""

    def farewell(self) -> str:
        """Return what a person types to remove what the demo leaves behind."""
