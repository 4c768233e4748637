"""One change after the other: what is refused does not keep the rest from being made."""

from collections.abc import Callable
from typing import TypeVar

from whisper_operator.kube.errors import KubeError, Refused

T = TypeVar("T")


class Attempts:
    """Makes one change after the other, and keeps the first error."""

    def __init__(self) -> None:
        self.error: KubeError | None = None
        self._lost = False

    def make(self, change: Callable[[], T], otherwise: T) -> T:
        """Return what `change` returns; `otherwise` when it fails, or when the API server was lost before."""
        if self._lost:
            return otherwise
        try:
            return change()
        except KubeError as error:
            self.error = self.error or error
            self._lost = not isinstance(error, Refused)
            return otherwise
