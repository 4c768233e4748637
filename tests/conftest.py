"""Has what the chosen tests need compiled or installed before the first one starts.

Inside a test the minutes that a first compilation takes would count against its time limit, and what is said of its
progress would not be seen.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import binaries, packages
from tests.cluster.errors import ClusterError
from tests.cluster.images import build_images
from tests.cluster.runs import termination_unwinds

HERE = Path(__file__).parent


def _node_packages() -> None:
    packages.ensure(packages.NODE)


SERVERS: tuple[Callable[[], object], ...] = (binaries.kubernetes, binaries.helm, binaries.versitygw)
NEEDS: dict[str, tuple[Callable[[], object], ...]] = {
    "unit/chart": (binaries.helm,),
    "unit/loader": (binaries.versitygw,),
    "integration": SERVERS,
    "e2e": (_node_packages, binaries.pause, *SERVERS),
}


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    paths = {item.path for item in session.items}
    needs = [need for folder in NEEDS if any(_inside(folder, path) for path in paths) for need in NEEDS[folder]]
    # The tests of the cluster itself run in e2e, too, but need none of our images.
    if any(_inside("e2e", path) and path.name != "test_cluster.py" for path in paths):
        needs.append(build_images)
    capture = session.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None, "a plugin of pytest's own"
    with capture.global_and_fixture_disabled(), termination_unwinds():
        for need in dict.fromkeys(needs):
            _have(need)


def _inside(folder: str, path: Path) -> bool:
    return path.is_relative_to(HERE / folder)


def _have(need: Callable[[], object]) -> None:
    try:
        need()
    except ClusterError as error:
        pytest.exit(str(error), returncode=1)
