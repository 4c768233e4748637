"""The charts, rendered by the real helm. Run as a program (`make manifests`), writes copies and golden files anew."""

import subprocess
from pathlib import Path
from typing import Any

from tests.cluster import binaries
from tests.support.documents import read_yamls

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "whisper-operator"
CRDS_CHART = ROOT / "helm" / "whisper-operator-crds"
DEFINITION = ROOT / "crds" / "whispermodels.yaml"
EVERY_OPTION = ROOT / "tests" / "unit" / "chart" / "every-option.yaml"
GOLDEN = ROOT / "tests" / "unit" / "chart" / "golden"
RELEASE, NAMESPACE = "whisper", "speech-system"

# The golden files, and the arguments that each is rendered with.
CASES: dict[str, tuple[str, ...]] = {"default": (), "every-option": (f"--values={EVERY_OPTION}",)}


class HelmError(Exception):
    """helm failed; with what it said."""


def helm(*arguments: str) -> str:
    """What `helm ARGUMENTS` prints."""
    done = subprocess.run([str(binaries.helm()), *arguments], check=False, capture_output=True, text=True, timeout=100)
    if done.returncode:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


def render_text(*arguments: str, chart: Path = CHART) -> str:
    """What `helm template` prints for the chart, without the resource's definition."""
    return helm("template", RELEASE, str(chart), f"--namespace={NAMESPACE}", *arguments)


def render(*arguments: str, chart: Path = CHART) -> list[dict[str, Any]]:
    """The objects that the chart installs."""
    return [document for document in read_yamls(render_text(*arguments, chart=chart)) if document]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


def operator_container(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The one container of the operator's Deployment."""
    (deployment,) = of_kind(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def environment(objects: list[dict[str, Any]]) -> dict[str, str]:
    """The operator's environment variables that have a value."""
    return {one["name"]: one["value"] for one in operator_container(objects)["env"] if "value" in one}


def kept_definition() -> str:
    """The definition as a template of its own chart: it outlives that, since all WhisperModels would go with it."""
    return DEFINITION.read_text().replace(
        "\nmetadata:\n", "\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n", 1
    )


def write() -> None:
    (CHART / "crds" / DEFINITION.name).write_text(DEFINITION.read_text())
    (CRDS_CHART / "templates" / DEFINITION.name).write_text(kept_definition())
    for name, arguments in CASES.items():
        (GOLDEN / f"{name}.yaml").write_text(render_text(*arguments))


if __name__ == "__main__":
    write()
