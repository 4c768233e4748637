"""Which device and which arithmetic: chosen from what is wished for and what is there."""

import ctypes
import importlib.util
import math
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import ctranslate2

from whisper_server.engine.interface import EngineError

#: CTranslate2 resolves these by itself on any device.
_ALWAYS_POSSIBLE = ("default", "auto")
#: Windows in a batch from which larger ones bring no more.
_BEST_BATCH = {"cpu": 8, "cuda": 16}
#: A CPU needs so long for a batch that is large enough to be worth it.
_BEST_BATCH_MS = {"cpu": 3000.0, "cuda": 1000.0}
#: What stands in errors of CUDA, its libraries and of memory, and what to do about it; the first that fits counts.
_ADVICE = (
    ("out of memory", "there is not enough memory: choose a smaller compute type, a smaller model or a larger device"),
    ("bad_alloc", "there is not enough memory: choose a smaller compute type, a smaller model or give it more"),
    ("alloc_failed", "there is not enough memory: choose a smaller compute type, a smaller model or a larger device"),
    ("libcublas", "cuBLAS 12 is missing: install the package's extra `cuda`, or use the image that brings it along"),
    ("libcudnn", "cuDNN is missing: use the image that brings it along"),
    (
        "driver version is insufficient",
        "no NVIDIA driver is here, or one too old for CUDA 12: ask for a GPU, update it, or set the device to cpu",
    ),
    ("no cuda-capable device", "no GPU is visible here: ask for one, or set the device to cpu"),
    ("no kernel image", "this GPU is too old or too new for this version of CTranslate2"),
)
#: Of the package that the extra `cuda` brings; each needs those before it.
_CUBLAS = ("libcublasLt.so.12", "libcublas.so.12")
_CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")


def choose_device(wish: str) -> str:
    """Return cpu or cuda; `auto` is cuda exactly where there is a GPU."""
    if wish != "auto":
        return wish
    return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"


def supported_compute_types(device: str) -> frozenset[str]:
    """Return what `device` can calculate with.

    Raises:
        EngineError: when the device cannot be used at all.
    """
    try:
        return frozenset(ctranslate2.get_supported_compute_types(device))
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"device {device} cannot be used: {explain(error)}") from error


def load_cublas() -> None:
    """Load cuBLAS from Python's packages, where the extra `cuda` has put it.

    CTranslate2 asks the system's loader for it by its name, which knows nothing of Python's packages, and takes what is
    loaded already.
    """
    packages = importlib.util.find_spec("nvidia")
    for folder in (packages and packages.submodule_search_locations) or ():
        for library in (Path(folder, "cublas", "lib", name) for name in _CUBLAS):
            if library.exists():
                ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


def choose_compute_type(wishes: Sequence[str], supported: Collection[str], device: str) -> str:
    """Return the first of `wishes` that is `supported`.

    Raises:
        EngineError: when none is.
    """
    for wish in wishes:
        if wish in _ALWAYS_POSSIBLE or wish in supported:
            return wish
    wished, possible = ", ".join(wishes), ", ".join(sorted(supported))
    raise EngineError(f"device {device} can do none of the compute types {wished}: it can do {possible}")


def usable_cpus(cgroup_cpu: Path = _CGROUP_CPU) -> int:
    """Return how many CPUs this process may use: a container's limit is not seen in the number of cores."""
    cpus = len(os.sched_getaffinity(0))
    try:
        quota, period = cgroup_cpu.read_text().split()
    except OSError:
        return cpus
    return cpus if quota == "max" else max(1, min(cpus, math.ceil(int(quota) / int(period))))


def default_max_batch(device: str) -> int:
    """Return how many windows one run of the model takes best, as found by trials."""
    return _BEST_BATCH[device]


def default_max_batch_ms(device: str) -> float:
    """Return how long a batch with windows of long recordings may take: others wait so long for it at most."""
    return _BEST_BATCH_MS[device]


def explain(error: Exception) -> str:
    """Return what an error of CTranslate2 at start means, and what to do about it, in one sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    for part, advice in _ADVICE:
        if part in text.casefold():
            return f"{advice} ({text})"
    return text
