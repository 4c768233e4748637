"""What stands in the way of a pull before its pod has a node: claims that are missing, unfit or without a volume."""

from whisper_operator.api import names
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.reconcile.objects import JSON, dig, each, event_time, is_terminating
from whisper_operator.reconcile.observation import READ_WRITE_MANY, Observed, is_placed_server

_USABLE = {READ_WRITE_MANY, "ReadWriteOnce"}


def obstacle(seen: Observed) -> Finding | None:
    """Return why no pull can be started, or None."""
    unusable = _unusable(seen.claim) if seen.claim is not None else None
    return cache_missing(seen) or _source_missing(seen) or unusable


def cache_missing(seen: Observed) -> Finding | None:
    """Return that the named claim for the artifacts is not there, or None. A claim that is made is never missing."""
    named = seen.model.spec.cache.claim_name
    return None if named is None else _missing(named, seen.claim, "cache.claimName")


def _source_missing(seen: Observed) -> Finding | None:
    volume = seen.model.spec.source.volume
    return None if volume is None else _missing(volume.claim_name, seen.source_claim, "source.volume.claimName")


def _missing(name: str, claim: JSON | None, field: str) -> Finding | None:
    if claim is None:
        return Finding(Reason.CLAIM_NOT_FOUND, f"The claim {name} ({field}) does not exist")
    if is_terminating(claim):
        return Finding(Reason.CLAIM_NOT_FOUND, f"The claim {name} ({field}) is being deleted")
    return None


def _unusable(claim: JSON) -> Finding | None:
    name, modes = claim["metadata"]["name"], each(claim, "spec", "accessModes")
    if _USABLE.isdisjoint(modes):
        return Finding(Reason.ACCESS_MODE_UNSUPPORTED, f"The claim {name} is {', '.join(map(str, modes))}")
    if dig(claim, "spec", "volumeMode") == "Block":
        return Finding(Reason.ACCESS_MODE_UNSUPPORTED, f"The claim {name} is a block device without a file system")
    if dig(claim, "status", "phase") == "Lost":
        return Finding(Reason.CLAIM_PENDING, f"The claim {name} has lost its volume")
    return None


def in_own_words(seen: Observed, finding: Finding) -> Finding:
    """Tell of a pull that waits for its claim why that gets no volume, in the words of those who should make it.

    The scheduler knows less. Of a class that waits for the first pod, it tells only after ten minutes.
    """
    pending = finding.reason == Reason.CLAIM_PENDING
    failures = [event for event in seen.claim_events if _is_failure(event, pending=pending)]
    if seen.claim is None or not failures or not (pending or finding.reason == Reason.PULLING):
        return finding
    message = max(failures, key=event_time).get("message", "")
    return Finding(Reason.CLAIM_PENDING, f"The claim {seen.claim['metadata']['name']} has no volume: {message}")


def _is_failure(event: JSON, *, pending: bool) -> bool:
    # That there is neither volume nor class is no warning to Kubernetes: a volume may yet be made by hand.
    return event.get("type") == "Warning" or (pending and event.get("reason") == "FailedBinding")


def made_for(claim: JSON | None) -> str | None:
    """Return the WhisperModel that the operator has made the claim for; None for anybody else's."""
    labels = dig(claim, "metadata", "labels") or {}
    ours = labels.get(names.LABEL_MANAGED_BY) == names.MANAGER
    return labels.get(names.LABEL_MODEL) if ours else None


def pull_placement(seen: Observed) -> PullPlacement:
    """Return where the pod of the next Job that mounts the claim may run."""
    modes = each(seen.claim, "spec", "accessModes") or seen.model.spec.cache.access_modes
    if READ_WRITE_MANY in modes:
        return PullPlacement.ANYWHERE
    placed = any(map(is_placed_server, seen.pods)) or seen.neighbours
    return PullPlacement.WITH_SERVERS if placed else PullPlacement.LIKE_SERVERS


def beside(seen: Observed) -> list[str]:
    """Return the models whose servers have the claim on their node; empty when those are the model's own alone."""
    own = [seen.model.name] if any(map(is_placed_server, seen.pods)) else []
    return sorted({*seen.neighbours, *own}) if seen.neighbours else []
