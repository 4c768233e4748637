"""What the loader's tests share: a store, a Job's pod, archives of the small model, a real S3 server, a Hub."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.checkpoints import convert_model
from tests.support.gcs import Gcs
from tests.support.gcs_pulls import fill
from tests.support.hub import Hub
from tests.support.loader import Job
from tests.support.models import SPEECH_MODEL, published_artifact
from tests.support.s3 import S3Server
from tests.support.tls import Authority
from tests.support.web import Web

__all__ = ["published_artifact"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    store.mkdir()
    return store


@pytest.fixture
def job(store: Path, tmp_path: Path) -> Job:
    return Job(store, tmp_path / "termination-log")


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    return Archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="session")
def whole_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, converted; to be copied before anything in it is changed."""
    return convert_model(SPEECH_MODEL, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with S3Server.start() as server:
        server.create_bucket("models")
        yield server


@pytest.fixture
def gcs(archives: Archives) -> Iterator[Gcs]:
    with Gcs.start() as gcs:
        fill(gcs, archives)
        yield gcs


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub.start() as hub:
        yield hub


@pytest.fixture
def web() -> Iterator[Web]:
    with Web.start() as web:
        yield web


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is asked in this process: the machine may have some."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
