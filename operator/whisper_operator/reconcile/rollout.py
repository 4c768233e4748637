"""Which artifact the servers get: a pure decision, from what the pull made and from what has served before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from whisper_operator.api import names
from whisper_operator.api.reasons import Finding, explain
from whisper_operator.api.status import Artifact, Phase
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.serving import Serving, failed_rollout

_AGAIN = f"It is tried again when the spec changes, or when the annotation {names.ANNOTATION_RETRY} gets a new value."


@dataclass(frozen=True, slots=True)
class Rejection:
    """What the spec asks for was rejected: the servers did not become ready with it.

    Attributes:
        trouble: what ailed them.
        artifact: what was rejected.
        instead: what serves on.
    """

    trouble: Finding
    artifact: Artifact
    instead: Artifact

    @property
    def finding(self) -> Finding:
        """What there is to know about it."""
        explanation = explain(self.trouble.reason)
        text = (
            f"The servers did not become ready with {self.artifact.name}, which is rejected, "
            f"and {self.instead.name} serves on: {self.trouble.detail or explanation.message}"
        )
        advice = explanation.next_step if self.trouble.advice is None else self.trouble.advice
        return Finding(self.trouble.reason, text, f"{advice} {_AGAIN}".lstrip(), lasting=True)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The decision: what the servers get, and why not what the spec asks for, when that was rejected."""

    artifact: Artifact | None
    rejection: Rejection | None = None


def decide(seen: Observed, pulling: Pulling, now: datetime) -> Rollout:
    """Return what the servers get: what the spec asks for once it is published, and until then the last that served.

    What cannot be rolled out in its deadline gives way to the last that served. Only the artifact goes back. That it is
    rejected is written down before it is acted on: an operator that is killed in between would try it all over again.
    """
    status, asked = seen.model.status, pulling.artifact
    if asked is None:
        return Rollout(status.artifact)
    good = next(iter(status.revisions), None)
    trouble = _trouble(seen, asked, now)
    if trouble is None or good is None or good.key == asked.key:
        return Rollout(asked)
    written = status.target is not None and status.target.state is Phase.REJECTED
    return Rollout(good if written else asked, Rejection(trouble, asked, good))


def _trouble(seen: Observed, asked: Artifact, now: datetime) -> Finding | None:
    """Return why the servers did not become ready with what is asked for, if it was tried as the spec is now."""
    target = seen.model.status.target
    if target is None or target.artifact is None or target.tried != seen.model.intent:
        return None
    if target.artifact.key != asked.key:
        return None
    if target.state is Phase.REJECTED:
        return Finding(target.reason, target.message or "")
    return failed_rollout(seen, asked, now)


def revisions(
    before: Sequence[Artifact], artifact: Artifact | None, serving: Serving | None, keep: int, pin: str | None = None
) -> tuple[Artifact, ...]:
    """Return what has served, the last one first, and no more than `keep` of it beside what is pinned.

    Args:
        before: what this returned at the last visit.
        artifact: what the servers were given.
        serving: what they made of it.
        keep: how many, at least one.
        pin: the digest of one that stays whatever its place.
    """
    served = list(before)
    if artifact is not None and serving is not None and serving.serves(artifact):
        served = [artifact, *(one for one in before if one.key != artifact.key)]
    return tuple(one for number, one in enumerate(served) if number < keep or one.digest == pin)
