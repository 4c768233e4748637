"""Tensors of a checkpoint as variables of a CTranslate2 specification: read when written, one by one, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ctranslate2.specs import model_spec
from numpy.typing import NDArray

from whisper_loader.model.safetensors import Tensor
from whisper_loader.progress import Meter

_SIZES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Zeros:
    """A part that the checkpoint leaves out: a bias that is nought."""

    length: int


@dataclass(frozen=True, eq=False)
class CheckpointVariable(model_spec.Variable):  # type: ignore[misc]  # ctranslate2 ships no types
    """Tensors joined along their first dimension and cast from type to type, as torch would.

    Attributes:
        parts: what is joined; at least one tensor.
        casts: types that the values pass through in turn; the last is the variable's.
        meter: counts what is read to be written.
    """

    parts: tuple[Tensor | Zeros, ...]
    casts: tuple[str, ...]
    meter: Meter = field(repr=False)

    @property
    def _tensors(self) -> Sequence[Tensor]:
        return [part for part in self.parts if isinstance(part, Tensor)]

    @property
    def shape(self) -> list[int]:
        rows = sum(part.shape[0] if isinstance(part, Tensor) else part.length for part in self.parts)
        return [rows, *self._tensors[0].shape[1:]]

    @property
    def dtype(self) -> str:
        return self.casts[-1]

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the values that may be written to, bfloat16 widened to float32."""
        values = self.read()
        self.meter.advance(self.stored_bytes)
        return values

    def num_bytes(self) -> int:
        return int(np.prod(self.shape)) * _SIZES[self.dtype]

    def to_bytes(self) -> bytes:
        values = self.numpy()
        if self.dtype == "bfloat16":
            return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        return values.tobytes()

    @property
    def stored_bytes(self) -> int:
        """Bytes that are read for it."""
        return sum(tensor.raw.size for tensor in self._tensors)

    def read(self) -> NDArray[Any]:
        """Return the values, uncounted."""
        first = self._tensors[0].dtype
        arrays = [
            part.values()
            if isinstance(part, Tensor)
            else np.zeros(part.length, np.float16 if first == "float16" else np.float32)
            for part in self.parts
        ]
        values = np.concatenate(arrays)
        for dtype in self.casts:
            values = cast(values, dtype)
        return values

    def _to(self, dtype: str) -> "CheckpointVariable":
        return replace(self, casts=(*self.casts, dtype))

    def _equal(self, other: "CheckpointVariable") -> bool:
        """CTranslate2 stores equal variables once and compares all pairs: most differ in shape or first number."""
        if self.dtype != other.dtype or self.shape != other.shape:
            return False
        if self.parts == other.parts:
            return True
        mine, theirs = self.parts[0], other.parts[0]
        if isinstance(mine, Tensor) and isinstance(theirs, Tensor) and mine.dtype == theirs.dtype:  # noqa: SIM102  (below)
            # On its own line: the cheap look that spares reading both.
            if mine.first() != theirs.first():
                return False
        return np.array_equal(self.read(), other.read())


def cast(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return `values` rounded to `dtype`, to nearest even; bfloat16 stays in float32, with its lower half zero."""
    if dtype == "bfloat16":
        return _round_to_bfloat16(values.astype(np.float32))
    with np.errstate(over="ignore"):  # what is too large for float16 becomes infinite, as in torch
        return values.astype(np.dtype(dtype), copy=False)


def _round_to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(values), np.float32(np.nan), rounded.view(np.float32))
