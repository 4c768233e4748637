"""Safetensors files are checked before anything in them is believed."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tests.support.checkpoints import save_safetensors
from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.model import safetensors
from whisper_loader.model.safetensors import load_checkpoint
from whisper_loader.model.variables import cast

NAME = "model.safetensors"


def write(folder: Path, header: object, data: bytes = b"", *, length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / NAME).write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)


def entry(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"", b"", "not a safetensors file"),
        (b"{", b"", "broken header"),
        (b"\xff\xff", b"", "broken header"),
        ([], b"", "broken header"),
        (entry(), b"1234567", "is cut short: x lies behind its end"),
        (entry(), b"", "is cut short: x lies behind its end"),
        (entry(dtype="I64", offsets=(0, 16)), bytes(16), "x has the type I64"),
        (entry(shape=(3,)), bytes(8), "does not fit its bytes"),
        (entry(shape=()), bytes(8), "x has a shape that no tensor of a Whisper has"),
        (entry(shape=(-1, -2)), bytes(8), "x has a shape that no tensor of a Whisper has"),
        (entry(shape=(1, 1, 1, 1, 2)), bytes(8), "x has a shape that no tensor of a Whisper has"),
        (entry(shape=(1e999,)), bytes(8), "entry of x is broken"),
        (entry(shape="2"), bytes(8), "entry of x is broken"),
        (entry(offsets=(8, 0)), bytes(8), "does not fit its bytes"),
        (entry(offsets=(-8, 0)), bytes(8), "lies behind its end"),
        (entry(offsets=(0,)), bytes(8), "entry of x is broken"),
        ({"x": 7}, bytes(8), "entry of x is broken"),
    ],
)
def test_what_does_not_fit_is_refused(header: object, data: bytes, message: str, tmp_path: Path) -> None:
    write(tmp_path, header, data)
    with pytest.raises(LoaderError, match=message) as raised:
        load_checkpoint(tmp_path)
    assert raised.value.reason is Reason.INVALID_MODEL


@pytest.mark.parametrize("length", [0, 50, 1 << 40, (1 << 64) - 1])
def test_a_header_longer_than_the_file_is_refused(length: int, tmp_path: Path) -> None:
    write(tmp_path, b"{}", length=length)
    with pytest.raises(LoaderError, match="not a safetensors file"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_of_more_tensors_than_any_whisper_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safetensors, "MAX_TENSORS", 5)
    shards = {f"model-0000{number}-of-00003.safetensors": range(2 * number, 2 * number + 2) for number in range(3)}
    for shard, names in shards.items():
        save_safetensors(tmp_path / shard, {f"x{name}": np.zeros(1, np.float32) for name in names}, "float32")
    weight_map = {f"x{name}": shard for shard, names in shards.items() for name in names}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(LoaderError, match="more than 5 tensors"):
        load_checkpoint(tmp_path)


floats = st_numpy.arrays(np.float32, st_numpy.array_shapes(max_dims=3, max_side=4), elements=st.floats(width=32))


@given(floats, st.sampled_from(["float32", "float16"]))
def test_numbers_come_back_as_they_were_stored(
    values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", dtype: str
) -> None:
    with tempfile.TemporaryDirectory() as folder, np.errstate(over="ignore"):
        stored = values.astype(dtype)
        save_safetensors(Path(folder, NAME), {"before": stored, "x": stored}, dtype)
        tensor = load_checkpoint(Path(folder))["x"]
        assert (tensor.dtype, tensor.shape) == (dtype, values.shape)
        np.testing.assert_array_equal(tensor.values(), stored)


@given(st.floats(width=32))
def test_bfloat16_is_the_nearest_number_with_half_the_bits(number: float) -> None:
    value = np.array([number], np.float32)
    rounded = cast(value, "bfloat16")
    bits = int(value.view(np.uint32)[0])
    if np.isnan(number):
        assert np.isnan(rounded[0])
        return
    below, above = bits & 0xFFFF0000, (bits & 0xFFFF0000) + 0x10000
    distance = bits - below
    up = distance > 0x8000 or (distance == 0x8000 and (below >> 16) & 1)
    assert int(rounded.view(np.uint32)[0]) == (above if up else below) & 0xFFFFFFFF
