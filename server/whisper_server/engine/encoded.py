"""What the encoder made of a batch, and some of its rows by themselves."""

from dataclasses import dataclass
from typing import Any

import ctranslate2
import numpy as np

from whisper_server.engine.payloads import Features


@dataclass(frozen=True, slots=True)
class _CudaRows:
    """A run of rows in the memory of a GPU.

    https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html
    """

    __cuda_array_interface__: dict[str, Any]


class Encoded:
    """The encoder's output for a batch. It cannot be indexed, but a view may begin anywhere in it."""

    def __init__(self, model: Any, features: Features) -> None:
        self._model = model
        self._features = features
        self._output = model.encode(ctranslate2.StorageView.from_array(features))

    def all(self) -> Any:
        """Return the rows of the whole batch."""
        return self._output

    def rows(self, start: int, stop: int) -> Any:
        """Return the rows from `start` up to `stop`; valid as long as this object is."""
        if (start, stop) == (0, len(self._features)):
            return self._output
        try:
            return ctranslate2.StorageView.from_array(self._view(start, stop))
        except (AttributeError, TypeError, ValueError, RuntimeError):
            # NumPy knows no bfloat16: these few are encoded again.
            rows = np.ascontiguousarray(self._features[start:stop])
            return self._model.encode(ctranslate2.StorageView.from_array(rows))

    def _view(self, start: int, stop: int) -> Any:
        if self._output.device == "cpu":
            return np.asarray(self._output)[start:stop]
        whole = self._output.__cuda_array_interface__
        row_bytes = int(np.dtype(whole["typestr"]).itemsize * np.prod(whole["shape"][1:]))
        address, read_only = whole["data"]
        shape = (stop - start, *whole["shape"][1:])
        return _CudaRows({**whole, "shape": shape, "data": (address + start * row_bytes, read_only)})
