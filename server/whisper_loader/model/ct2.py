"""Reads the header of a CTranslate2 model.bin: what variables it declares, without loading them.

The format is what `ctranslate2.specs.model_spec.ModelSpec` writes, version 6, little-endian:

    u32 version, str spec, u32 revision
    u32 count, then for each variable: str name, u8 rank, u32 for each dimension, u8 dtype, u32 bytes, content
    u32 count, then for each alias: str alias, str name
    str: u16 length with its NUL, text, NUL
"""

import math
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from whisper_loader.model.documents import invalid

SPEC = "WhisperSpec"
VERSION = 6
REVISION = 3
DTYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_ITEM_SIZES = (4, 1, 2, 4, 2, 2)
_FIRST_CONVOLUTION = "encoder/conv1/weight"
_CONVOLUTION_RANK = 3
_DECODER_LAYER = re.compile(r"decoder/layer_\d+/self_attention/linear_0/weight")
_MAX_COUNT = 100_000
_MAX_NAME = 1_000
_MAX_RANK = 4


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a model declares."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightsHeader:
    """What a model.bin says of itself; aliases are resolved."""

    variables: dict[str, Variable]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a variable; LoaderError InvalidModel when the model does not have it."""
        if name not in self.variables:
            raise invalid(f"model.bin has no variable {name}")
        return self.variables[name].shape

    @property
    def mel_bins(self) -> int:
        """Mel bands that the encoder takes; LoaderError InvalidModel when its first convolution is not Whisper's."""
        shape = self.shape(_FIRST_CONVOLUTION)
        if len(shape) != _CONVOLUTION_RANK:
            raise invalid(f"model.bin has a first convolution of shape {shape}, which is not Whisper's")
        return shape[1]

    @property
    def decoder_layers(self) -> int:
        """How many layers the decoder has."""
        return sum(_DECODER_LAYER.fullmatch(name) is not None for name in self.variables)

    @property
    def quantization(self) -> str:
        """The type of the weights as CTranslate2 names it: that of the matrices, then of the rest where they differ."""
        matrix = self.variables.get("decoder/layer_0/self_attention/linear_0/weight")
        rest = self.variables.get("decoder/layer_norm/gamma")
        if matrix is None or rest is None:
            raise invalid("model.bin has no decoder")
        return f"int8_{rest.dtype}" if matrix.dtype == "int8" else matrix.dtype


def read_header(path: Path) -> WeightsHeader:
    """Return the header of the Whisper model at `path`.

    Raises:
        LoaderError: InvalidModel for another kind of file or model, another version, or one that is cut short.
    """
    if not path.is_file():
        raise invalid(f"{path.name} is missing")
    with path.open("rb") as file:
        try:
            return WeightsHeader(_Reader(file).read_all())
        except (struct.error, UnicodeDecodeError) as error:
            raise invalid(f"{path.name} is cut short or damaged") from error


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def read_all(self) -> dict[str, Variable]:
        self._check_kind()
        variables = dict(self._variable() for _ in range(self._count()))
        for _ in range(self._count()):
            alias, name = self._string(), self._string()
            if name not in variables:
                raise invalid(f"model.bin: {alias} stands for {name}, which is not there")
            variables[alias] = variables[name]
        if self._file.tell() != self._size:
            raise invalid("model.bin has more bytes than it declares")
        return variables

    def _check_kind(self) -> None:
        if self._number("<I") != VERSION:
            raise invalid(f"model.bin is not a CTranslate2 model of format version {VERSION}")
        spec, revision = self._string(), self._number("<I")
        if spec != SPEC:
            raise invalid(f"model.bin holds a {spec}, which is not a Whisper model")
        if revision > REVISION:
            raise invalid(f"model.bin has revision {revision} of {SPEC}; the newest that is known here is {REVISION}")

    def _variable(self) -> tuple[str, Variable]:
        name = self._string()
        rank = self._number("<B")
        if rank > _MAX_RANK:
            raise invalid(f"model.bin: {name} has {rank} dimensions")
        shape = tuple(self._number("<I") for _ in range(rank))
        type_id, size = self._number("<B"), self._number("<I")
        # The size is 32 bits wide and wraps in CTranslate2's writer for nothing as small as a Whisper.
        if type_id >= len(DTYPES) or size != math.prod(shape) * _ITEM_SIZES[type_id]:
            raise invalid(f"model.bin: {name} has a type or shape that does not fit its size")
        if self._file.seek(size, os.SEEK_CUR) > self._size:
            raise invalid(f"model.bin is cut short: {name} goes on behind its end")
        return name, Variable(DTYPES[type_id], shape)

    def _count(self) -> int:
        count = self._number("<I")
        if count > _MAX_COUNT:
            raise invalid("model.bin is damaged: it declares too many variables")
        return count

    def _number(self, form: str) -> int:
        size = struct.calcsize(form)
        number: int = struct.unpack(form, self._file.read(size))[0]
        return number

    def _string(self) -> str:
        length = self._number("<H")
        if length > _MAX_NAME:
            raise invalid("model.bin is damaged: it has a name that is too long")
        data = self._file.read(length)
        if len(data) != length or not data.endswith(b"\0"):
            raise struct.error
        return data[:-1].decode()
