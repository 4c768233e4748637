"""The Deployment of a model's servers."""

import math

from whisper_operator.api import names
from whisper_operator.api.defaults import with_defaults
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Resources, Server
from whisper_operator.api.status import Artifact
from whisper_operator.builders import pods, rollout
from whisper_operator.builders.affinity import server_affinity, topology_spread
from whisper_operator.builders.metadata import JSON, new_object, present
from whisper_operator.builders.server_files import server_files
from whisper_operator.builders.server_flags import server_flags
from whisper_operator.settings import Settings

CONTAINER = "server"

# Enough to be placed with sense beside other pods; large-v3 in float16 and one request need about this much.
RESOURCES = Resources(requests={"cpu": "250m", "memory": "1Gi"})

_OLD_REPLICA_SETS = 2
# Always named: an apply that leaves the field out does not take it away, since the API server keeps a copy of it in a
# deprecated field, serviceAccount, that nobody owns.
_DEFAULT_ACCOUNT = "default"

_MIB = 1 << 20
# What the server spools at most unless told otherwise, and room beside that.
_SPOOL_MIB = _BESIDE_SPOOL_MIB = 1024


def build_deployment(model: Model, settings: Settings, artifact: Artifact | None) -> JSON | None:
    """Return the Deployment that serves `artifact`; None before there is one."""
    if artifact is None:
        return None
    model = with_defaults(model, settings.server_defaults)
    deployment = new_object(model, "apps/v1", "Deployment", names.deployment(model.name), names.COMPONENT_SERVER)
    deployment["spec"] = {
        "replicas": model.spec.server.replicas,
        # Said, so that a rollout which somebody else pauses is not stuck without a word: spec.paused is for that.
        "paused": False,
        "selector": {"matchLabels": names.server_labels(model.name)},
        "strategy": rollout.strategy(model.spec.server.rollout),
        "progressDeadlineSeconds": model.spec.server.rollout.progress_deadline_seconds,
        "revisionHistoryLimit": _OLD_REPLICA_SETS,
        "template": _template(model, settings, artifact),
    }
    return deployment


def _template(model: Model, settings: Settings, artifact: Artifact) -> JSON:
    server = model.spec.server
    return {
        "metadata": {
            "labels": {**server.pod_labels, **names.labels(model.name, names.COMPONENT_SERVER)},
            "annotations": {**server.pod_annotations, names.ANNOTATION_ARTIFACT: artifact.key},
        },
        "spec": present(
            containers=[_container(model, settings, artifact)],
            volumes=_volumes(model, artifact),
            securityContext=pods.pod_security(model),
            automountServiceAccountToken=False,
            enableServiceLinks=False,
            serviceAccountName=server.service_account_name or _DEFAULT_ACCOUNT,
            terminationGracePeriodSeconds=rollout.termination_grace_seconds(server.rollout, server.options),
            nodeSelector=dict(server.node_selector),
            tolerations=[dict(toleration) for toleration in server.tolerations],
            affinity=server_affinity(model),
            topologySpreadConstraints=topology_spread(model),
            runtimeClassName=server.runtime_class_name,
            priorityClassName=server.priority_class_name,
            imagePullSecrets=pods.pull_secrets(
                [*settings.image_pull_secrets, *(secret.name for secret in server.image_pull_secrets)]
            ),
        ),
    }


def _container(model: Model, settings: Settings, artifact: Artifact) -> JSON:
    server = model.spec.server
    return present(
        name=CONTAINER,
        image=server.image or settings.server_image,
        imagePullPolicy=settings.image_pull_policy,
        args=server_flags(model, artifact),
        env=[{"name": variable.name, "value": variable.value} for variable in server.env],
        ports=[_port("grpc", names.GRPC_PORT), _port("http", names.HTTP_PORT), _port("probe", names.PROBE_PORT)],
        resources=pods.resources(server.resources, RESOURCES, _gpus(server)),
        securityContext=pods.container_security(),
        volumeMounts=_mounts(server, artifact),
        startupProbe=_probe(
            "/health/startup",
            periodSeconds=rollout.STARTUP_PERIOD_SECONDS,
            failureThreshold=rollout.startup_periods(server.rollout),
        ),
        readinessProbe=_probe("/health/ready", periodSeconds=5, failureThreshold=2),
        livenessProbe=_probe("/health/live", periodSeconds=10, failureThreshold=6),
    )


def _mounts(server: Server, artifact: Artifact) -> list[JSON]:
    store = [] if artifact.is_baked else [pods.store_mount(read_only=True)]
    return [*store, pods.temporary_mount(), *(files.mount for files in server_files(server))]


def _volumes(model: Model, artifact: Artifact) -> list[JSON]:
    files = (files.volume_body for files in server_files(model.spec.server))
    asked = model.spec.server.options.max_spool_bytes
    spool = _SPOOL_MIB if asked is None else math.ceil(asked / _MIB)
    store = [] if artifact.is_baked else [pods.store_volume(model)]
    return [*store, pods.temporary_volume(f"{spool + _BESIDE_SPOOL_MIB}Mi"), *files]


def _gpus(server: Server) -> dict[str, str]:
    return {server.gpu.resource_name: str(server.gpu_count)} if server.gpu_count else {}


def _port(name: str, port: int) -> JSON:
    return {"name": name, "containerPort": port, "protocol": "TCP"}


def _probe(path: str, **timing: int) -> JSON:
    # The probe port speaks plain HTTP always: kubelet's gRPC probes know no TLS.
    return {"httpGet": {"path": path, "port": "probe"}, "timeoutSeconds": 5, **timing}
