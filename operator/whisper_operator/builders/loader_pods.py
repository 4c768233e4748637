"""What the Jobs have in common that run the loader: for a pull, and for what is done beside it."""

from typing import Any

from whisper_contract.reasons import permanent_exit_codes
from whisper_contract.store import JOB_UID_VARIABLE, POD_UID_VARIABLE
from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Resources
from whisper_operator.builders import pods
from whisper_operator.builders.metadata import JSON, new_object, present
from whisper_operator.settings import Settings

# A sidecar that outlives its step keeps the Job's pod from ever completing.
_NO_SIDECARS = {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"}
_NO_SIDECARS_ANNOTATIONS = {**_NO_SIDECARS, "linkerd.io/inject": "disabled"}


def new_job(model: Model, name: str, component: str, marks: dict[str, str], pod: JSON, **spec: Any) -> JSON:
    """Return a Job that makes `pod`; `marks` are its labels beside the usual ones, `spec` its limits."""
    job = new_object(model, "batch/v1", "Job", name, component)
    labels = job["metadata"]["labels"]
    labels |= marks
    job["spec"] = {
        **spec,
        "podFailurePolicy": {"rules": _failure_rules()},
        "podReplacementPolicy": "Failed",
        "template": {
            "metadata": {"labels": {**labels, **_NO_SIDECARS}, "annotations": dict(_NO_SIDECARS_ANNOTATIONS)},
            "spec": pod,
        },
    }
    return job


def mounts_claim(model: Model) -> dict[str, str]:
    """Return the label of a Job that mounts the claim."""
    return {names.LABEL_CLAIM: names.claim_label(model.claim)}


def _failure_rules() -> list[JSON]:
    """Return what ends a Job at once. The order counts: an eviction is nobody's fault, whatever the exit code."""
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": list(permanent_exit_codes())}},
    ]


def pod_frame(model: Model, settings: Settings) -> JSON:
    """Return what the spec of every such pod holds beside its containers, volumes and placement."""
    return present(
        restartPolicy="Never",
        securityContext=pods.pod_security(model),
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        serviceAccountName=model.spec.pull.service_account_name,
        imagePullSecrets=pods.pull_secrets(list(settings.image_pull_secrets)),
    )


def container(model: Model, settings: Settings, step: str, arguments: list[str], default: Resources) -> JSON:
    """Return the container that runs `step`; of the pod's volumes it mounts /tmp."""
    return {
        "name": step,
        "image": settings.loader_image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["job", step, *map(pods.literal, arguments)],
        "env": [
            _downward(JOB_UID_VARIABLE, "metadata.labels['batch.kubernetes.io/controller-uid']"),
            _downward(POD_UID_VARIABLE, "metadata.uid"),
        ],
        "resources": pods.resources(model.spec.pull.resources, default),
        "securityContext": pods.container_security(),
        "volumeMounts": [pods.temporary_mount()],
    }


def flags(**values: str | None) -> list[str]:
    """Return the flags that have a value: ca_bundle becomes --ca-bundle."""
    given = ((f"--{name.replace('_', '-')}", value) for name, value in values.items() if value)
    return [part for pair in given for part in pair]


def _downward(variable: str, path: str) -> JSON:
    return {"name": variable, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
