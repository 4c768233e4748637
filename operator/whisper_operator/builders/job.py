"""The Job of one attempt to pull a model: init containers pull and convert, then the container publish."""

import hashlib
import json
from collections.abc import Sequence

from whisper_contract.store import STORE_MOUNT
from whisper_operator.api import names
from whisper_operator.api.defaults import with_defaults
from whisper_operator.api.inputs import source_uri
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Resources, Spec
from whisper_operator.builders import loader_pods, pods, source_access
from whisper_operator.builders.loader_pods import flags
from whisper_operator.builders.metadata import JSON
from whisper_operator.builders.placement import PullPlacement, placement
from whisper_operator.settings import Settings

PULL, CONVERT, PUBLISH = "pull", "convert", "publish"
STEPS = (PULL, CONVERT, PUBLISH)

# A conversion holds the whole checkpoint in memory once; large-v3 in float32 is 6 GiB.
RESOURCES = Resources(requests={"cpu": "250m", "memory": "1Gi"}, limits={"memory": "10Gi"})

# How often a pod that ended with a code that another try may cure is replaced, within one Job.
_BACKOFF_LIMIT = 3
_POD_HASH_LENGTH = 16
# The loader ends by itself at its timeout and says so; the Job's own deadline only catches what it cannot.
_DEADLINE_MARGIN_SECONDS = 60


def build_job(model: Model, settings: Settings, attempt: int, where: PullPlacement, beside: Sequence[str] = ()) -> JSON:
    """Return the Job of one attempt, from 1. It is created and never changed: a Job's template is immutable.

    `where` and `beside` are as `placement` has them.
    """
    marks = {
        **loader_pods.mounts_claim(model),
        names.LABEL_INPUTS: model.inputs,
        names.LABEL_ATTEMPT: str(attempt),
    }
    job = loader_pods.new_job(
        model,
        names.pull_job(model.name, model.inputs, attempt),
        names.COMPONENT_PULL,
        marks,
        _pod(model, settings, where, beside),
        backoffLimit=_BACKOFF_LIMIT,
        activeDeadlineSeconds=model.spec.pull.timeout_seconds + _DEADLINE_MARGIN_SECONDS,
    )
    job["metadata"]["annotations"] = {
        names.ANNOTATION_RETRY: model.retry,
        names.ANNOTATION_POD: pod_hash(model, settings, where, beside),
    }
    return job


def pod_hash(model: Model, settings: Settings, where: PullPlacement, beside: Sequence[str] = ()) -> str:
    """Return a hash of the pod that a Job built now would make: it changes with images, resources and placement too."""
    text = json.dumps(_pod(model, settings, where, beside), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_POD_HASH_LENGTH]


def _pod(model: Model, settings: Settings, where: PullPlacement, beside: Sequence[str]) -> JSON:
    first, second, last = (_container(model, settings, step) for step in STEPS)
    volumes = [pods.store_volume(model), pods.temporary_volume("1Gi"), *source_access.source_volumes(model)]
    return {
        "initContainers": [first, second],
        "containers": [last],
        "volumes": volumes,
        **loader_pods.pod_frame(model, settings),
        **placement(with_defaults(model, settings.server_defaults), where, beside),
    }


def _container(model: Model, settings: Settings, step: str) -> JSON:
    container = loader_pods.container(model, settings, step, _arguments(model, step), RESOURCES)
    container["volumeMounts"].insert(0, pods.store_mount(read_only=False))
    container["volumeMounts"] += source_access.source_mounts(model, connects=step == PULL)
    if step == PULL:
        container["env"] += source_access.proxy_variables(model.spec.pull.proxy)
    return container


def _arguments(model: Model, step: str) -> list[str]:
    access = source_access.source_flags(model, model.spec.pull.timeout_seconds) if step == PULL else []
    return step_arguments(model.spec, step, source_uri(model.spec.source), str(STORE_MOUNT), access)


def step_arguments(spec: Spec, step: str, uri: str, store: str, access: Sequence[str]) -> list[str]:
    """Return the arguments of one step: the source is at `uri`, `access` says how to reach it."""
    where = ["--store", store]
    quantization = flags(quantization=spec.conversion.quantization)
    match step:
        case "pull":
            return [uri, *where, *flags(sha256=spec.sha256), *access, *quantization]
        case "convert":
            return [*where, *quantization]
        case _:
            return where
