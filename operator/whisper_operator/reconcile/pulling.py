"""What is to be done about the artifact: a pure decision from what was observed and the time.

Nothing is remembered between visits: the attempts are the Jobs, their times are the Jobs' times, and what was published
is in the status. So an operator that was killed goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.status import Artifact, Phase
from whisper_operator.backoff import doubled
from whisper_operator.builders.job import pod_hash
from whisper_operator.reconcile import claims, jobs, refreshing
from whisper_operator.reconcile.objects import JSON
from whisper_operator.reconcile.observation import Observed, is_pending
from whisper_operator.settings import Settings

#: Finished Jobs of the present inputs that are kept for people to read.
KEPT_JOBS = 3

_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=10)
#: When no event may tell: claims of others are not watched, peers' Jobs bring their owners, nodes get lost silently.
LOOK_AGAIN = timedelta(seconds=5)
_MISSING_BAKED = "Correct source.baked.path, or name the image that holds the model in server.image."
_MISSING_PIN = "Pin another that is kept, or remove spec.pin, so that the source is pulled."
#: How often a pull's progress is read from its log, at most.
PROGRESS_INTERVAL = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Pulling:
    """The decision.

    Attributes:
        phase: how far the artifact is.
        finding: why so.
        artifact: what the spec asks for, once it is published.
        attempt: the attempt that runs or is started now.
        start: whether it is started now.
        delete: Jobs that must go.
        earlier: why the try or attempt before the running one failed: until one succeeds, a person is needed.
        step: the pod and the container whose log tells the progress.
        look_again: when to decide anew if nothing happens before.
    """

    phase: Phase
    finding: Finding
    artifact: Artifact | None = None
    attempt: int | None = None
    start: bool = False
    delete: tuple[JSON, ...] = ()
    earlier: Finding | None = None
    step: tuple[str, str] | None = None
    look_again: timedelta | None = None


def decide(seen: Observed, now: datetime, settings: Settings) -> Pulling:
    """Return what is to be done about the artifact; `settings` are those that a pull would be started with."""
    if seen.model.spec.pin is not None:
        return _decide_pinned(seen, seen.model.spec.pin)
    if seen.model.spec.source.baked is not None:
        return _decide_baked(seen, Artifact(path=seen.model.spec.source.baked.path))
    latest = seen.pulls[-1] if seen.pulls else None
    if latest is None:
        return _decide_without_job(seen)
    if jobs.is_active(latest):
        return _decide_active(seen, latest, now, settings)
    if jobs.succeeded(latest):
        return _decide_succeeded(seen, latest, now)
    return _next_attempt(seen, latest, jobs.failure(latest, seen.job_pods(latest)), now)


def put_off(decision: Pulling) -> Pulling:
    """Return the decision when the pull could not be started, since artifacts are being removed from the claim."""
    finding = Finding(Reason.WAITING_FOR_CLEANUP)
    return replace(decision, phase=Phase.WAITING, finding=finding, attempt=None, start=False, look_again=LOOK_AGAIN)


def superseded(seen: Observed) -> tuple[JSON, ...]:
    """Return the Jobs that must go: of other inputs, overtaken by a later attempt, or finished long ago."""
    pulls = seen.pulls
    others = [job for job in seen.jobs if job not in pulls]
    overtaken = [job for job in pulls[:-1] if jobs.is_active(job)]
    done = [job for job in pulls if not jobs.is_active(job)]
    return (*others, *overtaken, *done[:-KEPT_JOBS])


def retry_delay(attempt: int) -> timedelta:
    """Return how long after the end of `attempt` the next one is due: 1, 2, 4, 8, 10, 10 … minutes."""
    return doubled(_FIRST_WAIT, attempt - 1, _LONGEST_WAIT)


def _decide_without_job(seen: Observed) -> Pulling:
    artifact = seen.recorded
    if artifact is None or _missing(seen, artifact, since=None) or _is_superseded(seen, artifact):
        return _start(seen, 1)
    return _published(seen, artifact)


def _decide_active(seen: Observed, job: JSON, now: datetime, settings: Settings) -> Pulling:
    pods = seen.job_pods(job)
    if jobs.is_lost(pods, now):
        return _start(seen, jobs.attempt(job) + 1, given_up=(job,))
    progress = jobs.progress(pods, seen.events, claim_pending=is_pending(seen.claim))
    finding = jobs.suspended(job) or claims.in_own_words(seen, progress)
    step = jobs.running_step(pods)
    # What keeps the Job is often mended where the Job, which never changes, cannot see it: an image, a limit, a label.
    stuck = finding.degraded and step is None and not jobs.is_about_to_fail(pods)
    if stuck and (_asked(seen, job) or _outdated(seen, job, settings)):
        return _start(seen, jobs.attempt(job) + 1, given_up=(job,))
    return Pulling(
        Phase.PULLING,
        finding,
        attempt=jobs.attempt(job),
        delete=superseded(seen),
        earlier=jobs.failed_try(pods) or _failed_before(seen),
        step=step,
        look_again=PROGRESS_INTERVAL if step else LOOK_AGAIN,
    )


def _decide_succeeded(seen: Observed, job: JSON, now: datetime) -> Pulling:
    artifact = jobs.published(seen.job_pods(job)) or seen.recorded
    if artifact is None:
        gone = Finding(LoaderReason.INTERNAL_ERROR, "The pull succeeded and its pod is gone before it could be read")
        return _next_attempt(seen, job, gone, now)
    if _missing(seen, artifact, since=jobs.finished(job)):
        return _next_attempt(seen, job, Finding(LoaderReason.ARTIFACT_MISSING), now)
    if _is_superseded(seen, artifact):
        return _start(seen, jobs.attempt(job) + 1)
    return _published(seen, artifact)


def _is_superseded(seen: Observed, artifact: Artifact) -> bool:
    """Tell whether the source holds something else by now, and that is to be followed."""
    return refreshing.is_followed(seen.model) and refreshing.has_moved(seen.model, artifact)


def _decide_pinned(seen: Observed, pin: str) -> Pulling:
    """Serve what was kept. No Job is needed, nor one's outcome: when the pin goes, the source is looked at anew."""
    kept = seen.model.status.revisions
    artifact = next((revision for revision in kept if revision.digest == pin), None)
    if artifact is None:
        digests = [revision.digest for revision in kept if revision.digest is not None]
        finding = Finding(LoaderReason.SPEC_INVALID, *_unknown_pin(pin, digests))
        return Pulling(Phase.BLOCKED, finding, delete=seen.jobs, look_again=LOOK_AGAIN)
    if _missing(seen, artifact, since=None):
        text = f"The pinned artifact {pin} is no longer on the volume"
        finding = Finding(LoaderReason.ARTIFACT_MISSING, text, _MISSING_PIN, lasting=True)
        return Pulling(Phase.FAILED, finding, artifact, delete=seen.jobs, look_again=LOOK_AGAIN)
    finding = Finding(Reason.PINNED, f"The artifact {pin} is pinned, and nothing is pulled")
    return _published(seen, artifact, finding, delete=seen.jobs)


def _decide_baked(seen: Observed, artifact: Artifact) -> Pulling:
    """Serve what the image holds: there is nothing to pull, and nothing to know before a server has looked."""
    if _missing(seen, artifact, since=None):
        text = f"The servers' image holds no model at {artifact.path}"
        finding = Finding(LoaderReason.ARTIFACT_MISSING, text, _MISSING_BAKED, lasting=True)
        return Pulling(Phase.FAILED, finding, artifact, delete=seen.jobs, look_again=LOOK_AGAIN)
    finding = Finding(Reason.PUBLISHED, f"The model is inside the servers' image, at {artifact.path}")
    return Pulling(Phase.PUBLISHED, finding, artifact, delete=seen.jobs)


def _unknown_pin(pin: str, kept: Sequence[str]) -> tuple[str, str]:
    """Return what is wrong with the pin, and what to do about it."""
    wrong = f"spec.pin is {pin}, which is not kept"
    if not kept:
        return f"{wrong}: nothing has served yet", "Remove spec.pin, so that the source is pulled."
    return (
        f"{wrong}: kept are {' and '.join(kept)}",
        "Pin one of these, or remove spec.pin, so that the source is pulled.",
    )


def _published(
    seen: Observed, artifact: Artifact, finding: Finding | None = None, delete: tuple[JSON, ...] | None = None
) -> Pulling:
    delete = superseded(seen) if delete is None else delete
    if (trouble := claims.cache_missing(seen)) is not None:
        return Pulling(Phase.BLOCKED, trouble, artifact, delete=delete, look_again=LOOK_AGAIN)
    finding = finding or Finding(Reason.PUBLISHED, f"The artifact {artifact.digest} is published")
    return Pulling(Phase.PUBLISHED, finding, artifact, delete=delete)


def _missing(seen: Observed, artifact: Artifact, since: datetime | None) -> bool:
    noticed = jobs.artifact_missing_since(seen.server_pods, artifact)
    return noticed is not None and (since is None or noticed > since)


def _next_attempt(seen: Observed, job: JSON, finding: Finding, now: datetime) -> Pulling:
    """Start the next attempt when it is due or asked for; otherwise say what went wrong until then."""
    number = jobs.attempt(job)
    due = jobs.finished(job) + retry_delay(number)
    if _asked(seen, job) or now >= due:
        return _start(seen, number + 1)
    return Pulling(
        Phase.FAILED, _with_retry(finding, number), delete=superseded(seen), look_again=max(due - now, timedelta(0))
    )


def _asked(seen: Observed, job: JSON) -> bool:
    """Tell whether a person has asked for another try since the Job was started."""
    return bool(seen.model.retry) and seen.model.retry != jobs.retry_value(job)


def _outdated(seen: Observed, job: JSON, settings: Settings) -> bool:
    """Tell whether a Job started now would make another pod: settings, resources or placement have changed since."""
    return jobs.pod_hash(job) != pod_hash(seen.model, settings, claims.pull_placement(seen), claims.beside(seen))


def _with_retry(finding: Finding, number: int) -> Finding:
    minutes = int(retry_delay(number).total_seconds() // 60)
    text = finding.message.rstrip()
    again = (
        f"Attempt {number} failed; the next one follows within {minutes} min, "
        f"or at once when the annotation {names.ANNOTATION_RETRY} gets a new value."
    )
    return Finding(finding.reason, text, advice=again)


def _start(seen: Observed, attempt: int, given_up: tuple[JSON, ...] = ()) -> Pulling:
    delete = (*superseded(seen), *given_up)
    if (trouble := claims.obstacle(seen)) is not None:
        return Pulling(Phase.BLOCKED, trouble, delete=delete, look_again=LOOK_AGAIN)
    if (peer := ahead(seen.model, seen.peers)) is not None:
        finding = Finding(Reason.WAITING_FOR_PEER, f"The WhisperModel {peer} pulls the same model into the same claim")
        earlier = _failed_before(seen)
        return Pulling(Phase.WAITING, finding, delete=delete, earlier=earlier, look_again=LOOK_AGAIN)
    finding = Finding(Reason.PULLING)
    return Pulling(
        Phase.PULLING, finding, attempt=attempt, start=True, delete=delete, earlier=_failed_before(seen),
        look_again=LOOK_AGAIN,
    )  # fmt: skip


def _failed_before(seen: Observed) -> Finding | None:
    done = [job for job in seen.pulls if not jobs.is_active(job)]
    if not done or jobs.succeeded(done[-1]):
        return None
    before = done[-1]
    finding = jobs.failure(before, seen.job_pods(before))
    return Finding(finding.reason, f"Attempt {jobs.attempt(before)} failed: {finding.message}", advice="")


def ahead(model: Model, peers: Sequence[Model]) -> str | None:
    """Return the peer that pulls the same inputs into the same claim before `model` does, or None.

    Of models that all have yet to start, the oldest goes first; one that pulls already goes before any. A peer whose
    last attempt failed is not waited for: its trouble may be its own. Nor is one that pulls nothing.
    """
    same = [peer for peer in peers if peer.pulls and (peer.claim, peer.inputs) == (model.claim, model.inputs)]
    for peer in sorted(same, key=_age):
        match _phase(peer):
            case Phase.PULLING:
                return peer.name
            case None | Phase.WAITING if _age(peer) < _age(model):
                return peer.name
    return None


def _age(model: Model) -> tuple[str, str]:
    return model.created, model.name


def _phase(model: Model) -> Phase | None:
    """Return how far the model is with the inputs that its spec has now."""
    target = model.status.target
    return target.state if target is not None and target.inputs_hash == model.inputs else None
