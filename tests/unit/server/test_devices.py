"""Which device and arithmetic are used."""

import _ctypes
import shutil
from pathlib import Path

import ctranslate2
import pytest

from whisper_server.configuration.settings import COMPUTE_TYPES
from whisper_server.engine import devices, loading
from whisper_server.engine.interface import EngineError

CPU = {"float32", "int8", "int8_float32"}


@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        (("int8_float16", "float16", "int8", "float32"), "int8"),
        (("float32", "int8"), "float32"),
        (("float16", "default"), "default"),
        (("auto",), "auto"),
    ],
)
def test_the_first_compute_type_that_the_device_can_do_is_used(wishes: tuple[str, ...], chosen: str) -> None:
    assert devices.choose_compute_type(wishes, CPU, "cpu") == chosen


def test_when_the_device_can_do_none_the_sentence_says_what_it_can() -> None:
    with pytest.raises(EngineError) as caught:
        devices.choose_compute_type(("float16", "bfloat16"), CPU, "cpu")
    assert str(caught.value) == (
        "device cpu can do none of the compute types float16, bfloat16: it can do float32, int8, int8_float32"
    )


def test_what_ctranslate2_supports_can_be_wished_for() -> None:
    assert devices.supported_compute_types("cpu") <= set(COMPUTE_TYPES)


def test_auto_is_cuda_exactly_where_there_is_a_gpu() -> None:
    assert devices.choose_device("auto") == ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
    assert devices.choose_device("cuda") == "cuda"


def test_a_device_that_is_not_there_is_said_in_a_sentence() -> None:
    with pytest.raises(EngineError, match=r"^device nonsense cannot be used: "):
        devices.supported_compute_types("nonsense")


def test_a_gpu_that_cannot_be_used_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_a_driver(_device: str) -> set[str]:
        raise RuntimeError("CUDA failed with error CUDA driver version is insufficient for CUDA runtime version")

    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", without_a_driver)
    with pytest.raises(
        EngineError, match=r"^device cuda cannot be used: no NVIDIA driver is here, .* set the device to cpu"
    ):
        devices.supported_compute_types("cuda")


@pytest.mark.parametrize(("limit", "cpus"), [("max 100000", 8), ("150000 100000", 2), ("1000 100000", 1), (None, 8)])
def test_a_containers_cpu_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, cpus: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit + "\n")
    assert devices.usable_cpus(tmp_path / "cpu.max") == cpus


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        ("CUDA failed with error out of memory", "there is not enough memory: choose a smaller compute type"),
        ("std::bad_alloc", "there is not enough memory: choose a smaller compute type"),
        ("Library libcublas.so.12 is not found or cannot be loaded", "cuBLAS 12 is missing"),
        ("CUDA driver version is insufficient for CUDA runtime version", "no NVIDIA driver is here, or one too old"),
        ("CUDA failed with error no CUDA-capable device is detected", "no GPU is visible here"),
        ("Unable to open file\n 'model.bin'", "Unable to open file 'model.bin'"),
    ],
)
def test_trouble_at_start_is_explained_in_one_sentence(said: str, explained: str) -> None:
    told = devices.explain(RuntimeError(said))
    assert told.startswith(explained)
    assert "\n" not in told


def test_an_error_without_a_text_is_told_by_its_name() -> None:
    assert devices.explain(MemoryError()) == "MemoryError"


def test_cublas_is_loaded_from_pythons_packages_where_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another library stands for it, which is some hundred times smaller."""
    devices.load_cublas()  # Not there: nothing to do.
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    names = ("libcublas.so.12", "libcublasLt.so.12", "libnvblas.so.12")
    for name in names:
        shutil.copy(_ctypes.__file__, folder / name)
    monkeypatch.syspath_prepend(str(tmp_path))
    devices.load_cublas()
    loaded = Path("/proc/self/maps").read_text()
    assert [name for name in names if str(folder / name) in loaded] == ["libcublas.so.12", "libcublasLt.so.12"]


def test_cublas_is_looked_for_before_a_model_is_loaded_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda _: {"float32"})
    monkeypatch.setattr(loading, "load_cublas", lambda: looked.append("cublas"))
    for device in ("cpu", "cuda"):
        with pytest.raises(EngineError, match=f"the model cannot be loaded on {device}"):
            loading.load_model(tmp_path, loading.EngineSettings(device))
    assert looked == ["cublas"]
