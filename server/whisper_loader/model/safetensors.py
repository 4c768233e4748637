"""Reads safetensors checkpoints, in one file or in shards, mapped into memory and checked before anything is believed.

Format: https://github.com/huggingface/safetensors#format. A reader of our own because numpy has no bfloat16, so that
the official one gives such tensors to torch only.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whisper_loader.model.documents import invalid, read_object
from whisper_loader.model.layout import SAFETENSORS, SAFETENSORS_INDEX

_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 100_000_000  # the format's own limit
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_ITEM_SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor on disk.

    Attributes:
        dtype: float32, float16 or bfloat16.
        shape: as the model has it.
        raw: its bytes, mapped.
    """

    dtype: str
    shape: tuple[int, ...]
    raw: NDArray[np.uint8]

    def values(self) -> NDArray[Any]:
        """Return the numbers as float16 or float32 (bfloat16 is the upper half of a float32)."""
        if self.dtype != "bfloat16":
            return self.raw.view(np.dtype(self.dtype)).reshape(self.shape)
        wide = self.raw.view(np.uint16).astype(np.uint32) << 16
        return wide.view(np.float32).reshape(self.shape)

    def first(self) -> float:
        """Return the first number: enough to tell most tensors apart."""
        return float(Tensor(self.dtype, (1,), self.raw[: _ITEM_SIZE[self.dtype]]).values()[0])


def load_checkpoint(directory: Path) -> dict[str, Tensor]:
    """Return the tensors of the checkpoint in `directory` by name, none of them read yet.

    Raises:
        LoaderError: InvalidModel.
    """
    if (directory / SAFETENSORS).is_file():
        return _load(directory / SAFETENSORS)
    weight_map = read_object(directory / SAFETENSORS_INDEX).get("weight_map")
    if not isinstance(weight_map, dict):
        raise invalid(f"{SAFETENSORS_INDEX} has no weight_map")
    shards = {shard: _load(_shard_path(directory, shard)) for shard in sorted(set(weight_map.values()), key=str)}
    missing = [name for name, shard in weight_map.items() if name not in shards[shard]]
    if missing:
        raise invalid(f"{missing[0]} is not in the shard that {SAFETENSORS_INDEX} names")
    return {name: shards[shard][name] for name, shard in weight_map.items()}


def _shard_path(directory: Path, name: object) -> Path:
    if not isinstance(name, str) or "/" in name or not (directory / name).is_file():
        raise invalid(f"the shard {name!r} that {SAFETENSORS_INDEX} names is missing")
    return directory / name


def _load(path: Path) -> dict[str, Tensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_LENGTH.size)
        length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else 0
        if not 0 < length <= min(_MAX_HEADER, size - _LENGTH.size):
            raise invalid(f"{path.name} is not a safetensors file, or is cut short in its header")
        header = _parse_header(path, file.read(length))
    data = (
        np.memmap(path, dtype=np.uint8, mode="r", offset=_LENGTH.size + length)
        if size > _LENGTH.size + length
        else None
    )
    return {name: _tensor(path, name, entry, data) for name, entry in header.items() if name != "__metadata__"}


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid(f"{path.name} has a broken header") from error
    if not isinstance(header, dict):
        raise invalid(f"{path.name} has a broken header")
    return header


def _tensor(path: Path, name: str, entry: Any, data: NDArray[np.uint8] | None) -> Tensor:
    dtype, shape, begin, end = _fields(path, name, entry)
    if dtype not in _DTYPES:
        raise invalid(f"{path.name}: {name} has the type {dtype}; a Whisper checkpoint has {', '.join(_DTYPES)}")
    kind = _DTYPES[dtype]
    if end - begin != math.prod(shape) * _ITEM_SIZE[kind] or not shape or min(shape) <= 0:
        raise invalid(f"{path.name}: {name} has a shape that does not fit its bytes")
    if data is None or not 0 <= begin <= end <= data.size:
        raise invalid(f"{path.name} is cut short: {name} lies behind its end")
    return Tensor(kind, shape, data[begin:end])


def _fields(path: Path, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    try:
        begin, end = entry["data_offsets"]
        return str(entry["dtype"]), tuple(int(dim) for dim in entry["shape"]), int(begin), int(end)
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(f"{path.name}: the header's entry of {name} is broken") from error
