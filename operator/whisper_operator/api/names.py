"""The names that others know: the resource, labels and annotations, and the objects that are made for a model."""

import hashlib
from typing import NamedTuple

GROUP = "stt.whisper-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "WhisperModel"
PLURAL = "whispermodels"

#: Field manager of every server-side apply, and the reporter of events.
MANAGER = "whisper-operator"

LABEL_NAME = "app.kubernetes.io/name"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
#: Which WhisperModel an object was made for; the key of every watch.
LABEL_MODEL = f"{GROUP}/model"
#: On Jobs: the hash of the inputs that they pull, and the attempt, from 1.
LABEL_INPUTS = f"{GROUP}/inputs"
LABEL_ATTEMPT = f"{GROUP}/attempt"
#: On Jobs and their pods: the claim that they mount, to tell what is at work on it.
LABEL_CLAIM = f"{GROUP}/claim"

#: On a WhisperModel, by a person: a new value tries a failed pull again at once. On a Job: the value it started with.
ANNOTATION_RETRY = f"{GROUP}/retry"
#: On Jobs: a hash of the pod that they make, to tell when one that is stuck would now be made otherwise.
ANNOTATION_POD = f"{GROUP}/pod"
#: On a claim that was made for a WhisperModel: another one names it, or did.
ANNOTATION_SHARED = f"{GROUP}/shared"
#: On Deployments: hashes of what they are made of, by name, and the names that differed at the last change.
ANNOTATION_PARTS = f"{GROUP}/parts"
ANNOTATION_CAUSE = f"{GROUP}/cause"
#: On a Deployment that an upgrade of the operator changes: that it is, or was, its turn, and whether it served before.
ANNOTATION_TURN = f"{GROUP}/turn"
#: On server pods: the key of the artifact that they serve.
ANNOTATION_ARTIFACT = f"{GROUP}/artifact"

COMPONENT_SERVER = "server"
COMPONENT_PULL = "pull"
COMPONENT_CACHE = "cache"
COMPONENT_GC = "gc"
COMPONENT_REFRESH = "refresh"

#: On WhisperModels whose artifacts lie on a claim that outlives them: these go first.
FINALIZER = f"{GROUP}/artifacts"

MANAGED = f"{LABEL_MANAGED_BY}={MANAGER}"

_MAX_LABEL = 63
_CLAIM_HASH_LENGTH = 16

GRPC_PORT = 50051
HTTP_PORT = 8000
PROBE_PORT = 8001


class ModelKey(NamedTuple):
    """What identifies a WhisperModel."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def cache_claim(model: str) -> str:
    """Return the name of the claim that is made for `model`."""
    return f"{model}-models"


def pull_job(model: str, inputs: str, attempt: int) -> str:
    """Return the name of the Job of one attempt: at most 63 characters, as the names of models are at most 40."""
    return f"{model}-pull-{inputs[:8]}-{attempt}"


def gc_job(model: str, hashed: str) -> str:
    """Return the name of a Job that removes artifacts; `hashed` tells one from another."""
    return f"{model}-gc-{hashed[:8]}"


def refresh_job(model: str) -> str:
    """Return the name of the Job that asks the source of `model` what it holds now."""
    return f"{model}-refresh"


def claim_label(claim: str) -> str:
    """Return the value of `LABEL_CLAIM`: the claim's name, cut where that is longer than a label can be."""
    if len(claim) <= _MAX_LABEL:
        return claim
    hashed = hashlib.sha256(claim.encode()).hexdigest()[:_CLAIM_HASH_LENGTH]
    return f"{claim[: _MAX_LABEL - _CLAIM_HASH_LENGTH - 1]}-{hashed}"


def on_claim(claim: str) -> str:
    """Return the label selector of the Jobs, and their pods, that mount `claim`."""
    return f"{LABEL_CLAIM}={claim_label(claim)}"


def deployment(model: str) -> str:
    """Return the name of the Deployment of `model`, and of what goes with it."""
    return f"{model}-server"


def service(model: str) -> str:
    """Return the name of the Service of `model`."""
    return model


def headless_service(model: str) -> str:
    """Return the name of the Service of `model` that resolves to its servers."""
    return f"{model}-headless"


def labels(model: str, component: str) -> dict[str, str]:
    """Return the labels that every object of `model` carries."""
    program = "whisper-server" if component == COMPONENT_SERVER else "whisper-loader"
    return {
        LABEL_NAME: program,
        LABEL_COMPONENT: component,
        LABEL_INSTANCE: model,
        LABEL_MANAGED_BY: MANAGER,
        LABEL_MODEL: model,
    }


def server_labels(model: str) -> dict[str, str]:
    """Return the labels that select the server pods of `model`; fixed, as a Deployment's selector never changes."""
    return {LABEL_MODEL: model, LABEL_COMPONENT: COMPONENT_SERVER}


def server_selector(model: str) -> str:
    """Return the same as a label selector, for status.selector."""
    return ",".join(f"{key}={value}" for key, value in server_labels(model).items())


def of_model(model: str) -> str:
    """Return the label selector of everything that was made for `model`."""
    return f"{LABEL_MODEL}={model}"
