"""Has what the chosen tests need compiled or installed before the first one starts.

Inside a test the minutes that a first compilation takes would count against its time limit, and what is said of its
progress would not be seen.
"""

import gc
import os
from collections.abc import Callable, Generator
from pathlib import Path

# Before anything imports numpy. Threads of its library wait for one another by computing, which a machine whose cores
# are shared by many tests has no time for: a fifth of what the model's tests took. The server does so by itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from tests.cluster import binaries, packages
from tests.cluster.errors import ClusterError
from tests.cluster.images import build_images
from tests.cluster.runs import termination_unwinds
from tests.support import browser, registry

HERE = Path(__file__).parent

# Machines are shared: how long an example takes says nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def _node_packages() -> None:
    packages.ensure(packages.NODE)


def _promtool() -> None:
    packages.ensure({"promtool": "prometheus"})


SERVERS: tuple[Callable[[], object], ...] = (binaries.kubernetes, binaries.helm, binaries.versitygw)
NEEDS: dict[str, tuple[Callable[[], object], ...]] = {
    "unit/chart": (binaries.helm,),
    "unit/chart/test_alerts.py": (_promtool,),
    "unit/server/test_try_page.py": (browser.ensure_browser,),
    "unit/loader": (binaries.versitygw, registry.programs),
    "integration": SERVERS,
    "e2e": (_node_packages, binaries.pause, *SERVERS),
    "e2e/test_demo.py": (build_images,),
    "e2e/test_from_apply_to_transcript.py": (build_images, binaries.metrics_server),
    "e2e/test_bad_input.py": (build_images,),
    "e2e/test_images.py": (build_images,),
    "e2e/test_interruptions.py": (build_images,),
}


def pytest_sessionstart(session: pytest.Session) -> None:
    """By the paths that were asked for, so that it happens once, before there are any workers."""
    if session.config.option.collectonly or hasattr(session.config, "workerinput"):
        return
    asked = [Path(argument.partition("::")[0]).resolve() for argument in session.config.args]
    needs = [need for place in NEEDS if _asked(HERE / place, asked) for need in NEEDS[place]]
    capture = session.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None, "a plugin of pytest's own"
    with capture.global_and_fixture_disabled(), termination_unwinds():
        for need in dict.fromkeys(needs):
            _have(need)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from all that is imported and collected, which stays to the end.

    To look through it takes a fifth of a second each time, and faster-whisper asks for that at each decoding.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _asked(place: Path, asked: list[Path]) -> bool:
    return any(place.is_relative_to(path) or path.is_relative_to(place) for path in asked)


def _have(need: Callable[[], object]) -> None:
    try:
        need()
    except ClusterError as error:
        pytest.exit(str(error), returncode=1)
