"""The workflows of the code host, which cannot run here: what two linters and we ask of them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import binaries
from tests.support.documents import read_yaml
from tests.support.release import ROOT

FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yaml"))
PARTS = {"operator", "loader", "server"}


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = read_yaml((FOLDER / "workflows" / f"{name}.yaml").read_text())["jobs"]
    return found


def said(*command: str | Path) -> str:
    """What a linter says; nothing, when all is well."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_they_are_as_the_code_host_reads_them() -> None:
    assert said(binaries.actionlint(), *WORKFLOWS) == ""


def test_they_leave_no_hole_that_is_known_of() -> None:
    # It sees to it that actions are pinned by commit, that credentials do not stay, and that no text of others is run.
    assert said(Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", "--quiet", FOLDER) == ""


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_each_job_has_the_rights_that_it_names_and_no_others(workflow: Path) -> None:
    document = read_yaml(workflow.read_text())
    assert document["permissions"] == {}
    assert [name for name, job in document["jobs"].items() if "permissions" not in job] == []


def test_only_what_signs_may_say_who_it_is_and_only_the_notes_may_write() -> None:
    rights = {name: set(job["permissions"].items()) for name, job in jobs("release").items()}
    signing = {name for name, held in rights.items() if ("id-token", "write") in held}
    assert signing == {"images", "chart", "wheel", "package-index"}
    assert {name for name, held in rights.items() if ("contents", "write") in held} == {"notes"}


def test_nothing_is_released_before_the_tests_have_passed() -> None:
    release = jobs("release")

    def before(name: str) -> set[str]:
        needs = release[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(before, direct))

    assert all("tests" in before(name) for name in release.keys() - {"version", "tests"})


def test_every_image_is_released_for_both_architectures_and_the_servers_with_cuda_too() -> None:
    built = jobs("release")["images"]["strategy"]["matrix"]["include"]
    plain = [one for one in built if one["cuda"] == "false"]
    assert {one["target"] for one in plain} == PARTS
    assert {one["platforms"] for one in plain} == {"linux/amd64,linux/arm64"}
    assert all(one["image"] == f"whisper-{one['target']}" for one in built)
    assert [(one["target"], one["suffix"]) for one in built if one["cuda"] == "true"] == [("server", "-cuda")]
