"""Writes a CTranslate2 model.bin, block by block, hashed on the way. `ct2` reads it and says how it is laid out."""

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from whisper_contract.digest import PublishedFile
from whisper_loader.model.ct2 import DTYPES, REVISION, SPEC, VERSION
from whisper_loader.model.plan import Plan
from whisper_loader.model.variables import Variable, size_of
from whisper_loader.progress import Meter


def write_weights(path: Path, plan: Plan, meter: Meter) -> PublishedFile:
    """Write the Whisper model that `plan` describes to `path`, and return its name, size and sha256.

    Raises:
        LoaderError: InvalidModel for weights that can't be quantized, or that were cut off since they were looked at.
        OSError: of the volume.
    """
    meter.start(sum(map(size_of, plan.variables.values())))
    with path.open("xb") as file:
        writer = _Writer(file, meter)
        writer.write_all(plan)
    return PublishedFile(path.name, path.stat().st_size, writer.sha256.hexdigest())


class _Writer:
    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._file = file
        self._meter = meter
        self.sha256 = hashlib.sha256()

    def write_all(self, plan: Plan) -> None:
        self._numbers("<I", VERSION)
        self._string(SPEC)
        self._numbers("<II", REVISION, len(plan.variables))
        for name, variable in plan.variables.items():
            self._string(name)
            self._variable(variable)
        self._numbers("<I", len(plan.aliases))
        for alias, name in plan.aliases.items():
            self._string(alias)
            self._string(name)

    def _variable(self, variable: Variable) -> None:
        shape = variable.shape
        self._numbers(f"<B{len(shape)}I", len(shape), *shape)
        self._numbers("<BI", DTYPES.index(variable.dtype), size_of(variable))
        for block in variable.blocks():
            data = np.ascontiguousarray(block).reshape(-1).view(np.uint8)
            self._write(data.data)
            self._meter.advance(data.size)

    def _string(self, text: str) -> None:
        data = text.encode() + b"\0"
        self._numbers("<H", len(data))
        self._write(data)

    def _numbers(self, form: str, *numbers: int) -> None:
        self._write(struct.pack(form, *numbers))

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self.sha256.update(data)
