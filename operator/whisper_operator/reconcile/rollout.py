"""Which artifact the servers get: a pure decision, from what the pull made and from what has served before."""

from collections.abc import Sequence

from whisper_operator.api.status import Artifact, Status
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.serving import Serving


def decide(status: Status, pulling: Pulling) -> Artifact | None:
    """Return what the servers get: what the spec asks for once it is published, and until then the last that served."""
    return pulling.artifact or status.artifact


def revisions(
    before: Sequence[Artifact], artifact: Artifact | None, serving: Serving | None, keep: int
) -> tuple[Artifact, ...]:
    """Return what has served, the last one first, and no more than `keep` of it.

    Args:
        before: what this returned at the last visit.
        artifact: what the servers were given.
        serving: what they made of it.
        keep: how many, at least one.
    """
    if artifact is None or serving is None or not serving.serves(artifact):
        return tuple(before)[:keep]
    earlier = (one for one in before if one.digest != artifact.digest)
    return (artifact, *earlier)[:keep]
