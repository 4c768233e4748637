"""Conditions from situations: each of the five, for each situation that there is."""

import json
from datetime import timedelta

import pytest

from tests.unit.operator.things import DIGEST, JSON, NOW, OTHER_DIGEST, artifact, model, published_status
from whisper_contract.progress import Progress
from whisper_operator.api.model import InvalidModel
from whisper_operator.api.names import ModelKey
from whisper_operator.api.reasons import Finding
from whisper_operator.api.status import Artifact, Phase, Refresh, Status, parse_status
from whisper_operator.reconcile import events
from whisper_operator.reconcile.conditions import Situation, as_conditions, conditions
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.refreshing import LASTING_FAILURES, Refreshing
from whisper_operator.reconcile.rollout import Rejection
from whisper_operator.reconcile.serving import Serving
from whisper_operator.reconcile.statuses import build_invalid_status, build_paused_status, build_status, build_target

ARTIFACT = Artifact(digest=DIGEST, short_digest="a" * 12, path="artifacts/" + "a" * 64)
PULL = Pulling(Phase.PULLING, Finding("Pulling"), attempt=1)
FAIL = Pulling(Phase.FAILED, Finding("Unauthorized"))
WAIT = Pulling(Phase.WAITING, Finding("WaitingForPeer"))
STUCK = Pulling(Phase.PULLING, Finding("Unschedulable"), attempt=1)
RETRY = Pulling(Phase.PULLING, Finding("Pulling"), attempt=2, earlier=Finding("Unauthorized"))
BLOCK = Pulling(Phase.BLOCKED, Finding("ClaimNotFound"))
DONE = Pulling(Phase.PUBLISHED, Finding("Published"), artifact=ARTIFACT)

UP = Serving(1, 1, 1, Finding("ServersReady"), settled=True, key=DIGEST)
ROLLING = Serving(1, 2, 1, Finding("RollingOut"))
STARTING = Serving(1, 1, 0, Finding("RollingOut"))
BROKEN = Serving(1, 1, 0, Finding("WarmUpFailed"))
HALF_BROKEN = Serving(1, 2, 1, Finding("WarmUpFailed"))
MISSING = Serving(1, 1, 0, Finding("ArtifactMissing"))
ZERO = Serving(0, 0, 0, Finding("ScaledToZero"), settled=True, key=DIGEST)
REFUSED = Finding("PodsForbidden", "quota")
BACK = Serving(1, 1, 1, Finding("ServersReady"), settled=True, key=OTHER_DIGEST)
REJECTION = Rejection(Finding("WarmUpFailed", "out of memory"), ARTIFACT, artifact(OTHER_DIGEST))
LOST = Rejection(Finding("ArtifactMissing"), ARTIFACT, artifact(OTHER_DIGEST))

# Situation → ArtifactReady, Available, Progressing, Degraded, Ready; + or - and the reason.
TABLE: dict[str, tuple[Situation, str]] = {
    "pulling": (Situation(PULL, None), "-Pulling -Pulling +Pulling -Pulling -Pulling"),
    "waiting for a peer": (
        Situation(WAIT, None),
        "-WaitingForPeer -WaitingForPeer +WaitingForPeer -WaitingForPeer -WaitingForPeer",
    ),
    "no claim": (
        Situation(BLOCK, None),
        "-ClaimNotFound -ClaimNotFound -ClaimNotFound +ClaimNotFound -ClaimNotFound",
    ),
    "the pull's pod finds no node": (
        Situation(STUCK, None),
        "-Unschedulable -Unschedulable -Unschedulable +Unschedulable -Unschedulable",
    ),
    "the pull failed": (
        Situation(FAIL, None),
        "-Unauthorized -Unauthorized -Unauthorized +Unauthorized -Unauthorized",
    ),
    "the next attempt runs": (Situation(RETRY, None), "-Pulling -Pulling +Pulling +Unauthorized -Pulling"),
    "published, no servers yet": (Situation(DONE, None), "+Published -RollingOut +RollingOut -RollingOut -RollingOut"),
    "servers start": (Situation(DONE, STARTING), "+Published -RollingOut +RollingOut -RollingOut -RollingOut"),
    "servers are replaced": (Situation(DONE, ROLLING), "+Published +ServersReady +RollingOut -RollingOut -RollingOut"),
    "ready": (Situation(DONE, UP), "+Published +ServersReady -ServersReady -ServersReady +ServersReady"),
    "scaled to zero": (Situation(DONE, ZERO), "+Published -ScaledToZero -ScaledToZero -ScaledToZero +ScaledToZero"),
    "servers do not warm up": (
        Situation(DONE, BROKEN),
        "+Published -WarmUpFailed -WarmUpFailed +WarmUpFailed -WarmUpFailed",
    ),
    "new servers do not warm up, old ones serve": (
        Situation(DONE, HALF_BROKEN),
        "+Published +ServersReady -WarmUpFailed +WarmUpFailed -WarmUpFailed",
    ),
    "the artifact is missing": (
        Situation(DONE, MISSING),
        "+Published -ArtifactMissing +ArtifactMissing -ArtifactMissing -ArtifactMissing",
    ),
    "a new one is pulled while the old one serves": (
        Situation(PULL, UP),
        "-Pulling +ServersReady +Pulling -Pulling -Pulling",
    ),
    "a new one cannot be pulled while the old one serves": (
        Situation(FAIL, UP),
        "-Unauthorized +ServersReady -Unauthorized +Unauthorized -Unauthorized",
    ),
    "the servers have yet to be given what is published": (
        Situation(DONE, BACK),
        "+Published +ServersReady +ServersReady -ServersReady -ServersReady",
    ),
    "the new one is rejected and the old one serves": (
        Situation(DONE, BACK, rejection=REJECTION),
        "+Published +ServersReady -WarmUpFailed +WarmUpFailed -WarmUpFailed",
    ),
    "one is rejected for what mends itself elsewhere": (
        Situation(DONE, BACK, rejection=LOST),
        "+Published +ServersReady -ArtifactMissing +ArtifactMissing -ArtifactMissing",
    ),
    "an object is refused": (
        Situation(DONE, UP, REFUSED),
        "+Published +ServersReady -PodsForbidden +PodsForbidden -PodsForbidden",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_the_conditions_say(case: str) -> None:
    situation, said = TABLE[case]
    found = conditions(situation)
    assert list(found) == ["ArtifactReady", "Available", "Progressing", "Degraded", "UpToDate", "Ready"]
    told = (found[kind] for kind in found if kind != "UpToDate")
    assert " ".join(("+" if stands else "-") + finding.reason for stands, finding in told) == said


def test_that_the_source_has_moved_says_nothing_about_the_servers() -> None:
    moved = Situation(DONE, UP, refreshing=Refreshing(False, Finding("SourceMoved")))
    found = dict(conditions(moved))
    assert found.pop("UpToDate") == (False, Finding("SourceMoved"))
    assert found == {kind: said for kind, said in conditions(Situation(DONE, UP)).items() if kind != "UpToDate"}


def test_a_source_that_cannot_be_asked_for_long_needs_a_person_and_the_model_is_ready_all_the_same() -> None:
    record = Refresh(checked_time="2026-01-01T00:00:00Z", failures=LASTING_FAILURES)
    found = conditions(Situation(DONE, UP, refreshing=Refreshing(None, Finding("Unauthorized"), record)))
    assert found["Degraded"] == (True, Finding("Unauthorized"))
    assert found["UpToDate"] == (None, Finding("Unauthorized"))
    assert found["Ready"][0] is True


def test_an_autoscaler_that_does_not_scale_needs_a_person_and_the_model_is_ready_all_the_same() -> None:
    found = dict(conditions(Situation(DONE, UP, scaling=Finding("AutoscalerInactive"))))
    assert found.pop("Degraded") == (True, Finding("AutoscalerInactive"))
    assert found == {kind: said for kind, said in conditions(Situation(DONE, UP)).items() if kind != "Degraded"}


def test_what_is_not_known_is_unknown() -> None:
    written = status_of(Situation(DONE, UP)).condition("UpToDate")
    assert written is not None
    assert (written.status, written.reason) == ("Unknown", "NotChecked")


def test_an_event_tells_that_the_source_has_moved() -> None:
    before = status_of(Situation(DONE, UP))
    after = status_of(Situation(DONE, UP, refreshing=Refreshing(False, Finding("SourceMoved", "It did"))), before)
    (note,) = events.notes(before, after)
    assert note[:2] == ("Normal", "SourceMoved")


@pytest.mark.parametrize("case", TABLE)
def test_what_is_ready_is_never_degraded_or_progressing(case: str) -> None:
    found = {kind: stands for kind, (stands, _) in conditions(TABLE[case][0]).items()}
    if found["Ready"]:
        assert not found["Progressing"]
        assert not found["Degraded"]
        assert found["ArtifactReady"]


def status_of(situation: Situation, previous: Status | None = None, progress: Progress | None = None) -> Status:
    before = (previous or Status()).to_json()
    served, there = situation.pulling.artifact, model(status=before)
    return build_status(there, situation, served, build_target(there, situation, tried=True), progress, NOW)


def test_the_time_of_transition_moves_only_with_the_status() -> None:
    first = as_conditions(conditions(Situation(PULL, None)), Status(), 1, NOW)
    later = NOW + timedelta(minutes=5)
    second = as_conditions(conditions(Situation(FAIL, None)), Status(conditions=first), 2, later)
    moved = {one.type for one in second if one.last_transition_time == "2026-01-01T12:05:00Z"}
    assert moved == {"Progressing", "Degraded"}
    assert {one.last_transition_time for one in second if one.type not in moved} == {"2026-01-01T12:00:00Z"}
    assert {one.observed_generation for one in second} == {2}


def test_an_unchanged_situation_is_an_unchanged_status() -> None:
    before = status_of(Situation(DONE, UP))
    assert status_of(Situation(DONE, UP), before) == before
    assert parse_status(before.to_json()) == before


def test_what_is_written_is_what_is_read_again() -> None:
    """Else every visit would find a change, and write it."""
    written = status_of(Situation(DONE, UP)).to_json()
    assert json.loads(json.dumps(written)) == written


def test_the_status_of_a_ready_model() -> None:
    artifact = {"digest": DIGEST, "shortDigest": "a" * 12, "path": "artifacts/" + "a" * 64}
    status = status_of(Situation(DONE, UP)).to_json()
    del status["conditions"]
    assert status == {
        "observedGeneration": 1,
        "sourceURI": "s3://models/whisper.tar.zst",
        "selector": "stt.whisper-operator.io/model=m,app.kubernetes.io/component=server",
        "replicas": 1,
        "readyReplicas": 1,
        "ready": "1/1",
        "endpoints": {"grpc": "m.speech.svc:50051", "http": "m.speech.svc:8000"},
        "artifact": artifact,
        "target": {
            "inputsHash": model().inputs,
            "state": "Published",
            "reason": "Published",
            "digest": DIGEST,
            "artifact": artifact,
            "tried": model().intent,
        },
        "revisions": [artifact],
    }


def test_progress_is_in_the_status_while_its_step_runs() -> None:
    pulling = Pulling(Phase.PULLING, Finding("Pulling"), attempt=2, step=("p", "pull"))
    status = status_of(Situation(pulling, None), progress=Progress("pull", 50, 200, 10))
    assert status.to_json()["pull"] == {
        "attempt": 2,
        "step": "pull",
        "percent": 25,
        "bytesDone": 50,
        "bytesTotal": 200,
        "bytesPerSecond": 10,
        "etaSeconds": 15,
    }


def test_progress_of_another_step_is_left_out() -> None:
    pulling = Pulling(Phase.PULLING, Finding("Converting"), attempt=1, step=("p", "convert"))
    status = status_of(Situation(pulling, None), progress=Progress("pull", 200, 200, 10))
    assert status.to_json()["pull"] == {"attempt": 1, "step": "convert"}


PAUSES: dict[str, tuple[JSON, Serving | None, str]] = {
    "as it was asked for": ({}, UP, "+Paused +ServersReady -Paused -Paused +Paused"),
    "scaled to zero": ({}, ZERO, "+Paused -ScaledToZero -Paused -Paused +Paused"),
    "in the middle of a rollout": ({}, ROLLING, "+Paused +ServersReady -Paused -Paused -Paused"),
    "with servers in trouble": ({}, BROKEN, "+Paused -WarmUpFailed -Paused +WarmUpFailed -Paused"),
    "before another image": ({"server": {"image": "i"}}, UP, "+Paused +ServersReady -Paused -Paused -Paused"),
    "before another source": ({"sha256": "0" * 64}, UP, "-Paused +ServersReady -Paused -Paused -Paused"),
    "before anything was made": ({}, None, "+Paused -Paused -Paused -Paused -Paused"),
}


@pytest.mark.parametrize("case", PAUSES)
def test_what_is_told_of_a_paused_model(case: str) -> None:
    change, serving, said = PAUSES[case]
    before = status_of(Situation(DONE, UP))
    paused = build_paused_status(model(paused=True, status=before.to_json(), **change), serving, NOW)
    others = (one for one in paused.conditions if one.type != "UpToDate")
    told = (("+" if one.status == "True" else "-") + one.reason for one in others)
    assert " ".join(told) == said
    assert (paused.artifact, paused.target, paused.revisions) == (before.artifact, before.target, before.revisions)


def test_a_model_that_was_paused_from_the_start_has_nothing() -> None:
    paused = build_paused_status(model(paused=True), None, NOW)
    assert {one.status for one in paused.conditions if one.type != "UpToDate"} == {"False"}
    up_to_date = paused.condition("UpToDate")
    assert up_to_date is not None
    assert up_to_date.status == "Unknown"
    assert paused.ready == "0/1"


def test_the_status_tells_what_was_rejected_and_why() -> None:
    target = status_of(Situation(DONE, BACK, rejection=REJECTION)).target
    assert target is not None
    assert (target.state, target.reason, target.message) == ("Rejected", "WarmUpFailed", "out of memory")
    assert target.artifact == ARTIFACT


def test_what_the_servers_were_not_given_has_not_been_tried() -> None:
    target = build_target(model(), Situation(DONE, UP), tried=False)
    assert target.tried is None


def test_a_spec_that_cannot_be_read_leaves_what_runs_in_the_status() -> None:
    before = parse_status(published_status(model()) | {"ready": "1/1", "readyReplicas": 1})
    invalid = InvalidModel(ModelKey("n", "m"), "u", 3, before, "spec.source: missing")
    status = build_invalid_status(invalid, NOW)
    assert status.artifact == before.artifact
    assert status.ready == "1/1"
    degraded = status.condition("Degraded")
    assert degraded is not None
    assert (degraded.status, degraded.reason) == ("True", "SpecInvalid")
    assert degraded.message.startswith("spec.source: missing. Correct what the message names")


def test_an_event_is_written_when_what_there_is_to_know_changes() -> None:
    pulling, failing, up = (status_of(Situation(*one)) for one in ((PULL, None), (FAIL, None), (DONE, UP)))
    assert list(events.notes(Status(), pulling)) == [("Normal", "Pulling", "The model is being pulled.")]
    (warning,) = events.notes(pulling, failing)
    assert warning[:2] == ("Warning", "Unauthorized")
    assert [note.reason for note in events.notes(pulling, up)] == ["Published", "ServersReady"]
    assert [note.reason for note in events.notes(up, pulling)] == ["Pulling"]


def test_no_event_is_written_when_only_the_progress_moves() -> None:
    assert not list(events.notes(status_of(Situation(PULL, None)), status_of(Situation(RETRY, None))))


def test_an_event_tells_that_the_artifact_is_published_once() -> None:
    published, serving = status_of(Situation(DONE, None)), status_of(Situation(DONE, UP))
    assert [note.reason for note in events.notes(Status(), published)] == ["Published", "RollingOut"]
    assert [note.reason for note in events.notes(published, serving)] == ["ServersReady"]


def test_an_event_tells_what_was_rejected_once() -> None:
    troubled, rejected = (
        status_of(Situation(DONE, BACK, rejection=one) if one else Situation(DONE, HALF_BROKEN))
        for one in (None, REJECTION)
    )
    (note,) = events.notes(troubled, rejected)
    assert note[:2] == ("Warning", "Rejected")
    assert "did not become ready with aaaaaaaaaaaa, which is rejected, and bbbbbbbbbbbb serves on" in note.text
    assert not list(events.notes(rejected, rejected))


def test_an_event_is_about_the_model_and_fits() -> None:
    event = events.build_event(ModelKey("n", "m"), "u", events.Note("Warning", "X", "…" * 5_000), "pod", NOW)
    assert event["regarding"]["uid"] == "u"
    assert 900 < len(event["note"].encode()) <= 1_024  # the API server counts bytes
    assert event["eventTime"] == "2026-01-01T12:00:00.000000Z"
