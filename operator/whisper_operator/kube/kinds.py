"""The kinds that the operator reads and writes, and their paths in the API."""

from dataclasses import dataclass
from typing import Any

from whisper_operator.api import names


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of namespaced object: ``group`` is empty for the core group."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the path of the collection, of one object, or of its subresource; without a namespace, of all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = (root, "namespaces" if namespace else "", namespace, self.plural, name, subresource)
        return "/".join(part for part in parts if part)


MODEL = Kind(names.GROUP, names.VERSION, names.PLURAL)
CLAIM = Kind("", "v1", "persistentvolumeclaims")
SERVICE = Kind("", "v1", "services")
POD = Kind("", "v1", "pods")
#: Read in the core group, which has the field selectors; written in the group of their own.
EVENT = Kind("", "v1", "events")
REPORTED_EVENT = Kind("events.k8s.io", "v1", "events")
JOB = Kind("batch", "v1", "jobs")
DEPLOYMENT = Kind("apps", "v1", "deployments")
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets")
AUTOSCALER = Kind("autoscaling", "v2", "horizontalpodautoscalers")
LEASE = Kind("coordination.k8s.io", "v1", "leases")

#: By what `kind` says in the object.
BY_NAME = {
    "WhisperModel": MODEL,
    "PersistentVolumeClaim": CLAIM,
    "Service": SERVICE,
    "Job": JOB,
    "Deployment": DEPLOYMENT,
    "PodDisruptionBudget": DISRUPTION_BUDGET,
    "HorizontalPodAutoscaler": AUTOSCALER,
}

#: What is watched beside the WhisperModels: what is made for them.
CHILDREN = (CLAIM, SERVICE, POD, JOB, DEPLOYMENT, DISRUPTION_BUDGET, AUTOSCALER)


def kind_of(body: dict[str, Any]) -> Kind:
    """Return the kind of an object that the operator writes."""
    return BY_NAME[body["kind"]]
