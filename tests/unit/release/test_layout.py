"""What the folders and the pinned requirements must never become."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.documents import read_yaml
from tests.support.release import ROOT

REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
#: `name==version`, and where it is needed.
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,-]+\])?==[0-9][\w.!+-]*( ; .+)?")


@pytest.mark.parametrize("folder", ["operator", "server"])
def test_a_folder_of_packages_is_no_package(folder: str) -> None:
    """It would hide Python's own `operator`."""
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.stem)
def test_requirements_are_pinned_and_name_no_index(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not PIN.fullmatch(line)] == []


def test_every_python_that_is_promised_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = {name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r":: 3\.\d+$", name)}
    jobs = read_yaml((ROOT / ".github/workflows/tests.yaml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job.get("steps", ())]
    set_up = {step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})}
    matrix = set(jobs["pythons"]["strategy"]["matrix"]["python"])
    assert promised == {version for version in set_up | matrix if version[0].isdigit()}
