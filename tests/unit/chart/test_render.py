"""What the chart renders: the golden files, and what must hold whatever the values are."""

import json
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.support.chart import (
    CASES,
    CHART,
    CRDS_CHART,
    DEFINITION,
    EVERY_OPTION,
    GOLDEN,
    NAMESPACE,
    environment,
    helm,
    kept_definition,
    of_kind,
    operator_container,
    render,
    render_text,
)
from tests.support.chart_readme import README
from tests.support.documents import read_yaml
from tests.support.pages import DOCS, commands, fenced
from whisper_operator.api.defaults import ServerDefaults
from whisper_operator.cli import build_parser
from whisper_operator.settings import PREFIX, Settings, read_settings

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("case", CASES)
def test_the_chart_renders_as_its_golden_file_says(case: str) -> None:
    assert render_text(*CASES[case]) == (GOLDEN / f"{case}.yaml").read_text(), "after a change: make manifests"


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_lint_finds_nothing(arguments: tuple[str, ...]) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), *arguments)


def test_the_chart_of_the_definition_has_that_alone_and_keeps_it() -> None:
    assert (CRDS_CHART / "templates" / DEFINITION.name).read_text() == kept_definition(), (
        "after a change: make manifests"
    )
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CRDS_CHART))
    (rendered,) = render(chart=CRDS_CHART)
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == read_yaml(DEFINITION.read_text())


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_no_role_reads_secrets_or_takes_all_there_is(arguments: tuple[str, ...]) -> None:
    objects = render(*arguments)
    rules = [rule for kind in ("Role", "ClusterRole") for role in of_kind(objects, kind) for rule in role["rules"]]
    assert rules
    for rule in rules:
        assert "secrets" not in rule["resources"]
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_in_named_namespaces_the_operator_has_no_right_in_the_cluster() -> None:
    objects = render("--set=watchNamespaces={team-a,team-b}", "--set=rbac.aggregate=false")
    assert of_kind(objects, "ClusterRole") == of_kind(objects, "ClusterRoleBinding") == []
    # In its own namespace it has a Lease to hold, and nothing else.
    namespaces = [NAMESPACE, "team-a", "team-b"]
    assert sorted(role["metadata"]["namespace"] for role in of_kind(objects, "Role")) == namespaces
    assert sorted(binding["metadata"]["namespace"] for binding in of_kind(objects, "RoleBinding")) == namespaces
    (everywhere,) = of_kind(render("--set=rbac.aggregate=false"), "ClusterRole")
    of_models = [role for role in of_kind(objects, "Role") if role["metadata"]["namespace"] != NAMESPACE]
    assert [role["rules"] for role in of_models] == [everywhere["rules"]] * 2


def test_images_go_by_tag_or_by_digest() -> None:
    objects = render(
        "--set=images.registry=ghcr.io/team",
        "--set=images.operator.tag=v9",
        f"--set=images.loader.digest={DIGEST}",
        "--set=images.loader.tag=v9",
    )
    chart = read_yaml((CHART / "Chart.yaml").read_text())
    assert operator_container(objects)["image"] == "ghcr.io/team/whisper-operator:v9"
    assert environment(objects)["WHISPER_OPERATOR_LOADER_IMAGE"] == f"ghcr.io/team/whisper-loader@{DIGEST}"
    assert environment(objects)["WHISPER_OPERATOR_SERVER_IMAGE"].endswith(f"whisper-server:{chart['appVersion']}")


def test_no_registry_leaves_it_to_the_container_runtime() -> None:
    assert operator_container(render("--set=images.registry="))["image"].startswith("whisper-operator:")


def test_rights_and_account_may_be_someone_elses() -> None:
    objects = render("--set=rbac.create=false", "--set=serviceAccount.create=false", "--set=serviceAccount.name=own")
    deployment, check = objects
    assert (deployment["kind"], check["kind"]) == ("Deployment", "Pod")
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "own"
    assert check["spec"]["serviceAccountName"] == "own"


def test_chart_and_package_have_one_version() -> None:
    chart = read_yaml((CHART / "Chart.yaml").read_text())
    package = (CHART.parents[1] / "pyproject.toml").read_text()
    assert chart["version"] == chart["appVersion"]
    assert f'\nversion = "{chart["version"]}"\n' in package


def test_it_may_be_part_of_another_chart(tmp_path: Path) -> None:
    parent = tmp_path / "speech"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "whisper-operator").symlink_to(CHART)
    (parent / "Chart.yaml").write_text("apiVersion: v2\nname: speech\nversion: 1.0.0\n")
    values = {"global": {"team": "speech"}, "whisper-operator": read_yaml(EVERY_OPTION.read_text())}
    (parent / "values.yaml").write_text(yaml.safe_dump(values))
    assert environment(render(chart=parent))["WHISPER_OPERATOR_NAMESPACES"] == "team-a,team-b"


def test_the_chart_sets_every_setting_of_the_operator() -> None:
    settings = {f"{PREFIX}{setting.name.upper()}" for setting in fields(Settings)}
    assert {name for name in environment(render()) if name.startswith(PREFIX)} == settings


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_helm_test_runs_the_operators_check_as_the_operator_with_its_settings(arguments: tuple[str, ...]) -> None:
    objects = render(*arguments, "--set=watchNamespaces={team-a,team-b}")
    (check,) = of_kind(objects, "Pod")
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (deployment,) = of_kind(objects, "Deployment")
    (container,) = check["spec"]["containers"]
    operator = operator_container(objects)
    for same in ("image", "env", "securityContext", "volumeMounts"):
        assert container[same] == operator[same]
    assert check["spec"]["serviceAccountName"] == deployment["spec"]["template"]["spec"]["serviceAccountName"]
    # No pod of the Deployment's, nor one that its budget or its policy counts.
    selected = deployment["spec"]["selector"]["matchLabels"].items()
    assert not selected <= check["metadata"]["labels"].items()
    parsed = build_parser().parse_args(container["args"])
    (role,) = [one for one in of_kind(objects, "Role") if one["metadata"]["namespace"] == "team-a"]
    assert (parsed.command, parsed.rights) == ("check", role["rules"])


def test_the_operator_takes_the_defaults_of_servers_that_the_chart_hands_to_it() -> None:
    values = read_yaml(EVERY_OPTION.read_text())
    defaults = read_settings({}, environment(render(*CASES["every-option"]))).server_defaults
    assert json.loads(msgspec.json.encode(defaults)) == values["servers"]
    assert read_settings({}, environment(render())).server_defaults == ServerDefaults()


def test_a_model_is_in_the_releases_namespace_and_stays_unless_it_says_otherwise() -> None:
    spec = {"source": {"huggingFace": {"repo": "a/b"}}}
    models = {"one": {"spec": spec}, "two": {"spec": spec, "namespace": "team-a", "keep": False}}
    one, two = of_kind(render(f"--set-json=models={json.dumps(models)}"), "WhisperModel")
    assert (one["metadata"]["namespace"], one["spec"]) == (NAMESPACE, spec)
    kept = {"helm.sh/resource-policy": "keep", "argocd.argoproj.io/sync-options": "Prune=false"}
    assert one["metadata"]["annotations"] == kept
    assert two["metadata"]["namespace"] == "team-a"
    assert "annotations" not in two["metadata"]


@pytest.mark.parametrize(
    "block",
    [block for page in ("installing.md", "security.md") for block in fenced((DOCS / page).read_text(), "yaml")],
    ids=lambda text: text.split()[0],
)
def test_values_that_a_page_shows_are_taken(block: str, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(block)
    assert render_text(f"--values={tmp_path / 'values.yaml'}") != render_text()


def test_the_readmes_commands_are_typed_in_the_charts_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHART)
    install, _, show = commands(README.read_text(), "helm")
    assert "kind: Deployment" in helm("template", *install[1:])
    assert "kind: CustomResourceDefinition" in helm(*show)


def test_it_renders_with_the_values_of_a_release_that_knew_no_defaults_of_servers() -> None:
    # As with helm upgrade --reuse-values, which leaves out what has been added to values.yaml since.
    assert environment(render("--set=servers=null", "--set=models=null")) == environment(render())


def test_labels_are_on_all_that_is_installed_and_on_the_pods() -> None:
    objects = render(*CASES["every-option"], "--set=rbac.aggregate=true")
    (deployment,) = of_kind(objects, "Deployment")
    for one in [*objects, deployment["spec"]["template"]]:
        assert one["metadata"]["labels"]["cost-centre"] == "17"
    # What selects them cannot change in a release's life, and labels can.
    assert "cost-centre" not in deployment["spec"]["selector"]["matchLabels"]


def test_a_label_of_pods_goes_before_one_of_everything() -> None:
    (deployment,) = of_kind(render("--set=labels.team=a", "--set=operator.podLabels.team=b"), "Deployment")
    assert deployment["metadata"]["labels"]["team"] == "a"
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "b"


def test_a_rule_of_spreading_counts_the_operators_own_pods_unless_it_names_others() -> None:
    rule = '{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"%s}'
    others = ',"labelSelector":{"matchLabels":{"a":"b"}}'
    rules = f"[{rule % ''},{rule % others}]"
    (deployment,) = of_kind(render(f"--set-json=operator.topologySpreadConstraints={rules}"), "Deployment")
    own, named = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert own["labelSelector"] == deployment["spec"]["selector"]
    assert named["labelSelector"] == {"matchLabels": {"a": "b"}}
