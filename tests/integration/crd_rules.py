"""For each rule of the resource, a spec that it lets pass, one that it refuses, and the words that it does so with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.whispermodels import PREFERRED, REQUIRED, Spec, minimal, spec_with

HASH = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


@dataclass(frozen=True)
class Twins:
    """Two specs that differ in what the rule is about."""

    name: str
    message: str
    accepted: Spec
    refused: Spec


@dataclass(frozen=True)
class Change:
    """Two changes of the spec's cache."""

    name: str
    message: str
    before: dict[str, Any]
    accepted: dict[str, Any]
    refused: dict[str, Any]


def hugging_face(**fields: Any) -> Spec:
    return {"source": {"huggingFace": {"repo": "openai/whisper-tiny", **fields}}}


def s3(**fields: Any) -> Spec:
    return {"source": {"s3": {"bucket": "models", "key": "whisper.tar.zst", **fields}}}


def gcs(**fields: Any) -> Spec:
    return {"source": {"gcs": {"bucket": "models", "object": "whisper.tar.zst", **fields}}}


def http(url: str) -> Spec:
    return {"source": {"http": {"url": url}}}


def oci(**fields: Any) -> Spec:
    return {"source": {"oci": {"reference": "registry.example.com/whisper:1", **fields}}}


def volume(path: str) -> Spec:
    return {"source": {"volume": {"claimName": "models", "path": path}}}


def baked(image: str | None = "whisper-server-mine:1", **fields: Any) -> Spec:
    server = {"server": {"image": image}} if image else {}
    return {"source": {"baked": {"path": "/model"}}, **server, **fields}


def drive(file_id: str) -> Spec:
    return {"source": {"googleDrive": {"fileId": file_id}}}


def server(**fields: Any) -> Spec:
    return minimal() | {"server": fields}


def resources(part: str, requested: Any, limit: Any) -> Spec:
    return spec_with(f"{part}.resources", {"requests": {"memory": requested}, "limits": {"memory": limit}})


def autoscaling(metrics: list[Any] | None = None, **fields: Any) -> Spec:
    """Autoscaling of servers by these metrics."""
    return server(autoscaling={"maxReplicas": 2} | ({} if metrics is None else {"metrics": metrics}), **fields)


QUEUE = {"averageValue": 8}
NOT_ONE_METRIC: dict[str, list[Any]] = {"none": [{}], "two": [{"cpu": {}, "pods": QUEUE}]}
ONE_METRIC = "a metric has exactly one of cpu and pods"
CPU_REQUEST = "autoscaling by CPU compares with what a server requests of it, so set resources.requests.cpu"
TOKENS: dict[str, Any] = {"secretRef": {"name": "tokens"}}
TOKENS_IN_THE_CLEAR = (
    "tokens could be read on the way without TLS, so set tls, or auth.allowWithoutTLS behind something that speaks it"
)
NEAR = {"topologyKey": "topology.kubernetes.io/zone"}
ONE_SOURCE = "a source has exactly one of baked, gcs, googleDrive, http, huggingFace, oci, s3 and volume"
NO_GPU_RESOURCES = "GPUs are asked for by gpu.count and gpu.resourceName, not in resources"
RELATIVE_PATH = "the path is relative to the claim's root, with no leading / and no '..'"
OWN_LABELS = "labels of app.kubernetes.io/ and stt.whisper-operator.io/ are the operator's own"
OWN_ANNOTATIONS = "annotations of stt.whisper-operator.io/ are the operator's own"
NAMED_CLAIM = (
    "claimName names a claim that exists, so storageClassName, size and accessModes have no effect and are left out"
)
ONE_FILE_HUB = (
    "sha256 is of one file; a Hugging Face repository has many, with hashes of their own, so leave sha256 out"
)
ANONYMOUS = "anonymous means without credentials, so leave secretRef out or set anonymous to false"
NO_CREDENTIALS = (
    "a URL holds no credentials, since everyone who may read this object would read them; name a Secret in secretRef"
)
HOST = "a URL's host is followed by nothing but a port of digits; credentials go into a Secret that secretRef names"
ONE_FILE_GCS = "sha256 is of one file; a gcs object that ends in / names many, so leave sha256 out or name an archive"
ONE_FILE_OCI = (
    "sha256 is of one file; a path inside an image holds many, so leave sha256 out (a reference @sha256:… is checked)"
)
ONE_FILE_S3 = "sha256 is of one file; an s3 key that ends in / names many, so leave sha256 out or name an archive"

BAKED_IMAGE = "a baked model is inside the servers' image, so name that image in server.image"
BAKED_AS_IT_IS = "a baked model is served as the image has it, so leave sha256, conversion and pin out"
BAKED_WITHOUT_VOLUME = (
    "a baked model needs no volume, so leave claimName, storageClassName, size and accessModes out of cache"
)
BAKED_WITHOUT_PULL = "a baked model is not pulled, so leave pull out"
FIXED = (
    "refresh is for a source that can move; one that is named by version, generation, commit or digest cannot, "
    "and a volume or a baked model is not watched, so leave refresh out"
)
NOT_FOLLOWED = "sha256 allows one content alone, so leave it out to follow the source, or set refresh.policy to Report"
REFRESH: Spec = {"refresh": {"intervalSeconds": 60}}

DRIVE_ID = "1AbC_d-EfGhIjKlMnOpQrStUvWxYz012345"
ENDPOINT = "an endpoint is a URL, with https:// or http:// before the host"
#: What people paste with more around it than the field takes.
PASTED: list[tuple[str, str, Callable[[str], Spec], str, str]] = [
    (
        "an s3 bucket",
        "a bucket is named alone, with no s3:// before it; what follows it is the key",
        lambda text: s3(bucket=text),
        "models",
        "s3://models",
    ),
    (
        "a gcs bucket",
        "a bucket is named alone, with no gs:// before it; what follows it is the object",
        lambda text: gcs(bucket=text),
        "models",
        "gs://models",
    ),
    (
        "a repository",
        "a repository is named as organisation/name, with no https:// and no host before it",
        lambda text: hugging_face(repo=text),
        "openai/whisper-tiny",
        "https://huggingface.co/openai/whisper-tiny",
    ),
    (
        "a URL",
        "a URL begins with https:// or http://",
        http,
        "https://artifacts.example.com/whisper.tar",
        "artifacts.example.com/whisper.tar",
    ),
    ("an s3 endpoint", ENDPOINT, lambda text: s3(endpoint=text), "http://minio:9000", "minio:9000"),
    ("a gcs endpoint", ENDPOINT, lambda text: gcs(endpoint=text), "http://gcs:4443", "gcs:4443"),
    ("a mirror", ENDPOINT, lambda text: hugging_face(endpoint=text), "https://hub.example.com", "hub.example.com"),
    (
        "a file's id",
        "a file's id is what its link has between /d/ and /view, and nothing else of the link",
        drive,
        DRIVE_ID,
        f"https://drive.google.com/file/d/{DRIVE_ID}/view",
    ),
    (
        "a reference",
        "a reference begins with the registry, with no oci:// or https:// before it",
        lambda text: oci(reference=text),
        "registry.example.com/whisper:1",
        "oci://registry.example.com/whisper:1",
    ),
    (
        "a sha256",
        "a sha256 is its 64 digits alone, as sha256sum prints them, with no sha256: before them",
        lambda text: s3() | {"sha256": text},
        HASH,
        f"sha256:{HASH}",
    ),
    (
        "a size",
        "a size is a number and a unit such as Gi, with no B behind it",
        lambda text: minimal() | {"cache": {"size": text}},
        "20Gi",
        "20GB",
    ),
    (
        "a quantity",
        "a quantity is a number and a unit such as Gi, with no B behind it",
        lambda text: minimal() | {"server": {"resources": {"limits": {"memory": text}}}},
        "4Gi",
        "4GB",
    ),
]
TWINS = [
    *(
        Twins(f"{field} alone, not {pasted}", message, spec_of(taken), spec_of(pasted))
        for field, message, spec_of, taken, pasted in PASTED
    ),
    *(
        Twins(f"refresh of a source that can move, not of {name}", FIXED, moves | REFRESH, fixed | REFRESH)
        for name, moves, fixed in [
            ("an s3 version", s3(), s3(versionId="v1")),
            ("a gcs generation", gcs(), gcs(generation="17")),
            ("a digest", oci(), oci(reference="registry.example.com/whisper:1@sha256:" + HASH)),
            ("a commit", hugging_face(revision="main"), hugging_face(revision="0" * 40)),
            ("a volume", http("https://example.com/a.tar"), volume("models/whisper.tar")),
            ("a baked model", s3(), baked()),
        ]
    ),
    Twins(
        "a sha256 that is reported on, not followed",
        NOT_FOLLOWED,
        s3() | {"sha256": HASH, "refresh": {"policy": "Report"}},
        s3() | {"sha256": HASH, "refresh": {"policy": "Follow"}},
    ),
    Twins(
        "one GPU of a server, not two",
        "one server uses one GPU; for more GPUs, set replicas",
        minimal() | {"server": {"gpu": {"count": 1}}},
        minimal() | {"server": {"gpu": {"count": 2}}},
    ),
    Twins(
        "a user who is not root",
        "the pods do not run as root, which the restricted pod security standard forbids",
        minimal() | {"podSecurityContext": {"runAsUser": 1000}},
        minimal() | {"podSecurityContext": {"runAsUser": 0}},
    ),
    Twins("one source, not none", ONE_SOURCE, minimal(), {"source": {}}),
    Twins("one source, not two", ONE_SOURCE, minimal(), {"source": hugging_face()["source"] | s3()["source"]}),
    Twins(
        "a revision that cannot climb",
        "a revision is a branch, a tag or a commit, and holds no '..'",
        hugging_face(revision="refs/pr/1.5"),
        hugging_face(revision="main/../other"),
    ),
    Twins(
        "a version of an object, not of a prefix",
        "a key that ends in / names many objects and so has no versionId",
        s3(versionId="v1"),
        s3(key="whisper/", versionId="v1"),
    ),
    Twins(
        "a generation of an object, not of a prefix",
        "an object that ends in / names many and so has no generation",
        gcs(generation="17"),
        gcs(object="whisper/", generation="17"),
    ),
    *(
        Twins(
            f"anonymous without a Secret in {name}",
            ANONYMOUS,
            source(anonymous=False, secretRef={"name": "keys"}),
            source(anonymous=True, secretRef={"name": "keys"}),
        )
        for name, source in [("s3", s3), ("gcs", gcs)]
    ),
    *(
        Twins(f"a URL without {name}", NO_CREDENTIALS, http("https://example.com/a@b.tar?c=d@e"), http(url))
        for name, url in [
            ("credentials", "https://me:secret@example.com/a.tar"),
            ("a token", "http://token@example.com"),
            ("a user before a query", "https://me@example.com?a=b"),
        ]
    ),
    *(
        Twins(f"a URL whose host is {name}", HOST, http(accepted), http(refused))
        for name, accepted, refused in [
            ("followed by a port", "https://example.com:8443/a.tar", "https://example.com:port/a.tar"),
            ("no user whose password has a slash", "https://example.com/a:b", "https://me:sec/ret@example.com/a.tar"),
            ("an address", "http://[fd00::1]:80?a=b:c", "http://fd00::1/a.tar"),
        ]
    ),
    Twins(
        "a path inside an image that cannot climb",
        "the path is a folder inside the image, and holds no '..'",
        oci(path="/models/..whisper"),
        oci(path="models/../.."),
    ),
    Twins("a relative path", RELATIVE_PATH, volume("models/whisper.tar"), volume("/models/whisper.tar")),
    Twins("a path that cannot climb", RELATIVE_PATH, volume("models/..tar"), volume("models/../../etc")),
    Twins(
        "sha256 of an archive, not of a repository",
        ONE_FILE_HUB,
        s3() | {"sha256": HASH},
        hugging_face() | {"sha256": HASH},
    ),
    Twins(
        "sha256 of an archive, not of a prefix",
        ONE_FILE_S3,
        s3() | {"sha256": HASH},
        s3(key="whisper/") | {"sha256": HASH},
    ),
    Twins(
        "sha256 of an archive, not of a prefix of gcs",
        ONE_FILE_GCS,
        gcs() | {"sha256": HASH},
        gcs(object="whisper/") | {"sha256": HASH},
    ),
    Twins(
        "sha256 of an archive, not of a folder in an image",
        ONE_FILE_OCI,
        oci() | {"sha256": HASH},
        oci(path="models/whisper") | {"sha256": HASH},
    ),
    *(
        Twins(
            f"a named claim without {field}",
            NAMED_CLAIM,
            minimal() | {"cache": {field: value}},
            minimal() | {"cache": {"claimName": "models", field: value}},
        )
        for field, value in [("storageClassName", "shared"), ("size", "5Gi"), ("accessModes", ["ReadWriteOnce"])]
    ),
    Twins("a baked model in an image that is named", BAKED_IMAGE, baked(), baked(None)),
    *(
        Twins(f"a baked model without {field}", BAKED_AS_IT_IS, minimal() | {field: value}, baked() | {field: value})
        for field, value in [("sha256", HASH), ("conversion", {"quantization": "int8"}), ("pin", f"sha256:{HASH}")]
    ),
    *(
        Twins(
            f"a baked model without a volume's {field}",
            BAKED_WITHOUT_VOLUME,
            baked(cache={"keepRevisions": 3}),
            baked(cache={field: value}),
        )
        for field, value in [
            ("claimName", "models"),
            ("storageClassName", "shared"),
            ("size", "5Gi"),
            ("accessModes", ["ReadWriteOnce"]),
        ]
    ),
    *(
        Twins(
            f"a baked model without {field} of a pull", BAKED_WITHOUT_PULL, baked(pull={}), baked(pull={field: value})
        )
        for field, value in [
            ("resources", {"limits": {"memory": "1Gi"}}),
            ("nodeSelector", {"zone": "a"}),
            ("tolerations", [{"key": "a"}]),
            ("proxy", {"noProxy": "a"}),
            ("caBundleRef", {"name": "authorities"}),
            ("serviceAccountName", "puller"),
        ]
    ),
    Twins(
        "a size of something",
        "cache.size is more than nothing",
        minimal() | {"cache": {"size": "0.5Gi"}},
        minimal() | {"cache": {"size": "0Gi"}},
    ),
    *(
        Twins(
            f"a request within its limit in {part}",
            "a request is no larger than its limit",
            resources(part, 1, "1"),
            bad,
        )
        for part, bad in [("pull", resources("pull", "2Gi", "1Gi")), ("server", resources("server", "2048Mi", 1024))]
    ),
    Twins(
        "a CPU without GPU",
        "device cpu uses no GPU, so leave gpu.count out or set it to 0",
        server(device="cpu", gpu={"count": 0}),
        server(device="cpu", gpu={"count": 1}),
    ),
    Twins(
        "cuda with a GPU",
        "device cuda needs a GPU, so leave gpu.count out or set it to 1",
        server(device="cuda", gpu={"resourceName": "amd.com/gpu"}),
        server(device="cuda", gpu={"count": 0}),
    ),
    Twins(
        "GPUs by gpu.count and not by a limit",
        NO_GPU_RESOURCES,
        server(resources={"limits": {"memory": "8Gi"}}),
        server(resources={"limits": {"nvidia.com/gpu": 1}}),
    ),
    Twins(
        "GPUs of another name by gpu.count and not by a request",
        NO_GPU_RESOURCES,
        server(resources={"requests": {"memory": "8Gi"}}, gpu={"resourceName": "amd.com/gpu"}),
        server(resources={"requests": {"amd.com/gpu": "1"}}, gpu={"resourceName": "amd.com/gpu"}),
    ),
    *(
        Twins(f"tokens {name}", TOKENS_IN_THE_CLEAR, server(auth=TOKENS | more, **tls), server(auth=TOKENS))
        for name, more, tls in [
            ("over TLS", {}, {"tls": {"secretName": "certificate"}}),
            ("behind something that speaks TLS", {"allowWithoutTLS": True}, {}),
        ]
    ),
    Twins(
        "audio and text of a golden clip apart",
        "the golden clip's audio and text are under keys of their own",
        server(goldenClip={"configMapName": "clip", "audioKey": "a", "textKey": "b"}),
        server(goldenClip={"configMapName": "clip", "textKey": "audio"}),
    ),
    Twins(
        "each model name once",
        "a model name stands once in the list",
        server(modelNames=["whisper-1", "whisper-2"]),
        server(modelNames=["whisper-1", "whisper-1"]),
    ),
    *(
        Twins(
            f"no pod label of {prefix}",
            OWN_LABELS,
            server(podLabels={"team": "a"}),
            server(podLabels={f"{prefix}/name": "a"}),
        )
        for prefix in ("app.kubernetes.io", "stt.whisper-operator.io")
    ),
    *(
        Twins(
            f"no {field} of the operator's own", OWN_ANNOTATIONS, spec_with(path, {"team": "a"}), spec_with(path, bad)
        )
        for field, path in [
            ("pod annotation", "server.podAnnotations"),
            ("Service annotation", "server.service.annotations"),
        ]
        for bad in [{"stt.whisper-operator.io/model": "a"}]
    ),
    *(
        Twins(
            f"{name} in {part}", message, *(spec_with(f"{part}.tolerations", [taint]) for taint in (accepted, refused))
        )
        for part in ("pull", "server")
        for name, message, accepted, refused in [
            (
                "a toleration of all keys that says so",
                "a toleration without key matches all taints and so needs the operator Exists",
                {"operator": "Exists"},
                {"value": "a"},
            ),
            (
                "a toleration of a key, of any value",
                "a toleration with the operator Exists has no value",
                {"key": "gpu", "operator": "Exists", "value": ""},
                {"key": "gpu", "operator": "Exists", "value": "a"},
            ),
            (
                "a toleration for a while",
                "tolerationSeconds needs the effect NoExecute",
                {"key": "gpu", "effect": "NoExecute", "tolerationSeconds": 5},
                {"key": "gpu", "effect": "NoSchedule", "tolerationSeconds": 5},
            ),
        ]
    ),
    *(
        Twins(f"{name} of nodes", message, spec_with(path, accepted), spec_with(path, refused))
        for path in (
            f"server.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[].matchExpressions[]",
            f"server.affinity.nodeAffinity.{PREFERRED}[].preference.matchExpressions[]",
        )
        for name, message, accepted, refused in [
            (
                "values to compare with",
                "In, NotIn, Gt and Lt need values; Exists and DoesNotExist have none",
                {"key": "zone", "operator": "In", "values": ["a"]},
                {"key": "zone", "operator": "In"},
            ),
            (
                "no values where none are compared",
                "In, NotIn, Gt and Lt need values; Exists and DoesNotExist have none",
                {"key": "zone", "operator": "Exists"},
                {"key": "zone", "operator": "Exists", "values": ["a"]},
            ),
            *(
                (
                    f"{name} to compare with",
                    "Gt and Lt compare with one whole number",
                    {"key": "cores", "operator": "Gt", "values": ["16"]},
                    {"key": "cores", "operator": "Gt", "values": values},
                )
                for name, values in [("a number", ["many"]), ("one number", ["1", "2"])]
            ),
        ]
    ),
    *(
        Twins(
            f"values or none for labels of pods, {name}",
            "In and NotIn need values; Exists and DoesNotExist have none",
            spec_with("server.topologySpreadConstraints[].labelSelector.matchExpressions[]", accepted),
            spec_with("server.topologySpreadConstraints[].labelSelector.matchExpressions[]", refused),
        )
        for name, accepted, refused in [
            ("needed", {"key": "a", "operator": "In", "values": ["a"]}, {"key": "a", "operator": "In"}),
            (
                "not needed",
                {"key": "a", "operator": "Exists"},
                {"key": "a", "operator": "DoesNotExist", "values": ["a"]},
            ),
        ]
    ),
    Twins(
        "the fewest servers before the most",
        "minReplicas is no more than maxReplicas",
        server(autoscaling={"minReplicas": 2, "maxReplicas": 2}),
        server(autoscaling={"minReplicas": 3, "maxReplicas": 2}),
    ),
    *(
        Twins(f"one metric, not {name}", ONE_METRIC, autoscaling([{"cpu": {}}, {"pods": QUEUE}]), autoscaling(metrics))
        for name, metrics in NOT_ONE_METRIC.items()
    ),
    Twins(
        "autoscaling by CPU with a request",
        CPU_REQUEST,
        autoscaling(resources={"requests": {"cpu": 2}}),
        autoscaling(resources={"requests": {"memory": "8Gi"}}),
    ),
    Twins(
        "autoscaling by CPU with a limit",
        CPU_REQUEST,
        autoscaling([{"cpu": {}}], resources={"limits": {"cpu": 2}}),
        autoscaling([{"cpu": {}}], resources={"limits": {"memory": "8Gi"}}),
    ),
    Twins(
        "autoscaling by something else",
        CPU_REQUEST,
        autoscaling([{"pods": QUEUE}], resources={}),
        autoscaling([{"pods": QUEUE}, {"cpu": {}}], resources={}),
    ),
    Twins(
        "one number of a budget",
        "a budget has minAvailable or maxUnavailable, not both",
        server(disruption={"minAvailable": 1}),
        server(disruption={"minAvailable": 1, "maxUnavailable": 1}),
    ),
    Twins(
        "minDomains where servers wait",
        "minDomains needs whenUnsatisfiable DoNotSchedule",
        server(topologySpreadConstraints=[NEAR | {"minDomains": 2, "whenUnsatisfiable": "DoNotSchedule"}]),
        server(topologySpreadConstraints=[NEAR | {"minDomains": 2}]),
    ),
]

NAMES = [
    (
        "the name of a WhisperModel has at most 40 characters, since Jobs and Services are named after it",
        "a" * 40,
        "a" * 41,
    ),
    ("the name of a WhisperModel starts with a letter, since a Service is named after it", "a1", "1a"),
    ("the name of a WhisperModel holds no dots, since a Service is named after it", "a-b", "a.b"),
]

CHANGES = [
    Change(
        "to another claim",
        "cache.claimName cannot be changed; make a new WhisperModel",
        before={"claimName": "models"},
        accepted={"claimName": "models"},
        refused={"claimName": "others"},
    ),
    Change(
        "from a claim of one's own to a named one",
        "cache.claimName cannot be changed; make a new WhisperModel",
        before={},
        accepted={},
        refused={"claimName": "models"},
    ),
    Change(
        "to another storage class",
        "cache.storageClassName cannot be changed; make a new WhisperModel",
        before={"storageClassName": "shared"},
        accepted={"storageClassName": "shared"},
        refused={"storageClassName": "fast"},
    ),
    Change(
        "away from a storage class, by leaving it out",
        "cache.storageClassName cannot be changed; make a new WhisperModel",
        before={"storageClassName": "shared", "size": "5Gi"},
        accepted={"storageClassName": "shared", "size": "6Gi"},
        refused={"size": "5Gi"},
    ),
    Change(
        "of the access modes",
        "cache.accessModes cannot be changed; make a new WhisperModel",
        before={},
        accepted={"accessModes": ["ReadWriteMany"]},
        refused={"accessModes": ["ReadWriteOnce"]},
    ),
    Change(
        "to a smaller size",
        "cache.size cannot shrink",
        before={"size": "5Gi"},
        accepted={"size": "6Gi"},
        refused={"size": "5000M"},
    ),
    Change(
        "below the usual size",
        "cache.size cannot shrink",
        before={},
        accepted={"size": "20Gi"},
        refused={"size": "19Gi"},
    ),
]
