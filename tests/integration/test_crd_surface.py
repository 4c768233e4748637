"""What people and other programs see of the resource: stored defaults, columns, names, scale, status, explanations."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.kubeconfig import Kubectl
from tests.integration.operator_process import OperatorProcess
from tests.support.whispermodels import GROUP, VERSION, Spec, minimal, model, nodes, schema

NAMESPACE = "crd-surface"
ROLLOUT = {"strategy": "Surge", "progressDeadlineSeconds": 1200, "drainSeconds": 300}
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "ServersReady",
    "message": "All servers serve it.",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}
ARTIFACT = {
    "digest": "sha256:" + "0123456789abcdef" * 4,
    "shortDigest": "0123456789ab",
    "source": "s3://models/whisper.tar.zst?versionId=1",
    "format": "transformers",
    "quantization": "float16",
    "sizeBytes": 1_617_000_000,
    "path": "artifacts/" + "0123456789abcdef" * 4,
}
STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "conditions": [READY],
    "sourceURI": "s3://models/whisper.tar.zst",
    "selector": "stt.whisper-operator.io/model=seen,app.kubernetes.io/component=server",
    "replicas": 2,
    "readyReplicas": 1,
    "ready": "1/2",
    "endpoints": {"grpc": "seen.crd-surface.svc:50051", "http": "seen.crd-surface.svc:8000"},
    "artifact": ARTIFACT,
    "target": {
        "inputsHash": "0123abcd",
        "state": "Published",
        "reason": "Published",
        "digest": "sha256:" + "0123456789abcdef" * 4,
        "artifact": ARTIFACT,
    },
    "revisions": [ARTIFACT],
    "pull": {
        "attempt": 1,
        "step": "pull",
        "percent": 41,
        "bytesDone": 431_201,
        "bytesTotal": 1_051_702,
        "bytesPerSecond": 80_123_456,
        "etaSeconds": 12,
    },
}


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, session_operator: OperatorProcess) -> Iterator[Kubectl]:
    """In a namespace without an operator, which would write a status of its own."""
    session_operator.stop()
    control_plane.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield control_plane.kubectl
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def apply(kubectl: Kubectl, spec: Spec, name: str, *options: str) -> str:
    """`kubectl apply` as people do it."""
    return kubectl("apply", f"--namespace={NAMESPACE}", "--filename=-", *options, stdin=json.dumps(model(spec, name)))


def stored(kubectl: Kubectl, name: str) -> Any:
    return kubectl.get("whispermodel", name, f"--namespace={NAMESPACE}")


@pytest.mark.parametrize(
    ("name", "spec", "expected_spec"),
    [
        (
            "smallest",
            minimal(),
            {
                "source": {"s3": {"bucket": "models", "key": "whisper.tar.zst", "anonymous": False}},
                "paused": False,
                "cache": {"deletionPolicy": "Delete", "keepRevisions": 2},
                "pull": {"timeoutSeconds": 7200},
                "server": {"replicas": 1, "device": "auto", "service": {"type": "ClusterIP"}, "rollout": ROLLOUT},
            },
        ),
        (
            "nested",
            {
                "source": {"huggingFace": {"repo": "openai/whisper-tiny"}},
                "pull": {"tolerations": [{"key": "gpu"}]},
                "server": {"gpu": {}, "env": [{"name": "A"}]},
            },
            {
                "source": {"huggingFace": {"repo": "openai/whisper-tiny", "revision": "main"}},
                "paused": False,
                "cache": {"deletionPolicy": "Delete", "keepRevisions": 2},
                "pull": {"timeoutSeconds": 7200, "tolerations": [{"key": "gpu", "operator": "Equal"}]},
                "server": {
                    "replicas": 1,
                    "device": "auto",
                    "gpu": {"resourceName": "nvidia.com/gpu"},
                    "env": [{"name": "A", "value": ""}],
                    "service": {"type": "ClusterIP"},
                    "rollout": ROLLOUT,
                },
            },
        ),
    ],
    ids=["the smallest spec", "objects that are begun"],
)
def test_the_whole_spec_with_its_defaults_is_stored(
    kubectl: Kubectl, name: str, spec: Spec, expected_spec: Spec
) -> None:
    apply(kubectl, spec, name)
    assert stored(kubectl, name)["spec"] == expected_spec


def test_an_unknown_field_is_refused_when_asked_to_be_strict(kubectl: Kubectl) -> None:
    with pytest.raises(ClusterError, match=r'unknown field "spec.server.replica"'):
        apply(kubectl, minimal() | {"server": {"replica": 2}}, "strict", "--validate=strict")


def test_an_unknown_field_is_warned_about_and_not_kept(kubectl: Kubectl, control_plane: ControlPlane) -> None:
    with pytest.raises(ClusterError, match=r'unknown field "spec.server.replica"'):
        apply(kubectl, minimal() | {"server": {"replica": 2}}, "pruned", "--validate=warn", "--warnings-as-errors")
    assert stored(kubectl, "pruned")["spec"]["server"] == {
        "replicas": 1,
        "device": "auto",
        "service": {"type": "ClusterIP"},
        "rollout": ROLLOUT,
    }


def test_the_status_is_kept_whole_and_only_through_its_subresource(kubectl: Kubectl) -> None:
    apply(kubectl, minimal(), "told")
    write_status(kubectl, "told", STATUS)
    assert stored(kubectl, "told")["status"] == STATUS
    kubectl(
        "patch",
        "whispermodel",
        "told",
        f"--namespace={NAMESPACE}",
        "--type=merge",
        '--patch={"status":{"ready":"9/9"}}',
    )
    assert stored(kubectl, "told")["status"] == STATUS


def test_the_columns_tell_source_artifact_progress_and_why(kubectl: Kubectl) -> None:
    apply(kubectl, minimal(), "seen")
    write_status(kubectl, "seen", STATUS)
    header, line = kubectl("get", "wm", "seen", f"--namespace={NAMESPACE}").splitlines()
    assert header.split() == ["NAME", "SOURCE", "ARTIFACT", "PULL%", "SERVERS", "READY", "REASON", "AGE"]
    told = ["seen", "s3://models/whisper.tar.zst", "0123456789ab", "41", "1/2", "True", "ServersReady"]
    assert line.split()[:-1] == told
    header, line = kubectl("get", "wm", "seen", f"--namespace={NAMESPACE}", "--output=wide").splitlines()
    assert header.split()[8:] == ["UPTODATE", "QUANTIZATION", "GRPC", "MESSAGE"]
    assert line.endswith(f"float16        {STATUS['endpoints']['grpc']}   {READY['message']}")


@pytest.mark.parametrize("name", ["wm", "whispermodel", "whispermodels", "whisper", "all"])
def test_it_goes_by_several_names(kubectl: Kubectl, name: str) -> None:
    apply(kubectl, minimal(), "called")
    assert "whispermodel.stt.whisper-operator.io/called" in kubectl(
        "get", name, f"--namespace={NAMESPACE}", "--output=name"
    )


def test_it_scales_like_a_deployment(kubectl: Kubectl) -> None:
    apply(kubectl, minimal(), "scaled")
    write_status(kubectl, "scaled", STATUS)
    kubectl("scale", "whispermodel/scaled", f"--namespace={NAMESPACE}", "--replicas=3")
    scale = json.loads(
        kubectl("get", "--raw", f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/whispermodels/scaled/scale")
    )
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": STATUS["selector"]}
    assert stored(kubectl, "scaled")["spec"]["server"]["replicas"] == 3


def test_kubectl_explains_every_field_there_is(kubectl: Kubectl) -> None:
    told = kubectl("explain", "whispermodel", "--recursive")
    fields = {path.rpartition(".")[2] for path, _ in nodes(schema()) if not path.endswith(("[]", "{}"))} - {"metadata"}
    assert {field for field in fields if f"{field}\t<" not in told} == set()


def test_kubectl_explains_the_fields(kubectl: Kubectl) -> None:
    told = kubectl("explain", "whispermodel.spec.source.s3")
    assert "An archive in a bucket of S3" in told
    assert "versionId\t<string>" in told
    assert "-required-" in told


def write_status(kubectl: Kubectl, name: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    where = ("whispermodel", name, f"--namespace={NAMESPACE}", "--subresource=status", "--type=merge")
    kubectl("patch", *where, f"--patch={patch}")
