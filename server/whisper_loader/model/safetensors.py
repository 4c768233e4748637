"""Reads safetensors checkpoints, in one file or in shards, checked before anything is believed.

Format: https://github.com/huggingface/safetensors#format. A reader of our own because numpy has no bfloat16, so that
the official one gives such tensors to torch only, and because pages that are mapped count as memory in a pod.
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

#: The largest Whisper has 1,259.
MAX_TENSORS = 50_000

_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 8 << 20  # the format allows more; the largest Whisper's has 150 kB
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_STORED = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}
_ITEM_SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}
_MAX_RANK = 4
_MAX_DIMENSION = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor on disk.

    Attributes:
        dtype: float32, float16 or bfloat16.
        shape: as the model has it; never empty.
        path: the file that holds it.
        offset: where in the file its bytes begin.
    """

    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return some of the rows as float16 or float32 (bfloat16 is the upper half of a float32).

        Raises:
            LoaderError: InvalidModel when the file was cut since its header was read.
            OSError: of the volume.
        """
        row = math.prod(self.shape[1:])
        count = (stop - start) * row
        offset = self.offset + start * row * _ITEM_SIZE[self.dtype]
        values = np.fromfile(self.path, _STORED[self.dtype], count, offset=offset)
        if values.size != count:
            raise invalid(f"{self.path.name} is cut short")
        if self.dtype == "bfloat16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.reshape(stop - start, *self.shape[1:])

    @property
    def size(self) -> int:
        """How many bytes it takes on disk."""
        return math.prod(self.shape) * _ITEM_SIZE[self.dtype]

    def values(self) -> NDArray[Any]:
        """Return all numbers."""
        return self.rows(0, self.shape[0])


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
    shards: dict[str, dict[str, Tensor]] = {}
    for path in _shard_paths(directory, weight_map):
        shards[path.name] = _load(path)
        if sum(map(len, shards.values())) > MAX_TENSORS:
            raise invalid(f"the checkpoint has more than {MAX_TENSORS} tensors, and no Whisper has")
    missing = [name for name, shard in weight_map.items() if name not in shards[shard]]
    if missing:
        raise invalid(f"{missing[0]} is not in the shard that {SAFETENSORS_INDEX} names")
    return {name: shards[shard][name] for name, shard in weight_map.items()}


def _shard_paths(directory: Path, weight_map: dict[str, Any]) -> list[Path]:
    """Each shard once. A name is looked for among those that are there: what an index holds is no path to follow."""
    present = {path.name: path for path in directory.iterdir() if path.is_file()}
    for name in weight_map.values():
        if not isinstance(name, str):
            raise invalid(f"{SAFETENSORS_INDEX} names a shard that is not text")
        if name not in present:
            raise invalid(f"the shard {name!r} that {SAFETENSORS_INDEX} names is missing")
    return [present[name] for name in sorted(set(weight_map.values()))]


def _load(path: Path) -> dict[str, Tensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_LENGTH.size)
        length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else 0
        if not 0 < length <= min(_MAX_HEADER, size - _LENGTH.size):
            raise invalid(f"{path.name} is not a safetensors file, or is cut short in its header")
        header = _parse_header(path, file.read(length))
    data = range(_LENGTH.size + length, size + 1)
    tensors = {name: _tensor(path, name, entry, data) for name, entry in header.items() if name != "__metadata__"}
    # Otherwise a small file could declare any amount of work.
    if sum(tensor.size for tensor in tensors.values()) >= len(data):
        raise invalid(f"{path.name} has tensors that overlap")
    return tensors


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid(f"{path.name} has a broken header") from error
    if not isinstance(header, dict):
        raise invalid(f"{path.name} has a broken header")
    return header


def _tensor(path: Path, name: str, entry: Any, data: range) -> Tensor:
    """Return a tensor of the file; `data` are the positions where one may begin and end."""
    dtype, shape, (begin, end) = _fields(path, name, entry)
    if dtype not in _DTYPES:
        raise invalid(f"{path.name}: {name} has the type {dtype}; a Whisper checkpoint has {', '.join(_DTYPES)}")
    kind = _DTYPES[dtype]
    if not 0 < len(shape) <= _MAX_RANK or not all(0 < dimension < _MAX_DIMENSION for dimension in shape):
        raise invalid(f"{path.name}: {name} has a shape that no tensor of a Whisper has")
    if end - begin != math.prod(shape) * _ITEM_SIZE[kind]:
        raise invalid(f"{path.name}: {name} has a shape that does not fit its bytes")
    if data.start + begin not in data or data.start + end not in data:
        raise invalid(f"{path.name} is cut short: {name} lies behind its end")
    return Tensor(kind, tuple(shape), path, data.start + begin)


def _fields(path: Path, name: str, entry: Any) -> tuple[str, list[int], list[int]]:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            if all(type(number) is int for number in (*shape, begin, end)):  # True is an int, too
                return dtype, shape, [begin, end]
    raise invalid(f"{path.name}: the header's entry of {name} is broken")
