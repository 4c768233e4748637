"""Has what the chosen tests need compiled or installed before the first one starts.

Inside a test the minutes that a first compilation takes would count against its time limit, and what is said of its
progress would not be seen.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import binaries, packages
from tests.cluster.errors import ClusterError

HERE = Path(__file__).parent


def _node_packages() -> None:
    packages.ensure(packages.NODE)


def _image_packages() -> None:
    packages.ensure(packages.IMAGES)


SERVERS: tuple[Callable[[], object], ...] = (binaries.kubernetes, binaries.helm, binaries.versitygw)
NEEDS: dict[str, tuple[Callable[[], object], ...]] = {
    "unit/chart": (binaries.helm,),
    "unit/loader": (binaries.versitygw,),
    "integration": SERVERS,
    "e2e": (_node_packages, _image_packages, binaries.pause, *SERVERS),
}


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    folders = [folder for folder in NEEDS if any(item.path.is_relative_to(HERE / folder) for item in session.items)]
    capture = session.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None, "a plugin of pytest's own"
    with capture.global_and_fixture_disabled():
        for need in dict.fromkeys(need for folder in folders for need in NEEDS[folder]):
            _have(need)


def _have(need: Callable[[], object]) -> None:
    try:
        need()
    except ClusterError as error:
        pytest.exit(str(error), returncode=1)
