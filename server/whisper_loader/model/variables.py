"""Tensors of a checkpoint as variables of a CTranslate2 model: read when written, a block of rows at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from whisper_loader.model.documents import invalid
from whisper_loader.model.safetensors import Tensor

Values = NDArray[Any]

#: Numbers in a block: they fit into a processor's cache, and the page cache takes 256 KiB at a time with the least ado.
BLOCK = 1 << 17
_MAX_ROW = 1 << 20
_MAX_BYTES = (1 << 32) - 1  # what a model.bin has room to say, in the widest type
_SIZES = {"float32": 4, "float16": 2, "bfloat16": 2, "int16": 2, "int8": 1}


class Variable(Protocol):
    """What a model.bin holds under one name."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str: ...

    def blocks(self) -> Iterator[Values]:
        """Yield the values as they are stored, in order; bfloat16 as the integers that hold its bits."""


def size_of(variable: Variable) -> int:
    """Return how many bytes a variable takes in a model.bin."""
    return math.prod(variable.shape) * _SIZES[variable.dtype]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number of the architecture, such as how many heads there are."""

    value: Values

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        return self.value.dtype.name

    def blocks(self) -> Iterator[Values]:
        yield self.value


@dataclass(frozen=True, slots=True)
class Zeros:
    """A part that the checkpoint leaves out: a bias that is nought."""

    shape: tuple[int]

    def rows(self, start: int, stop: int) -> Values:
        return np.zeros(stop - start, np.float16)


@dataclass(frozen=True, slots=True)
class Joined:
    """Tensors joined along their first dimension and cast from type to type, as torch would.

    Attributes:
        parts: what is joined; at least one tensor.
        casts: types that the values pass through in turn; the last is the variable's.
    """

    parts: tuple[Tensor | Zeros, ...]
    casts: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:]

    @property
    def dtype(self) -> str:
        return self.casts[-1]

    def check(self) -> None:
        """Raise LoaderError InvalidModel for what is larger than anything that a Whisper has."""
        if self._row_size() > _MAX_ROW or math.prod(self.shape) * _SIZES["float32"] > _MAX_BYTES:
            raise invalid(f"the checkpoint has a tensor of shape {list(self.shape)}, which no Whisper has")

    def to(self, dtype: str) -> "Joined":
        """Return the same values, cast once more."""
        return self if dtype == self.dtype else replace(self, casts=(*self.casts, dtype))

    def first(self) -> float:
        """Return the first number: enough to tell most variables apart."""
        return float(self.rows(0, 1).flat[0])

    def equals(self, other: "Joined") -> bool:
        """Tell whether all values are the same, those of one shape given."""
        return self.parts == other.parts or all(map(np.array_equal, self.numbers(), other.numbers()))

    def numbers(self) -> Iterator[Values]:
        """Yield the values block by block, bfloat16 widened to float32."""
        step = max(1, BLOCK // self._row_size())
        rows = self.shape[0]
        for start in range(0, rows, step):
            yield self.rows(start, min(start + step, rows))

    def blocks(self) -> Iterator[Values]:
        for values in self.numbers():
            yield (values.view(np.uint32) >> 16).astype(np.uint16) if self.dtype == "bfloat16" else values

    def rows(self, start: int, stop: int) -> Values:
        """Return rows `start` to `stop` of all parts together."""
        pieces = []
        for part in self.parts:
            length = part.shape[0]
            if (begin := max(start, 0)) < (end := min(stop, length)):
                pieces.append(part.rows(begin, end))
            start, stop = start - length, stop - length
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        for dtype in self.casts:
            values = cast(values, dtype)
        return values

    def _row_size(self) -> int:
        return math.prod(self.shape[1:])


def cast(values: Values, dtype: str) -> Values:
    """Return `values` rounded to `dtype`, to nearest even; bfloat16 stays in float32, with its lower half zero."""
    if dtype == "bfloat16":
        return _round_to_bfloat16(values.astype(np.float32))
    with np.errstate(over="ignore"):  # what is too large for float16 becomes infinite, as in torch
        return values.astype(np.dtype(dtype), copy=False)


def _round_to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(values), np.float32(np.nan), rounded.view(np.float32))
