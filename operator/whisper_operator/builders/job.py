"""The Job of one attempt to pull a model: init containers pull and convert, then the container publish."""

import hashlib
import json
from pathlib import PurePosixPath

from whisper_contract.reasons import permanent_exit_codes
from whisper_contract.store import CA_MOUNT, JOB_UID_VARIABLE, POD_UID_VARIABLE, SECRET_MOUNT, STORE_MOUNT
from whisper_operator.api import names
from whisper_operator.api.inputs import source_uri, volume_mount
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Proxy, Resources
from whisper_operator.builders import pods
from whisper_operator.builders.metadata import JSON, new_object, present
from whisper_operator.builders.placement import PullPlacement, placement
from whisper_operator.settings import Settings

PULL, CONVERT, PUBLISH = "pull", "convert", "publish"
STEPS = (PULL, CONVERT, PUBLISH)

SECRET_VOLUME = "source-secret"  # noqa: S105 - the name of a volume
SOURCE_VOLUME = "source"
CA_VOLUME = "ca-bundle"

# A conversion holds the whole checkpoint in memory once; large-v3 in float32 is 6 GiB.
_RESOURCES = Resources(requests={"cpu": "250m", "memory": "1Gi"}, limits={"memory": "10Gi"})

# How often a pod that ended with a code that another try may cure is replaced, within one Job.
_BACKOFF_LIMIT = 3
_POD_HASH_LENGTH = 16
# The loader ends by itself at its timeout and says so; the Job's own deadline only catches what it cannot.
_DEADLINE_MARGIN_SECONDS = 60

# A sidecar that outlives its step keeps the Job's pod from ever completing.
_NO_SIDECARS = {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"}
_NO_SIDECARS_ANNOTATIONS = {**_NO_SIDECARS, "linkerd.io/inject": "disabled"}


def build_job(model: Model, settings: Settings, attempt: int, where: PullPlacement) -> JSON:
    """Return the Job of one attempt, from 1. It is created and never changed: a Job's template is immutable."""
    name = names.pull_job(model.name, model.inputs, attempt)
    job = new_object(model, "batch/v1", "Job", name, names.COMPONENT_PULL)
    labels = job["metadata"]["labels"]
    labels |= {names.LABEL_INPUTS: model.inputs, names.LABEL_ATTEMPT: str(attempt)}
    job["metadata"]["annotations"] = {
        names.ANNOTATION_RETRY: model.retry,
        names.ANNOTATION_POD: pod_hash(model, settings, where),
    }
    job["spec"] = {
        "backoffLimit": _BACKOFF_LIMIT,
        "activeDeadlineSeconds": model.spec.pull.timeout_seconds + _DEADLINE_MARGIN_SECONDS,
        "podFailurePolicy": {"rules": _failure_rules()},
        "podReplacementPolicy": "Failed",
        "template": {
            "metadata": {"labels": {**labels, **_NO_SIDECARS}, "annotations": dict(_NO_SIDECARS_ANNOTATIONS)},
            "spec": _pod(model, settings, where),
        },
    }
    return job


def pod_hash(model: Model, settings: Settings, where: PullPlacement) -> str:
    """Return a hash of the pod that a Job built now would make: it changes with images, resources and placement too."""
    text = json.dumps(_pod(model, settings, where), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_POD_HASH_LENGTH]


def _failure_rules() -> list[JSON]:
    """Return what ends a Job at once. The order counts: an eviction is nobody's fault, whatever the exit code."""
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": list(permanent_exit_codes())}},
    ]


def _pod(model: Model, settings: Settings, where: PullPlacement) -> JSON:
    first, second, last = (_container(model, settings, step) for step in STEPS)
    return present(
        initContainers=[first, second],
        containers=[last],
        restartPolicy="Never",
        volumes=_volumes(model),
        securityContext=pods.pod_security(model),
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        serviceAccountName=model.spec.pull.service_account_name,
        imagePullSecrets=pods.pull_secrets(list(settings.image_pull_secrets)),
        **placement(model, where),
    )


def _container(model: Model, settings: Settings, step: str) -> JSON:
    return {
        "name": step,
        "image": settings.loader_image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["job", step, *map(_literal, _arguments(model, step))],
        "env": [
            _downward(JOB_UID_VARIABLE, "metadata.labels['batch.kubernetes.io/controller-uid']"),
            _downward(POD_UID_VARIABLE, "metadata.uid"),
            *(_proxy_variables(model.spec.pull.proxy) if step == PULL else []),
        ],
        "resources": pods.resources(model.spec.pull.resources, _RESOURCES),
        "securityContext": pods.container_security(),
        "volumeMounts": [*pods.mounts(store_read_only=False), *_source_mounts(model, step)],
    }


def _literal(text: str) -> str:
    """Keep kubelet from reading $(…) and $$ in an argument or a variable's value as more than text."""
    return text.replace("$", "$$")


def _arguments(model: Model, step: str) -> list[str]:
    quantization = _flags(quantization=model.spec.conversion.quantization)
    match step:
        case "pull":
            return [source_uri(model.spec.source), "--store", str(STORE_MOUNT), *_pull_flags(model), *quantization]
        case "convert":
            return ["--store", str(STORE_MOUNT), *quantization]
        case _:
            return ["--store", str(STORE_MOUNT)]


def _pull_flags(model: Model) -> list[str]:
    source = model.spec.source
    bundle = model.spec.pull.ca_bundle_ref
    flags = _flags(
        sha256=model.spec.sha256,
        endpoint=source.endpoint,
        region=source.s3.region if source.s3 else None,
        secret_dir=str(SECRET_MOUNT) if source.secret_name else None,
        ca_bundle=str(CA_MOUNT / bundle.key) if bundle else None,
        timeout=str(model.spec.pull.timeout_seconds),
    )
    return flags + (["--anonymous"] if source.anonymous else [])


def _flags(**values: str | None) -> list[str]:
    given = ((f"--{name.replace('_', '-')}", value) for name, value in values.items() if value)
    return [part for pair in given for part in pair]


def _downward(variable: str, path: str) -> JSON:
    return {"name": variable, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _proxy_variables(proxy: Proxy) -> list[JSON]:
    """Return the variables that name proxies; in capitals and not, since programs read the one or the other."""
    values = {"HTTP_PROXY": proxy.http_proxy, "HTTPS_PROXY": proxy.https_proxy, "NO_PROXY": proxy.no_proxy}
    given = {name: _literal(value) for name, value in values.items() if value}
    return [{"name": case, "value": value} for name, value in given.items() for case in (name, name.lower())]


def _volumes(model: Model) -> list[JSON]:
    source = model.spec.source
    volumes = [pods.store_volume(model), pods.temporary_volume("1Gi")]
    if source.secret_name is not None:
        # Optional, so that a missing Secret is the loader's SecretNotFound and not a pod that hangs.
        volumes.append({"name": SECRET_VOLUME, "secret": {"secretName": source.secret_name, "optional": True}})
    if source.volume is not None and source.volume.claim_name != model.claim:
        claim = {"claimName": source.volume.claim_name, "readOnly": True}
        volumes.append({"name": SOURCE_VOLUME, "persistentVolumeClaim": claim})
    if (bundle := model.spec.pull.ca_bundle_ref) is not None:
        # Optional for the same reason as the Secret: that it is missing is the loader's to say.
        volumes.append({"name": CA_VOLUME, "configMap": {"name": bundle.name, "optional": True}})
    return volumes


def _source_mounts(model: Model, step: str) -> list[JSON]:
    source = model.spec.source
    mounts = []
    if source.secret_name is not None:
        mounts.append(_mount(SECRET_VOLUME, SECRET_MOUNT))
    if source.volume is not None:
        # A claim that is source and store at once is one volume seen twice: kubelet hangs on two volumes of one claim.
        volume = pods.STORE_VOLUME if source.volume.claim_name == model.claim else SOURCE_VOLUME
        mounts.append(_mount(volume, volume_mount(source.volume.claim_name)))
    if model.spec.pull.ca_bundle_ref is not None and step == PULL:
        mounts.append(_mount(CA_VOLUME, CA_MOUNT))
    return mounts


def _mount(volume: str, path: PurePosixPath) -> JSON:
    return {"name": volume, "mountPath": str(path), "readOnly": True}
