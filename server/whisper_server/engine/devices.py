"""Which device and which arithmetic: chosen from what is wished for and what is there."""

import math
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import ctranslate2

from whisper_server.engine.interface import EngineError

#: CTranslate2 resolves these by itself on any device.
_ALWAYS_POSSIBLE = ("default", "auto")
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
        raise EngineError(f"device {device} cannot be used: {error}") from error


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
