"""Whether the source has moved: when it is asked, what comes of the answer, and what follows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.objects import SETTINGS
from tests.unit.operator.things import DIGEST, JSON, NOW, SOURCE, ago, complete, ended, failed, job, model, pod, says
from tests.unit.operator.things import PUBLISHED as PUBLISHED_MESSAGE
from whisper_contract.termination import TerminationMessage
from whisper_operator.api.model import Model
from whisper_operator.api.status import Artifact, Phase, Refresh, Status, Target
from whisper_operator.builders.refresh_job import build_refresh_job
from whisper_operator.reconcile import pulling, refreshing
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.refreshing import Refreshing

OLD, NEW = "s3://models/x", "s3://models/x?etag=2"
ARTIFACT = Artifact(digest=DIGEST, short_digest="a" * 12, path="artifacts/" + "a" * 64, source=OLD)
REPORT: JSON = {"intervalSeconds": 600}
FOLLOW: JSON = {"intervalSeconds": 600, "policy": "Follow"}


def asked(record: Refresh | None = None, refresh: JSON | None = REPORT, **fields: Any) -> Model:
    """A model whose artifact is published, and whose source was asked as `record` says."""
    found = model(**fields | ({"refresh": refresh} if refresh else {}))
    target = Target(
        inputs_hash=found.inputs, state=Phase.PUBLISHED, reason="Published", digest=DIGEST, artifact=ARTIFACT
    )
    return replace(found, status=Status(artifact=ARTIFACT, target=target, revisions=(ARTIFACT,), refresh=record))


def check(of: Model, *conditions: JSON) -> JSON:
    built = build_refresh_job(of, SETTINGS)
    built["metadata"] |= {"uid": "check", "creationTimestamp": ago(1)}
    return built | {"status": {"conditions": list(conditions)}}


def told(message: TerminationMessage, code: int = 0) -> JSON:
    return pod("check", containerStatuses=[ended("resolve", code, message)])


def resolved(source: str | None) -> TerminationMessage:
    return TerminationMessage(step="resolve", reason="Resolved", message="", source=source)


def decided(of: Model, *checks: JSON, pods: tuple[JSON, ...] = (), pulls: tuple[JSON, ...] = ()) -> Refreshing:
    seen = Observed(of, checks=checks, pods=pods, jobs=pulls)
    return refreshing.decide(seen, ARTIFACT, NOW)


def stands(found: Refreshing) -> tuple[bool | None, str]:
    return found.up_to_date, str(found.finding.reason)


SAME = Refresh(checked_time=ago(5), source=OLD, compared_with=OLD)
MOVED = Refresh(checked_time=ago(5), source=NEW, compared_with=OLD)


def test_without_refresh_nobody_asks_and_nothing_is_claimed() -> None:
    found = decided(asked(refresh=None))
    assert stands(found) == (None, "NotChecked")
    assert not found.start
    assert found.record is None


FIXED: dict[str, JSON] = {
    "an s3 version": {"s3": {"bucket": "models", "key": "x", "versionId": "1"}},
    "a gcs generation": {"gcs": {"bucket": "models", "object": "x", "generation": "1"}},
    "a commit": {"huggingFace": {"repo": "a/b", "revision": "0" * 40}},
    "a digest": {"oci": {"reference": "registry.example.com/a@sha256:" + "0" * 64}},
    "a volume": {"volume": {"claimName": "checkout"}},
    "a baked model": {"baked": {"path": "/models/whisper"}},
}


@pytest.mark.parametrize("case", FIXED)
def test_a_source_that_cannot_move_is_up_to_date_without_being_asked(case: str) -> None:
    found = decided(asked(source=FIXED[case]))
    assert stands(found) == (True, "SourceFixed")
    assert not found.start


MOVING: dict[str, JSON] = {
    "an s3 object": SOURCE,
    "a branch": {"huggingFace": {"repo": "a/b", "revision": "main"}},
    "a tag": {"oci": {"reference": "registry.example.com/a:1"}},
    "a URL": {"http": {"url": "https://example.com/a.tar"}},
}


@pytest.mark.parametrize("case", MOVING)
def test_a_source_that_can_move_is_asked_when_nobody_has_for_the_interval(case: str) -> None:
    assert decided(asked(source=MOVING[case])).start
    assert decided(asked(replace_time(SAME, 11), source=MOVING[case])).start


def replace_time(record: Refresh, minutes: float) -> Refresh:
    return Refresh(checked_time=ago(minutes), source=record.source, compared_with=record.compared_with)


def test_until_then_it_is_left_alone() -> None:
    found = decided(asked(SAME))
    assert not found.start
    assert found.look_again == timedelta(minutes=5)


def test_a_pull_has_asked_too() -> None:
    of = asked()
    found = decided(of, pulls=(job(of, 1, complete(2)),))
    assert not found.start
    assert found.look_again == timedelta(minutes=8)


def test_a_new_value_of_the_retry_annotation_asks_at_once_and_only_once() -> None:
    of = asked(SAME, retry="now")
    assert decided(of).start
    found = decided(of, check(of, complete()), pods=(told(resolved(OLD)),))
    assert found.record is not None
    assert not decided(asked(found.record, retry="now")).start


def test_a_value_that_the_pull_was_started_with_does_not_ask_again() -> None:
    of = asked(retry="now")
    pull = job(of, 1, complete(2), retry="now")
    assert not decided(of, pulls=(pull,)).start
    assert decided(asked(retry="once more"), pulls=(pull,)).start


def test_the_same_answer_is_up_to_date() -> None:
    of = asked()
    done = check(of, complete())
    found = decided(of, done, pods=(told(resolved(OLD)),))
    assert stands(found) == (True, "SourceUnchanged")
    assert found.delete == (done,)
    assert found.look_again == timedelta(minutes=10)


def test_another_answer_is_not_and_says_what_to_expect() -> None:
    for refresh, expected in ((REPORT, "is not pulled, since refresh.policy is Report"), (FOLLOW, "is pulled")):
        of = asked(refresh=refresh)
        found = decided(of, check(of, complete()), pods=(told(resolved(NEW)),))
        assert stands(found) == (False, "SourceMoved")
        assert f"The source is {NEW} by now, which {expected}" in found.finding.message
        assert found.lasting_failure is None


def test_a_source_without_versions_is_told_as_such() -> None:
    of = asked()
    assert stands(decided(of, check(of, complete()), pods=(told(resolved(None)),))) == (None, "SourceUnversioned")


def test_a_check_that_fails_says_why_and_the_next_is_later() -> None:
    of = asked(SAME)
    why = says("Unauthorized", "resolve", "the key is not known")
    found = decided(of, check(of, failed()), pods=(told(why, 65),))
    assert stands(found) == (None, "Unauthorized")
    assert "the key is not known" in found.finding.message
    assert found.look_again == timedelta(minutes=20)
    assert found.lasting_failure is None


def test_failures_that_last_need_a_person() -> None:
    record = Refresh(checked_time=ago(1), failures=3, reason="Unauthorized", message="the key is not known")
    lasting = decided(asked(record)).lasting_failure
    assert lasting is not None
    assert lasting.degraded


def test_the_wait_after_failures_has_an_end() -> None:
    record = Refresh(checked_time=ago(1), failures=50)
    assert refreshing.delay(asked(), record) == timedelta(hours=1)
    assert refreshing.delay(asked(refresh={"intervalSeconds": 86400}), record) == timedelta(days=1)


def test_a_check_that_never_ends_is_told_as_such() -> None:
    of = asked()
    found = decided(of, check(of, failed(reason="DeadlineExceeded")))
    assert stands(found) == (None, "DeadlineExceeded")
    assert "The check did not end within 300 s" in found.finding.message


def test_one_check_at_a_time() -> None:
    of = asked()
    found = decided(of, check(of))
    assert not found.start
    assert found.delete == ()


def test_a_check_of_another_source_goes() -> None:
    stale = check(asked(sha256="0" * 64))
    assert decided(asked(), stale).delete == (stale,)


def test_a_pinned_model_is_not_checked_and_keeps_what_is_known() -> None:
    of = asked(MOVED, pin=DIGEST)
    found = decided(of, check(of))
    assert stands(found) == (None, "Pinned")
    assert (found.start, found.record, len(found.delete)) == (False, MOVED, 1)


def pulled(of: Model, *jobs: JSON, pods: tuple[JSON, ...] = ()) -> pulling.Pulling:
    claim = {"metadata": {"name": "m-models"}, "spec": {"accessModes": ["ReadWriteMany"]}}
    return pulling.decide(Observed(of, claim=claim, jobs=jobs, pods=pods), NOW, SETTINGS)


def test_what_has_moved_is_pulled_when_it_is_to_be_followed() -> None:
    decision = pulled(asked(MOVED, FOLLOW))
    assert (decision.phase, decision.start, decision.attempt) == (Phase.PULLING, True, 1)
    of = asked(MOVED, FOLLOW)
    again = pulled(of, job(of, 4, complete()))
    assert (again.start, again.attempt) == (True, 5)


@pytest.mark.parametrize("of", [asked(MOVED), asked(SAME, FOLLOW), asked(None, FOLLOW)], ids=["Report", "same", "new"])
def test_otherwise_it_is_not(of: Model) -> None:
    assert pulled(of).phase is Phase.PUBLISHED


def test_what_was_pulled_is_not_pulled_again_for_the_same_answer() -> None:
    """The answer was compared with the artifact before; what the pull found counts, even if that is newer still."""
    of = asked(MOVED, FOLLOW)
    newest = replace_message("s3://models/x?etag=3")
    decision = pulled(of, job(of, 2, complete()), pods=(newest,))
    assert decision.phase is Phase.PUBLISHED
    assert decision.artifact is not None
    assert stands(refreshing.decide(Observed(of), decision.artifact, NOW)) == (None, "NotChecked")


def replace_message(source: str) -> JSON:
    return pod("job-2", containerStatuses=[ended("publish", 0, replace(PUBLISHED_MESSAGE, source=source))])


def test_the_job_mounts_no_claim_and_asks_as_a_pull_would() -> None:
    of = asked(source={"s3": {"bucket": "models", "key": "x", "secretRef": {"name": "keys"}}})
    built = check(of)
    (container,) = built["spec"]["template"]["spec"]["containers"]
    assert container["args"][:3] == ["job", "resolve", "s3://models/x"]
    assert "persistentVolumeClaim" not in str(built)
    assert "stt.whisper-operator.io/claim" not in built["metadata"]["labels"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp", "/var/run/whisper/source"]
