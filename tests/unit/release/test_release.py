"""What a release writes: one version everywhere, and a section of the changelog."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.chart import CHART
from tests.support.documents import read_yaml
from tests.support.release import COPIES, PROJECT, ROOT, VERSION, ReleaseError, check_tag, copies, notes, set_version

KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
CHANGELOG = "# Changelog\n\n## 0.2.0 - 2027-01-01\n\n### Added\n\n- This.\n\n## 0.1.0 - 2026-12-01\n\n- That.\n"


def test_all_that_repeats_the_version_says_the_same() -> None:
    found = list(copies())
    assert [(file, version) for file, version in found if version != VERSION] == []
    named = {str(file) for file, _ in found}
    assert {
        "helm/whisper-operator/Chart.yaml",
        "helm/whisper-operator-crds/Chart.yaml",
        "images/Dockerfile",
        "examples/compose.yaml",
        "docs/air-gap.md",
    } <= named


def test_a_new_version_is_written_everywhere(tmp_path: Path) -> None:
    for file in {ROOT / PROJECT, *(file for pattern in COPIES for file in ROOT.glob(pattern))}:
        (tmp_path / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, tmp_path / file.relative_to(ROOT))
    set_version("12.0.3", tmp_path)
    assert {version for _, version in copies(tmp_path)} == {"12.0.3"}
    assert 'version = "12.0.3"' in (tmp_path / PROJECT).read_text()
    chart = read_yaml((tmp_path / CHART.relative_to(ROOT) / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == ("12.0.3", "12.0.3")
    assert f":{VERSION}" not in (tmp_path / "docs" / "quick-start.md").read_text()


def test_a_version_that_not_all_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"1\.0rc1"):
        set_version("1.0rc1", tmp_path)


def test_a_releases_notes_are_its_section_alone() -> None:
    assert notes("0.2.0", CHANGELOG) == "### Added\n\n- This.\n"
    assert notes("0.1.0", CHANGELOG) == "- That.\n"
    with pytest.raises(ReleaseError, match=r"make release NEXT=0\.3\.0"):
        notes("0.3.0", CHANGELOG)


def test_the_tag_of_another_version_is_refused() -> None:
    with pytest.raises(ReleaseError, match=r"v99\.0\.0 is not that of version"):
        check_tag("v99.0.0")


def test_the_fragments_make_a_section_of_the_changelog() -> None:
    towncrier = Path(sys.executable).with_name("towncrier")
    draft = [str(towncrier), "build", "--draft", "--version=1.2.3", "--date=2027-01-01"]
    section = subprocess.run(draft, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert section.startswith("## 1.2.3 - 2027-01-01\n")
    fragments = [file for file in (ROOT / "changelog.d").iterdir() if file.name.startswith("+")]
    assert [file.name for file in fragments if file.suffixes[-2:] not in ([f".{kind}", ".md"] for kind in KINDS)] == []
    for file in fragments:
        assert file.read_text().splitlines()[0] in section
