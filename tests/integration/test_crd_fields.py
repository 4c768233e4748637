"""Each field of the resource on its own: a value that it takes, values that it refuses, and where its bounds lie."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.support.whispermodels import PREFERRED, REQUIRED, Models, Node, install_crd, nodes, schema, spec_with

NAME, NO_NAMES = "some-name.v1", ["Some_Name", "-a", ""]
LABEL, NO_LABELS = "a_B.c-1", ["a b", "-a"]
KEY, NO_KEYS = "company_ca.pem", ["../ca.crt", "a/b", ".ca", ""]
NO_LABEL_KEYS = ["a b", "/a", ""]
ADDRESS, NO_ADDRESSES = (
    "http://10.0.0.1:9000/s3",
    ["s3.example.com", "https://", "https://user@host/", "https://a/?b=c"],
)
NO_PROXIES = ["proxy.example.com:3128", "http://me:secret@proxy:3128", "socks5://proxy:1080", "http://"]
QUANTITY, NO_QUANTITIES = "1.5Gi", ["-1", "1 Gi", "1gb", ""]
TEXT, NO_TEXTS = "whisper/grüße ?.tar", ["a\nb", "\x00"]

BYTES = ["maxMessageBytes", "maxUploadBytes", "maxSpoolBytes"]
COUNTS = [
    *("cpuThreads", "workers", "maxBatch", "maxBatchMs", "maxDelayMs", "maxQueuedWindows", "maxRequests", "maxStreams"),
    *("maxAudioSeconds", "defaultDeadlineSeconds", "maxDeadlineSeconds", "idleTimeoutSeconds"),
    "maxConnectionAgeSeconds",
]

# By path: a good value, then bad ones. {} is any key of a map, [] any item of a list.
FIELDS: dict[str, tuple[Any, list[Any]]] = {
    "source.baked.path": ("/opt/my model", ["model", "", "/a\nb"]),
    "source.huggingFace.repo": ("openai/whisper-tiny", ["openai/", "a/b/c", "https://hub/a", ""]),
    "source.huggingFace.revision": ("refs/pr/12", ["-x", "a b"]),
    "source.huggingFace.endpoint": (ADDRESS, NO_ADDRESSES),
    "source.huggingFace.secretRef.name": (NAME, NO_NAMES),
    "source.s3.bucket": ("My_bucket.1", ["ab", "s3://bucket", "bucket/key"]),
    "source.s3.key": (TEXT, NO_TEXTS),
    "source.s3.versionId": ("3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", NO_TEXTS),
    "source.s3.region": ("eu-central-1", ["eu central", ""]),
    "source.s3.endpoint": (ADDRESS, NO_ADDRESSES),
    "source.s3.anonymous": (True, ["yes"]),
    "source.s3.secretRef.name": (NAME, NO_NAMES),
    "source.gcs.bucket": ("My_bucket.1", ["ab", "gs://bucket", "bucket/key"]),
    "source.gcs.object": (TEXT, NO_TEXTS),
    "source.gcs.generation": ("1700000000000000", [1700000000000000, "latest", ""]),
    "source.gcs.endpoint": (ADDRESS, NO_ADDRESSES),
    "source.gcs.anonymous": (True, ["yes"]),
    "source.gcs.secretRef.name": (NAME, NO_NAMES),
    "source.googleDrive.fileId": (
        "1AbC_d-EfGhIjKlMnOpQrStUvWxYz012345",
        ["short", "https://drive.google.com/file/d/1AbC_d-EfGhIj/view"],
    ),
    "source.googleDrive.secretRef.name": (NAME, NO_NAMES),
    "source.http.url": (
        "https://[::1]:8443/a%20b.tar?X-Amz-Signature=1/2",
        ["ftp://example.com/a", "https://", "https://a b", "https://example.com/a#b", "https:///a", "example.com/a"],
    ),
    "source.http.secretRef.name": (NAME, NO_NAMES),
    "source.oci.reference": (
        "localhost:5000/a/b-c_d.e:v1.2@sha256:" + "0" * 64,
        ["name", "oci://registry/name", "registry/Name", "registry/name:", "registry/name@sha256:1", "registry/a b"],
    ),
    "source.oci.path": (TEXT, NO_TEXTS),
    "source.oci.secretRef.name": (NAME, NO_NAMES),
    "source.volume.claimName": (NAME, NO_NAMES),
    "source.volume.path": (TEXT, NO_TEXTS),
    "sha256": ("0123456789abcdef" * 4, ["0123456789ABCDEF" * 4, "abc", "sha256:" + "0" * 57]),
    "conversion.quantization": ("int8_float16", ["q4_0", "FLOAT16"]),
    "pin": ("sha256:" + "0123456789abcdef" * 4, ["0123456789abcdef" * 4, "sha256:abc", "sha256:" + "A" * 64]),
    "paused": (True, ["yes"]),
    "refresh.intervalSeconds": (60, ["1h", 60.5]),
    "refresh.policy": ("Follow", ["Pull", "report"]),
    "cache.claimName": (NAME, NO_NAMES),
    "cache.storageClassName": (NAME, NO_NAMES),
    "cache.size": ("1.5Gi", ["1.5 GiB", "-1Gi", 20, "100m"]),
    "cache.accessModes[]": ("ReadWriteOnce", ["ReadWriteOncePod", "ReadOnlyMany"]),
    "cache.keepRevisions": (1, ["2"]),
    "cache.deletionPolicy": ("Retain", ["Recycle", "delete"]),
    "pull.timeoutSeconds": (60, ["1h", 1.5]),
    "pull.proxy.httpProxy": ("http://proxy.example.com:3128", NO_PROXIES),
    "pull.proxy.httpsProxy": ("https://10.0.0.1:3128/", NO_PROXIES),
    "pull.proxy.noProxy": (".svc, 10.0.0.0/8,example.com", ["a\nb"]),
    "pull.caBundleRef.name": (NAME, NO_NAMES),
    "pull.caBundleRef.key": (KEY, NO_KEYS),
    "podSecurityContext.runAsUser": (1, [0, "nobody"]),
    "podSecurityContext.runAsGroup": (0, [-1]),
    "podSecurityContext.fsGroup": (0, [-1]),
    "podSecurityContext.supplementalGroups[]": (0, [-1]),
    "server.replicas": (0, [-1, "2"]),
    "server.image": ("registry.example.com:5000/a/b:1.0@sha256:" + "0" * 64, ["a b", "", "-a"]),
    "server.imagePullSecrets[].name": (NAME, NO_NAMES),
    "server.modelNames[]": ("openai/whisper-1", ["a b", "", "/a"]),
    "server.device": ("cuda", ["gpu", "CPU"]),
    "server.computeType[]": ("int8_bfloat16", ["fp16"]),
    "server.gpu.count": (0, [2, "1"]),
    "server.gpu.resourceName": ("nvidia.com/mig-1g.10gb", ["gpu", "nvidia.com/"]),
    "server.runtimeClassName": (NAME, NO_NAMES),
    "server.priorityClassName": (NAME, NO_NAMES),
    "server.podLabels{}": (LABEL, NO_LABELS),
    "server.podAnnotations{}": ("any text\n", [1]),
    "server.env[].name": ("_LEVEL1", ["1A", "A-B", ""]),
    "server.env[].value": ("any text\n", [1]),
    "server.service.type": ("NodePort", ["ExternalName"]),
    "server.service.annotations{}": ("any text\n", [1]),
    "server.options.httpPage": (True, ["yes"]),
    "server.options.logLevel": ("debug", ["loud", "DEBUG"]),
    "server.options.profanityWordsRef.name": (NAME, NO_NAMES),
    "server.options.profanityWordsRef.key": (KEY, NO_KEYS),
    "server.goldenClip.configMapName": (NAME, NO_NAMES),
    "server.goldenClip.audioKey": (KEY, NO_KEYS),
    "server.goldenClip.textKey": (KEY, NO_KEYS),
    "server.goldenClip.maxWordErrorPercent": (0, [-1, 101, "10"]),
    "server.tls.secretName": (NAME, NO_NAMES),
    "server.tls.clientCA.secretName": (NAME, NO_NAMES),
    "server.tls.clientCA.key": (KEY, NO_KEYS),
    "server.auth.secretRef.name": (NAME, NO_NAMES),
    "server.auth.allowWithoutTLS": (True, ["yes"]),
    "server.autoscaling.minReplicas": (2, ["2"]),
    "server.autoscaling.maxReplicas": (2, ["2"]),
    "server.autoscaling.metrics[].cpu.averageUtilization": (60, ["60%"]),
    "server.autoscaling.metrics[].pods.metric": ("whisper_server_active_streams", ["a-b", "1a", ""]),
    "server.autoscaling.metrics[].pods.averageValue": ("7500m", NO_QUANTITIES),
    "server.disruption.enabled": (False, ["no"]),
    "server.disruption.maxUnavailable": ("100%", ["101%", "half", "1"]),
    "server.disruption.minAvailable": (2, ["101%", "-1%"]),
    "server.rollout.strategy": ("InPlace", ["RollingUpdate"]),
    "server.rollout.progressDeadlineSeconds": (60, ["1h"]),
    "server.rollout.drainSeconds": (0, ["1h"]),
}
for part in ("pull", "server"):
    FIELDS |= {
        f"{part}.serviceAccountName": (NAME, NO_NAMES),
        f"{part}.resources.requests{{}}": (QUANTITY, NO_QUANTITIES),
        f"{part}.resources.limits{{}}": (2, NO_QUANTITIES),
        f"{part}.nodeSelector{{}}": (LABEL, NO_LABELS),
        f"{part}.tolerations[].key": ("nvidia.com/gpu", NO_LABEL_KEYS),
        f"{part}.tolerations[].operator": ("Exists", ["Gt"]),
        f"{part}.tolerations[].value": (LABEL, NO_LABELS),
        f"{part}.tolerations[].effect": ("NoExecute", ["Never"]),
        f"{part}.tolerations[].tolerationSeconds": (0, [-1, "5"]),
    }

FIELDS |= {f"server.options.{option}": (2_000_000, ["1Mi", 1.5]) for option in BYTES}
FIELDS |= {f"server.options.{option}": (2, ["2", 1.5]) for option in COUNTS}
NODES, TERMS = "server.affinity.nodeAffinity", "nodeSelectorTerms[].matchExpressions[]"
for expression in (f"{NODES}.{REQUIRED}.{TERMS}", f"{NODES}.{PREFERRED}[].preference.matchExpressions[]"):
    FIELDS |= {
        f"{expression}.key": ("topology.kubernetes.io/zone", NO_LABEL_KEYS),
        f"{expression}.operator": ("NotIn", ["in", "Has"]),
        f"{expression}.values[]": (LABEL, NO_LABELS),
    }
FIELDS[f"{NODES}.{PREFERRED}[].weight"] = (100, ["1"])
PODS = [f"server.affinity.{affinity}" for affinity in ("podAffinity", "podAntiAffinity")]
FIELDS |= {f"{pods}.{PREFERRED}[].weight": (100, ["1"]) for pods in PODS}
NEAR = [term for pods in PODS for term in (f"{pods}.{REQUIRED}[]", f"{pods}.{PREFERRED}[].podAffinityTerm")]
FIELDS |= {f"{term}.namespaces[]": ("speech-2", ["Speech", "a.b", ""]) for term in NEAR}
SPREAD = "server.topologySpreadConstraints[]"
FIELDS |= {
    f"{SPREAD}.maxSkew": (2, ["1"]),
    f"{SPREAD}.whenUnsatisfiable": ("DoNotSchedule", ["Never"]),
    f"{SPREAD}.minDomains": (2, ["1"]),
    f"{SPREAD}.matchLabelKeys[]": ("pod-template-hash", NO_LABEL_KEYS),
    f"{SPREAD}.nodeAffinityPolicy": ("Ignore", ["No"]),
    f"{SPREAD}.nodeTaintsPolicy": ("Honor", ["No"]),
}
for term in (*NEAR, SPREAD):
    FIELDS |= {
        f"{term}.topologyKey": ("topology.kubernetes.io/zone", NO_LABEL_KEYS),
        f"{term}.labelSelector.matchLabels{{}}": (LABEL, NO_LABELS),
        f"{term}.labelSelector.matchExpressions[].key": ("app", NO_LABEL_KEYS),
        f"{term}.labelSelector.matchExpressions[].operator": ("NotIn", ["Gt"]),
        f"{term}.labelSelector.matchExpressions[].values[]": (LABEL, NO_LABELS),
    }

# A toleration of a while has the effect NoExecute, and minDomains DoNotSchedule, as other rules say.
ACCEPTED = {path: good for path, (good, _) in FIELDS.items() if not path.endswith(("tolerationSeconds", "minDomains"))}


def beyond(node: Node) -> Iterator[tuple[str, Any, str]]:
    """For each bound of `node`, a value just beyond it and what the API server then says."""
    if "maxLength" in node:
        yield "maxLength", "a" * (node["maxLength"] + 1), f"may not be more than {node['maxLength']} bytes"
    if "minLength" in node:
        yield "minLength", "", f"should be at least {node['minLength']} chars long"
    if "maxItems" in node:
        yield "maxItems", [{}] * (node["maxItems"] + 1), f"must have at most {node['maxItems']} items"
    if "minItems" in node:
        yield "minItems", [], f"should have at least {node['minItems']} items"
    if "maxProperties" in node:
        pairs = {f"key{number}": "1" for number in range(node["maxProperties"] + 1)}
        yield "maxProperties", pairs, f"must have at most {node['maxProperties']} items"
    if "minimum" in node:
        yield "minimum", node["minimum"] - 1, f"should be greater than or equal to {node['minimum']}"
    if "maximum" in node:
        yield "maximum", node["maximum"] + 1, f"should be less than or equal to {node['maximum']}"


SPEC_NODES = dict(nodes(schema()["properties"]["spec"]))
LEAVES = {path for path, node in SPEC_NODES.items() if node.get("type") not in ("object", "array")}
REFUSED = [(path, value) for path, (_, values) in FIELDS.items() for value in values]
BOUNDS = [(path, *bound) for path, node in SPEC_NODES.items() for bound in beyond(node)]


@pytest.fixture(scope="module")
def models(control_plane: ControlPlane) -> Models:
    install_crd(control_plane.kubectl)
    return Models(control_plane.kubeconfig, "default")


@pytest.mark.parametrize(("path", "value"), ACCEPTED.items(), ids=ACCEPTED)
def test_a_field_takes(models: Models, path: str, value: Any) -> None:
    assert models.refusal(spec_with(path, value)) == ""


@pytest.mark.parametrize(("path", "value"), REFUSED, ids=[f"{path}={value!r}" for path, value in REFUSED])
def test_a_field_refuses_and_is_named(models: Models, path: str, value: Any) -> None:
    assert named(path) in models.refusal(spec_with(path, value))


@pytest.mark.parametrize(
    ("path", "bound", "value", "message"), BOUNDS, ids=[f"{path}-{bound}" for path, bound, _, _ in BOUNDS]
)
def test_a_field_has_bounds(models: Models, path: str, bound: str, value: Any, message: str) -> None:
    refusal = models.refusal(spec_with(path, value))
    assert named(path) in refusal
    assert message in refusal


@pytest.mark.parametrize("path", ["server.env", "server.imagePullSecrets"])
def test_a_name_stands_once_in_a_list(models: Models, path: str) -> None:
    assert models.refusal(spec_with(path, [{"name": "a"}, {"name": "b"}])) == ""
    assert "Duplicate value" in models.refusal(spec_with(path, [{"name": "a"}, {"name": "a"}]))


def test_every_field_is_tried_here() -> None:
    assert set(FIELDS) == LEAVES


def named(path: str) -> str:
    """How the API server names the field."""
    return "spec." + path.replace("[]", "[0]").replace("{}", ".example")
