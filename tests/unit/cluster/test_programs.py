"""How the harness finds, compiles and asks for the programs that it runs."""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import binaries, go, packages
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHISPER_OPERATOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def writing(text: str, started: list[str] | None = None) -> Callable[[Path], None]:
    """A build that writes `text` to the file `program`."""

    def build(target: Path) -> None:
        (target / "program").write_text(text)
        if started is not None:
            started.append(text)

    return build


def test_a_program_is_built_once_for_a_key() -> None:
    built: list[str] = []
    first = binaries.cached("tool", "1", writing("one", built))
    assert binaries.cached("tool", "1", writing("two", built)) == first
    assert built == ["one"]
    assert (binaries.cached("tool", "2", writing("two", built)) / "program").read_text() == "two"


def test_a_build_that_fails_leaves_nothing_that_looks_finished() -> None:
    def build(target: Path) -> None:
        (target / "program").write_text("half")
        raise ClusterError("the compiler failed")

    with pytest.raises(ClusterError):
        binaries.cached("tool", "1", build)
    assert (binaries.cached("tool", "1", writing("whole")) / "program").read_text() == "whole"


def build_and_tell(marks: Path) -> None:
    def build(target: Path) -> None:
        (marks / str(os.getpid())).touch()
        (target / "program").write_text("built")

    binaries.cached("tool", "1", build)


def test_two_processes_that_need_a_program_build_it_once(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    spawned = multiprocessing.get_context("spawn")
    builders = [spawned.Process(target=build_and_tell, args=(marks,)) for _ in range(3)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(240)
    assert [builder.exitcode for builder in builders] == [0, 0, 0]
    assert len(list(marks.iterdir())) == 1


def test_kubebuilder_assets_are_used_when_everything_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    for program in binaries.KUBERNETES_PROGRAMS:
        (tmp_path / program).touch(mode=0o755)
    assert binaries.kubernetes() == tmp_path


def test_without_go_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    go.go_version.cache_clear()
    with pytest.raises(ClusterError, match=r"install Go 1\.25 or newer"):
        binaries.pause()


def test_what_the_compiler_said_is_in_the_error(tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.fail("install Go 1.25 or newer")
    (tmp_path / "go.mod").write_text("module broken\n\ngo 1.24\n")
    (tmp_path / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    with pytest.raises(ClusterError, match="undefined: nonsense"):
        go.compile_go(["build", "-v", "."], folder=tmp_path, what="broken", packages=1)


def test_missing_packages_are_named_where_they_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # No apt-get on it.
    with pytest.raises(ClusterError, match=r"install these packages .*: no-such-package$"):
        packages.ensure({"no-such-program": "no-such-package", "other-program": "no-such-package"})


def test_a_cluster_with_nodes_asks_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="needs root"), Cluster.start():
        pytest.fail("started")
