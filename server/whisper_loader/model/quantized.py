"""Matrices as integers with a scale, block by block, as CTranslate2's converter makes them.

A scale is known when its weights have been read. They are written first, since `weight` sorts before `weight_scale`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from whisper_loader.model.documents import invalid
from whisper_loader.model.variables import Joined, Values

_INT8_MAX = 127.0
# Ten bits for each factor leave twelve of 32 for sums.
_INT16_SPAN = 2**10


@dataclass(frozen=True, slots=True)
class Int8Weights:
    """Rows scaled so that the largest number of each is 127, and rounded.

    Attributes:
        source: the numbers, in float32.
        scales: of the rows that have been read.
    """

    source: Joined
    scales: list[Values] = field(default_factory=list)
    dtype = "int8"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    def blocks(self) -> Iterator[Values]:
        for block in self.source.numbers():
            rows = block.reshape(len(block), -1)
            largest = np.amax(np.absolute(rows), axis=1)
            _check_finite(largest)
            largest[largest == 0] = _INT8_MAX
            # The scale of a row of tiny numbers stays within float32.
            scale = _INT8_MAX / np.maximum(largest, np.float32(_INT8_MAX) / np.finfo(np.float32).max)
            self.scales.append(scale)
            rows *= scale[:, np.newaxis]
            yield np.rint(rows, out=rows).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Int8Scales:
    """What the rows of weights were multiplied by."""

    weights: Int8Weights
    dtype = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weights.shape[:1]

    def blocks(self) -> Iterator[Values]:
        yield from self.weights.scales


@dataclass(frozen=True, slots=True)
class Int16Weights:
    """A matrix scaled as a whole, which is why it is read twice; `scales` holds the one scale."""

    source: Joined
    scales: list[Values] = field(default_factory=list)
    dtype = "int16"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    def blocks(self) -> Iterator[Values]:
        largest = np.amax([np.amax(np.absolute(block)) for block in self.source.numbers()])
        _check_finite(largest)
        limits = np.iinfo(np.int16)
        with np.errstate(divide="ignore", invalid="ignore"):  # a matrix of noughts gets an infinite scale
            scale = np.float32(_INT16_SPAN / largest)
            self.scales.append(np.asarray(scale))
            for block in self.source.numbers():
                yield np.clip(np.rint(block * scale), limits.min, limits.max).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Int16Scale:
    """What a matrix was multiplied by."""

    weights: Int16Weights
    shape = ()
    dtype = "float32"

    def blocks(self) -> Iterator[Values]:
        yield from self.weights.scales


def _check_finite(largest: Values) -> None:
    if not np.isfinite(largest).all():
        raise invalid("the checkpoint has weights that are infinite or no numbers, of which no integers can be made")
