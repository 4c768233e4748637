"""The pages for users: what they link to is there, and what they say of reasons, images and clients is so."""

import re
from pathlib import Path

import pytest
import yaml

from tests.cluster import binaries
from tests.demo.kind import IMAGES
from tests.support.chart import CHART
from tests.support.documents import read_yaml
from tests.support.pages import DOCS, commands, fenced, rows, sections
from tests.support.whispermodels import minimal
from whisper_operator.api import names
from whisper_operator.api.reasons import EXPLANATIONS
from whisper_operator.api.spec import parse_spec
from whisper_operator.builders import pods
from whisper_server.client.cli import build_parser
from whisper_server.http.form import FILE

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md", *sorted(DOCS.rglob("*.md"))]
QUICK_START = (DOCS / "quick-start.md").read_text()
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_nowhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or (bool(anchor) and anchor not in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if leads_nowhere(page, link)] == []


def test_every_page_for_users_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in DOCS.glob("*.md") if f"(docs/{page.name})" not in readme] == []


def test_the_quick_start_builds_and_loads_the_images_that_the_chart_runs() -> None:
    built = commands(QUICK_START, "docker")
    images = {call[call.index("--target") + 1]: call[call.index("--tag") + 1] for call in built}
    assert images == IMAGES
    assert all((ROOT / call[call.index("--file") + 1]).is_file() for call in built)
    create, load, delete = commands(QUICK_START, "kind")
    assert (ROOT / create[create.index("--config") + 1]).is_file()
    assert load == ["load", "docker-image", *IMAGES.values()]
    assert delete == ["delete", "cluster"]


def test_the_quick_starts_clients_ask_for_what_there_is() -> None:
    (transcribe,) = commands(QUICK_START, "whisper-client")
    (recording,) = build_parser().parse_args(transcribe).files
    (curl,) = commands(QUICK_START, "curl")
    form = dict(curl[number + 1].split("=", 1) for number, word in enumerate(curl) if word == "--form")
    assert form == {FILE: f"@{recording.name}", "model": "whisper-tiny"}
    assert (ROOT / recording.name).is_file()
    (forward,) = [call for call in commands(QUICK_START, "kubectl") if call[0] == "port-forward"]
    assert forward[1:4] == [f"service/{names.service(form['model'])}", str(names.GRPC_PORT), str(names.HTTP_PORT)]


REASONS = [
    ("quick-start.md", "A model"),
    *(
        (page, "When it fails")
        for page in ("air-gap.md", "aws.md", "claims.md", "google-cloud.md", "gpus.md", "storage.md")
    ),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_has_make_do_is_a_target(page: Path) -> None:
    named = [call[0] for call in commands(page.read_text(), "make")]
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target in named if target not in targets] == []


def test_the_versions_that_are_supported_are_those_of_the_chart_and_of_the_tests() -> None:
    told = sections("installing.md")["What a cluster has to allow"]
    oldest = read_yaml((CHART / "Chart.yaml").read_text())["kubeVersion"].removeprefix(">=").removesuffix(".0-0")
    assert f"| Kubernetes | {oldest} | {binaries.KUBERNETES_VERSION} |" in told
    assert f"| {binaries.HELM_VERSION.removeprefix('v')} |" in told


@pytest.mark.parametrize(("page", "heading"), REASONS)
def test_a_table_of_reasons_names_reasons(page: str, heading: str) -> None:
    named = [row[0] for row in rows(sections(page)[heading])]
    assert named
    assert set(named) <= EXPLANATIONS.keys()


def test_the_claims_page_says_of_reasons_what_status_says() -> None:
    for reason, when, next_step in rows(sections("claims.md")["When it fails"]):
        assert (when, next_step) == (EXPLANATIONS[reason].when, EXPLANATIONS[reason].next_step)


def test_a_recording_of_ones_own_is_named_as_the_resource_has_it() -> None:
    (shown,) = fenced((DOCS / "server.md").read_text(), "yaml")
    clip = parse_spec(minimal() | yaml.safe_load(shown)["spec"]).server.golden_clip
    (create,) = commands((DOCS / "server.md").read_text(), "kubectl")
    assert clip is not None
    assert create[1:3] == ["configmap", clip.config_map_name]


def test_the_claims_page_names_the_user_that_the_pods_run_as() -> None:
    assert f"run as user and group {pods.IMAGE_USER}" in sections("claims.md")["Who may write"]
