"""The spec of a WhisperModel, read from the object's JSON. Defaults are the schema's; a test compares the two."""

import re
from enum import StrEnum
from typing import Any

import msgspec

JSON = dict[str, Any]
#: Of a container: what Kubernetes calls a quantity, by resource.
Quantities = dict[str, str | int]

_COMMIT = re.compile("[0-9a-f]{40}")

DEFAULT_GPU = "nvidia.com/gpu"

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class SpecError(ValueError):
    """The spec is not what the schema promises; the text names the field."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of the spec. Unknown fields are the API server's business, which warns about them or prunes them."""


class SecretRef(_Part, frozen=True):
    name: str


class HuggingFace(_Part, frozen=True):
    repo: str
    revision: str = "main"
    endpoint: str | None = None
    secret_ref: SecretRef | None = None


class S3(_Part, frozen=True):
    bucket: str
    key: str
    version_id: str | None = None
    region: str | None = None
    endpoint: str | None = None
    anonymous: bool = False
    secret_ref: SecretRef | None = None


class GCS(_Part, frozen=True):
    bucket: str
    object: str
    generation: str | None = None
    endpoint: str | None = None
    anonymous: bool = False
    secret_ref: SecretRef | None = None


class GoogleDrive(_Part, frozen=True):
    file_id: str
    secret_ref: SecretRef | None = None


class HTTP(_Part, frozen=True):
    url: str
    secret_ref: SecretRef | None = None


class OCI(_Part, frozen=True):
    reference: str
    path: str = ""
    secret_ref: SecretRef | None = None


class Volume(_Part, frozen=True):
    claim_name: str
    path: str = ""


class Baked(_Part, frozen=True):
    path: str


class Source(_Part, frozen=True):
    """Where the model comes from: exactly one field is set, which the schema sees to."""

    baked: Baked | None = None
    gcs: GCS | None = None
    google_drive: GoogleDrive | None = None
    http: HTTP | None = None
    hugging_face: HuggingFace | None = None
    oci: OCI | None = None
    s3: S3 | None = None
    volume: Volume | None = None

    @property
    def endpoint(self) -> str | None:
        """The service's address, for the kinds that may have one of their own."""
        part = self.gcs or self.hugging_face or self.s3
        return part.endpoint if part else None

    @property
    def anonymous(self) -> bool:
        """Whether to ask without credentials even where some are at hand."""
        part = self.gcs or self.s3
        return part is not None and part.anonymous

    @property
    def is_fixed(self) -> bool:
        """Whether it names one content, by version, generation, commit or digest; volume and baked count as that."""
        if self.hugging_face is not None:
            return _COMMIT.fullmatch(self.hugging_face.revision) is not None
        if self.oci is not None:
            return "@sha256:" in self.oci.reference
        versioned = (self.s3 and self.s3.version_id) or (self.gcs and self.gcs.generation)
        return bool(versioned) or self.volume is not None or self.baked is not None

    @property
    def secret_name(self) -> str | None:
        """The Secret that the source names."""
        part = self.gcs or self.google_drive or self.http or self.hugging_face or self.oci or self.s3
        return part.secret_ref.name if part and part.secret_ref else None


class Conversion(_Part, frozen=True):
    quantization: str | None = None


class DeletionPolicy(StrEnum):
    DELETE = "Delete"
    RETAIN = "Retain"


class Cache(_Part, frozen=True):
    claim_name: str | None = None
    storage_class_name: str | None = None
    size: str = "20Gi"
    access_modes: tuple[str, ...] = ("ReadWriteMany",)
    keep_revisions: int = 2
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE


class Resources(_Part, frozen=True):
    requests: Quantities = {}
    limits: Quantities = {}


class Proxy(_Part, frozen=True):
    http_proxy: str | None = None
    https_proxy: str | None = None
    no_proxy: str | None = None


class CABundleRef(_Part, frozen=True):
    name: str
    key: str = "ca.crt"


class Pull(_Part, frozen=True):
    timeout_seconds: int = 7200
    resources: Resources | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[JSON, ...] = ()
    proxy: Proxy = Proxy()
    ca_bundle_ref: CABundleRef | None = None
    service_account_name: str | None = None


class PodSecurity(_Part, frozen=True):
    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()


class Device(StrEnum):
    AUTO = "auto"
    CUDA = "cuda"
    CPU = "cpu"


class Gpu(_Part, frozen=True):
    count: int | None = None
    resource_name: str = DEFAULT_GPU


class EnvVar(_Part, frozen=True):
    name: str
    value: str = ""


class Named(_Part, frozen=True):
    name: str


class Service(_Part, frozen=True):
    type: str = "ClusterIP"
    annotations: dict[str, str] = {}


class ConfigMapKey(_Part, frozen=True):
    name: str
    key: str = "words.txt"


class Options(_Part, frozen=True):
    """Settings of whisper-server, by the same names; what is absent is as the server has it."""

    cpu_threads: int | None = None
    workers: int | None = None
    max_batch: int | None = None
    max_batch_ms: int | None = None
    max_delay_ms: int | None = None
    max_queued_windows: int | None = None
    max_requests: int | None = None
    max_streams: int | None = None
    max_audio_seconds: int | None = None
    max_message_bytes: int | None = None
    max_upload_bytes: int | None = None
    max_spool_bytes: int | None = None
    default_deadline_seconds: int | None = None
    max_deadline_seconds: int | None = None
    idle_timeout_seconds: int | None = None
    max_connection_age_seconds: int | None = None
    http_page: bool | None = None
    log_level: str | None = None
    profanity_words_ref: ConfigMapKey | None = None


class GoldenClip(_Part, frozen=True):
    config_map_name: str
    audio_key: str = "audio"
    text_key: str = "text"
    max_word_error_percent: int = 10


class ClientCA(_Part, frozen=True):
    secret_name: str | None = None
    key: str = "ca.crt"


class TLS(_Part, frozen=True):
    secret_name: str
    client_ca: ClientCA | None = msgspec.field(default=None, name="clientCA")


class Auth(_Part, frozen=True):
    secret_ref: SecretRef
    allow_without_tls: bool = msgspec.field(default=False, name="allowWithoutTLS")


class NodeSelector(_Part, frozen=True):
    node_selector_terms: tuple[JSON, ...]


class NodeAffinity(_Part, frozen=True):
    required: NodeSelector | None = msgspec.field(default=None, name=_REQUIRED)
    preferred: tuple[JSON, ...] = msgspec.field(default=(), name=_PREFERRED)


class PodAffinity(_Part, frozen=True):
    required: tuple[JSON, ...] = msgspec.field(default=(), name=_REQUIRED)
    preferred: tuple[JSON, ...] = msgspec.field(default=(), name=_PREFERRED)


class Affinity(_Part, frozen=True):
    node_affinity: NodeAffinity = NodeAffinity()
    pod_affinity: PodAffinity = PodAffinity()
    pod_anti_affinity: PodAffinity = PodAffinity()


class CPUMetric(_Part, frozen=True):
    average_utilization: int = 80


class PodsMetric(_Part, frozen=True):
    average_value: str | int
    metric: str = "whisper_server_queue_depth"


class Metric(_Part, frozen=True):
    """What an autoscaler goes by: exactly one field is set, which the schema sees to."""

    cpu: CPUMetric | None = None
    pods: PodsMetric | None = None


class Autoscaling(_Part, frozen=True):
    max_replicas: int
    min_replicas: int = 1
    metrics: tuple[Metric, ...] = (Metric(cpu=CPUMetric()),)


class Disruption(_Part, frozen=True):
    enabled: bool = True
    max_unavailable: str | int | None = None
    min_available: str | int | None = None


class Strategy(StrEnum):
    SURGE = "Surge"
    IN_PLACE = "InPlace"
    RECREATE = "Recreate"


class Rollout(_Part, frozen=True):
    strategy: Strategy = Strategy.SURGE
    progress_deadline_seconds: int = 1200
    drain_seconds: int = 300


class Server(_Part, frozen=True):
    replicas: int = 1
    image: str | None = None
    image_pull_secrets: tuple[Named, ...] = ()
    model_names: tuple[str, ...] = ()
    device: Device = Device.AUTO
    compute_type: tuple[str, ...] = ()
    gpu: Gpu = Gpu()
    resources: Resources | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[JSON, ...] = ()
    affinity: Affinity = Affinity()
    topology_spread_constraints: tuple[JSON, ...] = ()
    runtime_class_name: str | None = None
    priority_class_name: str | None = None
    pod_labels: dict[str, str] = {}
    pod_annotations: dict[str, str] = {}
    env: tuple[EnvVar, ...] = ()
    service_account_name: str | None = None
    options: Options = Options()
    tls: TLS | None = None
    auth: Auth | None = None
    golden_clip: GoldenClip | None = None
    service: Service = Service()
    autoscaling: Autoscaling | None = None
    disruption: Disruption = Disruption()
    rollout: Rollout = Rollout()

    @property
    def gpu_count(self) -> int:
        """GPUs of each server: 1 unless said otherwise, and none for the device cpu."""
        if self.gpu.count is not None:
            return self.gpu.count
        return 0 if self.device is Device.CPU else 1

    @property
    def most_replicas(self) -> int:
        """The most servers that there may be while the spec is as it is."""
        return self.replicas if self.autoscaling is None else max(self.replicas, self.autoscaling.max_replicas)

    @property
    def device_in_use(self) -> Device:
        """The device that the servers are started with: auto is cuda exactly when they have a GPU."""
        if self.device is not Device.AUTO:
            return self.device
        return Device.CUDA if self.gpu_count else Device.CPU


class RefreshPolicy(StrEnum):
    REPORT = "Report"
    FOLLOW = "Follow"


class Refresh(_Part, frozen=True):
    interval_seconds: int = 3600
    policy: RefreshPolicy = RefreshPolicy.REPORT


class Spec(_Part, frozen=True):
    source: Source
    sha256: str | None = None
    conversion: Conversion = Conversion()
    pin: str | None = None
    paused: bool = False
    refresh: Refresh | None = None
    cache: Cache = Cache()
    pull: Pull = Pull()
    pod_security_context: PodSecurity | None = None
    server: Server = Server()


# What msgspec knows of a class it finds out at the first use, and two threads that do so at once crash the process.
msgspec.json.Decoder(Spec)


def parse_spec(spec: Any) -> Spec:
    """Return the spec that the JSON holds.

    Raises:
        SpecError: when it is not what the schema promises (an older or hand-edited schema let it pass).
    """
    try:
        parsed = msgspec.convert(spec, Spec)
    except msgspec.ValidationError as error:
        raise SpecError(str(error).replace("$.", "spec.")) from error
    if sum(part is not None for part in msgspec.structs.asdict(parsed.source).values()) != 1:
        raise SpecError("spec.source has exactly one of baked, gcs, googleDrive, http, huggingFace, oci, s3 and volume")
    return parsed


def parse_spec_leniently(spec: Any) -> Spec:
    """Return what of the spec can be read, for whoever may not fail; the source is left out.

    What cannot be read is as if it were absent, but for a deletion policy: nothing is removed then.
    """
    given = spec if isinstance(spec, dict) else {}
    parts = {key: value for key, value in given.items() if key != "source"}
    lenient = Spec(source=Source(), **_readable(Spec, parts))
    policy = (given.get("cache") or {}).get("deletionPolicy") if isinstance(given.get("cache"), dict) else None
    if policy is None or policy == lenient.cache.deletion_policy:
        return lenient
    cache = msgspec.structs.replace(lenient.cache, deletion_policy=DeletionPolicy.RETAIN)
    return msgspec.structs.replace(lenient, cache=cache)


def _readable(kind: type[msgspec.Struct], given: JSON) -> JSON:
    """Return the fields of `kind` that can be read, each part of theirs as far as it can be."""
    found = {}
    for field in msgspec.structs.fields(kind):
        value = given.get(field.encode_name)
        try:
            found[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError:
            if isinstance(value, dict) and isinstance(field.default, msgspec.Struct):
                part = type(field.default)
                found[field.name] = part(**_readable(part, value))
            continue
    return {name: value for name, value in found.items() if value is not None}
