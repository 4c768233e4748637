"""The Job that removes artifacts from a claim, and the leftovers of pulls that ended."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from whisper_contract.digest import parse_digest
from whisper_contract.store import STORE_MOUNT
from whisper_operator.api import names
from whisper_operator.api.defaults import with_defaults
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Resources
from whisper_operator.builders import loader_pods, pods
from whisper_operator.builders.metadata import JSON
from whisper_operator.builders.placement import PullPlacement, placement
from whisper_operator.settings import Settings

GC = "gc"

#: More digests than this are not told to one Job: its object, and a process's arguments, have their limits.
MAX_KEPT = 5_000

_RESOURCES = Resources(requests={"cpu": "50m", "memory": "128Mi"})
_BACKOFF_LIMIT = 2
_DEADLINE_SECONDS = 600
# Its outcome is read within seconds; this is for one that nobody waits for any more.
_KEPT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Removal:
    """What a gc Job is told, as digests.

    Attributes:
        keep: what somebody needs.
        unneeded: what goes whatever its age. All else goes when nothing has touched it for an hour.
        last: whether the model itself is being deleted.
    """

    keep: Collection[str]
    unneeded: Collection[str]
    last: bool = False

    @property
    def too_many(self) -> bool:
        """Whether it cannot be told to one Job."""
        return len(self.keep) + len(self.unneeded) > MAX_KEPT


def build_gc_job(
    model: Model, settings: Settings, removal: Removal, where: PullPlacement, beside: Sequence[str]
) -> JSON:
    """Return the Job; `where` and `beside` are as `placement` has them.

    The Job of a model that is being deleted has no owner: in a foreground deletion, Kubernetes would delete it at once.
    """
    job = loader_pods.new_job(
        model,
        gc_job_name(model, removal),
        names.COMPONENT_GC,
        loader_pods.mounts_claim(model),
        _pod(model, settings, removal, where, beside),
        backoffLimit=_BACKOFF_LIMIT,
        activeDeadlineSeconds=_DEADLINE_SECONDS,
        ttlSecondsAfterFinished=_KEPT_SECONDS,
    )
    if removal.last:
        del job["metadata"]["ownerReferences"]
    return job


def gc_job_name(model: Model, removal: Removal) -> str:
    """Return the name of the Job: another for each WhisperModel of the same name, and for each purpose."""
    purpose = ["last"] if removal.last else sorted(removal.unneeded)
    hashed = hashlib.sha256(json.dumps([model.uid, *purpose]).encode()).hexdigest()
    return names.gc_job(model.name, hashed)


def _pod(model: Model, settings: Settings, removal: Removal, where: PullPlacement, beside: Sequence[str]) -> JSON:
    container = loader_pods.container(model, settings, GC, _arguments(removal), _RESOURCES)
    container["volumeMounts"].insert(0, pods.store_mount(read_only=False))
    return {
        "containers": [container],
        "volumes": [pods.store_volume(model), pods.temporary_volume("64Mi")],
        **loader_pods.pod_frame(model, settings),
        **placement(with_defaults(model, settings.server_defaults), where, beside),
    }


def _arguments(removal: Removal) -> list[str]:
    keep = sorted(map(parse_digest, removal.keep))
    unneeded = sorted(map(parse_digest, removal.unneeded))
    kept = ["--keep", *keep] if keep else ["--keep-none"]
    return [*kept, *(["--unneeded", *unneeded] if unneeded else []), "--store", str(STORE_MOUNT)]
