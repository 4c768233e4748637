"""WhisperModels for tests of the resource: specs around one field, and what the API server says to them."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubernetes import client, config

from tests.cluster.kubeconfig import Kubectl
from tests.cluster.processes import wait_until
from tests.support.documents import read_yaml

GROUP, VERSION, PLURAL = "stt.whisper-operator.io", "v1alpha1", "whispermodels"
CRD_FILE = Path(__file__).parents[2] / "crds" / "whispermodels.yaml"

_PATIENCE_SECONDS = 240
_S3 = {"bucket": "models", "key": "whisper.tar.zst"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_EXPRESSION = {"key": "zone", "operator": "In", "values": ["a"]}
_NEAR = {"topologyKey": "zone"}
# What has to stand beside a field for the spec to be whole, by the path of what holds the field.
_NEIGHBOURS: dict[str, dict[str, Any]] = {
    "source.huggingFace": {"repo": "openai/whisper-tiny"},
    "source.s3": _S3,
    "source.gcs": {"bucket": "models", "object": "whisper.tar.zst"},
    "source.googleDrive": {"fileId": "1AbC_d-EfGhIj"},
    "source.http": {"url": "https://example.com/whisper.tar.zst"},
    "source.oci": {"reference": "registry.example.com/whisper:1"},
    "source.volume": {"claimName": "models"},
    "pull.caBundleRef": {"name": "authorities"},
    "pull.tolerations[]": {"key": "gpu"},
    "server.tolerations[]": {"key": "gpu"},
    "server.env[]": {"name": "LEVEL"},
    f"server.affinity.nodeAffinity.{PREFERRED}[]": {"weight": 1, "preference": {"matchExpressions": [_EXPRESSION]}},
    "server.options.profanityWordsRef": {"name": "words"},
    "server.goldenClip": {"configMapName": "clip"},
    "server.tls": {"secretName": "certificate"},
    "server.auth": {"secretRef": {"name": "tokens"}, "allowWithoutTLS": True},
    "server.autoscaling": {"maxReplicas": 1000},
    "server.autoscaling.metrics[].pods": {"averageValue": 4},
    "server.topologySpreadConstraints[]": _NEAR,
}
for affinity in ("podAffinity", "podAntiAffinity"):
    _NEIGHBOURS[f"server.affinity.{affinity}.{REQUIRED}[]"] = _NEAR
    _NEIGHBOURS[f"server.affinity.{affinity}.{PREFERRED}[]"] = {"weight": 1, "podAffinityTerm": _NEAR}
    _NEIGHBOURS[f"server.affinity.{affinity}.{PREFERRED}[].podAffinityTerm"] = _NEAR
# The same, wherever it is.
_NEIGHBOURS_ANYWHERE = {"matchExpressions[]": _EXPRESSION}
_STEP = re.compile(r"([A-Za-z0-9]+)(\[\]|\{\})?")

Spec = dict[str, Any]
Node = dict[str, Any]


def minimal() -> Spec:
    """The smallest spec that stands."""
    return {"source": {"s3": dict(_S3)}}


def spec_with(path: str, value: Any) -> Spec:
    """The smallest spec that holds `value` at `path`, such as server.tolerations[].key; {} is any key of a map."""
    spec: Spec = {} if path.startswith("source.") else minimal()
    if path.startswith("source.baked."):
        spec["server"] = {"image": "whisper-server-mine:1"}
    _put(spec, path.split("."), value, at="")
    return spec


def _put(holder: dict[str, Any], steps: list[str], value: Any, *, at: str) -> None:
    match = _STEP.fullmatch(steps[0])
    assert match, steps[0]
    name, kind = match.group(1), match.group(2)
    here = f"{at}.{steps[0]}".lstrip(".")
    if len(steps) > 1:
        inner = copy.deepcopy(_NEIGHBOURS.get(here) or _NEIGHBOURS_ANYWHERE.get(steps[0], {}))
        _put(inner, steps[1:], value, at=here)
        value = inner
    holder[name] = {"[]": [value], "{}": {"example": value}, None: value}[kind]


def model(spec: Spec, name: str = "whisper") -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "WhisperModel", "metadata": {"name": name}, "spec": spec}


def read_crd() -> dict[str, Any]:
    crd: dict[str, Any] = read_yaml(CRD_FILE.read_text())
    return crd


def install_crd(kubectl: Kubectl) -> None:
    """Install the resource, and wait until the API server serves it (kubectl wait fails while it has no conditions)."""
    kubectl.apply(read_crd())
    wait_until("WhisperModels are served", lambda: _established(kubectl), seconds=_PATIENCE_SECONDS)


def _established(kubectl: Kubectl) -> bool:
    conditions = kubectl.get("crd", f"{PLURAL}.{GROUP}").get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def schema() -> dict[str, Any]:
    """The schema of the whole object."""
    whole: dict[str, Any] = read_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return whole


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every field, list item ([]) and map value ({}) below `node` of a schema, with its path."""
    for name, child in node.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here, child
        yield from nodes(child, here)
    for key, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if key in node:
            yield path + suffix, node[key]
            yield from nodes(node[key], path + suffix)


class Models:
    """The WhisperModels of one namespace of a running API server."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        untyped: Any = config
        self._api: Any = client.CustomObjectsApi(untyped.new_client_from_config(str(kubeconfig)))
        self._where = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}

    def dry_run(self, spec: Spec, name: str = "whisper") -> dict[str, Any]:
        """What would be stored."""
        return self._create(spec, name, dry_run="All")

    def create(self, spec: Spec, name: str) -> dict[str, Any]:
        return self._create(spec, name)

    def refusal(self, spec: Spec, name: str = "whisper") -> str:
        """What the API server says when it refuses a new WhisperModel; empty when it takes it."""
        try:
            self.dry_run(spec, name)
        except client.ApiException as error:
            return str(json.loads(error.body or "{}")["message"])
        return ""

    def change_refusal(self, name: str, operations: list[dict[str, Any]]) -> str:
        """What it says when it refuses a JSON patch of a stored one; empty when it takes it."""
        try:
            self._api.patch_namespaced_custom_object(
                **self._where,
                name=name,
                body=operations,
                dry_run="All",
                field_validation="Strict",
                _content_type="application/json-patch+json",
            )
        except client.ApiException as error:
            return str(json.loads(error.body or "{}")["message"])
        return ""

    def _create(self, spec: Spec, name: str, **options: str) -> dict[str, Any]:
        created: dict[str, Any] = self._api.create_namespaced_custom_object(
            **self._where, body=model(spec, name), field_validation="Strict", **options
        )
        return created
