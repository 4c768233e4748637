"""The examples and the pages' snippets, as people copy them: a real API server takes every one."""

from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.support.chart import render_text
from tests.support.documents import read_yaml, read_yamls
from tests.support.pages import fenced, sections
from tests.support.whispermodels import install_crd, read_crd
from whisper_operator.api import names

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples").glob("*.yaml"))
#: Not for the API server: for Docker, and for the chart.
OTHERS = ("compose.yaml", "values-air-gap.yaml")
EXAMPLES = [file for file in FILES if file.name not in OTHERS]
PAGES = ("sources.md", "claims.md", "scaling.md", "storage.md")
STRICTLY = ("--dry-run=server", "--validate=strict", "--warnings-as-errors")


@pytest.fixture(scope="module")
def control_plane_with_crd(control_plane: ControlPlane) -> ControlPlane:
    install_crd(control_plane.kubectl)
    return control_plane


# Many in one call: kubectl names the file that is refused, and a call costs as much as ten objects.


def test_the_examples_are_taken_without_a_warning(control_plane_with_crd: ControlPlane) -> None:
    said = control_plane_with_crd.kubectl("apply", *(f"--filename={example}" for example in EXAMPLES), *STRICTLY)
    assert said.count("(server dry run)") == sum(len(read_yamls(example.read_text())) for example in EXAMPLES)


@pytest.mark.parametrize("page", PAGES)
def test_a_pages_snippets_are_taken_without_a_warning(control_plane_with_crd: ControlPlane, page: str) -> None:
    snippets = "---\n".join(block for section in sections(page).values() for block in fenced(section, "yaml"))
    said = control_plane_with_crd.kubectl("apply", "--filename=-", *STRICTLY, stdin=snippets)
    assert said.count("(server dry run)") == len(read_yamls(snippets))
    assert "whispermodel.stt.whisper-operator.io/" in said


def test_every_kind_of_source_has_an_example() -> None:
    objects = [one for example in EXAMPLES for one in read_yamls(example.read_text())]
    sources = {kind for one in objects if one["kind"] == "WhisperModel" for kind in one["spec"]["source"]}
    versions = read_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert sources == set(versions["source"]["properties"])


def test_every_example_is_listed() -> None:
    listed = (ROOT / "examples" / "README.md").read_text()
    assert [file.name for file in FILES if f"({file.name})" not in listed] == []


def test_an_air_gaps_values_install_the_chart(control_plane_with_crd: ControlPlane) -> None:
    rendered = render_text(
        f"--values={ROOT / 'examples' / 'values-air-gap.yaml'}", "--namespace=default", "--skip-tests"
    )
    assert "networkpolicy" in control_plane_with_crd.kubectl("apply", "--filename=-", *STRICTLY, stdin=rendered)


def test_the_policies_for_models_select_their_pods() -> None:
    policies = read_yamls((ROOT / "examples" / "networkpolicy-models.yaml").read_text())
    labels = [policy["spec"]["podSelector"]["matchLabels"] for policy in policies]
    assert all(one[names.LABEL_MANAGED_BY] == names.MANAGER for one in labels)
    fixed = {one[names.LABEL_COMPONENT] for one in labels if names.LABEL_COMPONENT in one}
    chosen = {
        value
        for policy in policies
        for one in policy["spec"]["podSelector"].get("matchExpressions", ())
        for value in one["values"]
    }
    assert fixed | chosen == {names.COMPONENT_SERVER, names.COMPONENT_PULL, names.COMPONENT_REFRESH, names.COMPONENT_GC}


def test_kind_shows_the_node_the_folder_that_the_volume_example_reads() -> None:
    (node,) = read_yaml((ROOT / "kind-config.yaml").read_text())["nodes"]
    (mount,) = node["extraMounts"]
    volume, *_ = read_yamls((ROOT / "examples" / "whispermodel-volume.yaml").read_text())
    assert volume["spec"]["hostPath"]["path"] == mount["containerPath"]
    assert f"{mount['hostPath']}/" in (ROOT / "examples" / "whispermodel-volume.yaml").read_text()
