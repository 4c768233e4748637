"""What made a Deployment change, by name."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.objects import ARTIFACT, SETTINGS
from tests.unit.operator.things import JSON, model
from whisper_operator.api.status import Artifact
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.reconcile.causes import cause_of, is_change, with_cause
from whisper_operator.settings import Settings

OTHER = Artifact(digest="sha256:" + "b" * 64, short_digest="b" * 12, path="artifacts/" + "b" * 64)


def deployment(
    live: JSON | None, spec: dict[str, Any], settings: Settings = SETTINGS, artifact: Artifact = ARTIFACT
) -> JSON:
    """The Deployment that replaces `live` when the spec is this."""
    of = model(**spec)
    wanted = build_deployment(of, settings, artifact)
    assert wanted is not None
    return with_cause(wanted, live, of, settings, artifact)


BEFORE = {"server": {"image": "one", "podLabels": {"team": "a"}, "gpu": {"count": 0}}}

# The spec afterwards → what is named.
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"server": {**BEFORE["server"], "image": "two"}}, "spec.server.image"),
    ({"server": {**BEFORE["server"], "replicas": 3}}, "spec.server.replicas"),
    ({"server": {**BEFORE["server"], "podLabels": {"team": "b"}}}, "spec.server.podLabels.team"),
    ({"server": {**BEFORE["server"], "podLabels": {}}}, "spec.server.podLabels.team"),
    ({"server": {**BEFORE["server"], "options": {"maxBatch": 8}}}, "spec.server.options.maxBatch"),
    ({"server": {**BEFORE["server"], "rollout": {"drainSeconds": 5}}}, "spec.server.rollout.drainSeconds"),
    ({**BEFORE, "podSecurityContext": {"runAsUser": 5}}, "spec.podSecurityContext"),
    (
        {"server": {**BEFORE["server"], "image": "two", "env": [{"name": "A"}]}},
        "spec.server.env, spec.server.image",
    ),
    (
        {"server": {**BEFORE["server"], "podLabels": dict.fromkeys("bcdefgh", "x")}},
        ", ".join(f"spec.server.podLabels.{key}" for key in "bcdef") + ", 3 more",
    ),
]


@pytest.mark.parametrize(("spec", "named"), CHANGES, ids=[named for _, named in CHANGES])
def test_a_change_names_the_fields_that_caused_it(spec: dict[str, Any], named: str) -> None:
    assert cause_of(deployment(deployment(None, BEFORE), spec)) == named


def test_fields_of_other_objects_that_changed_at_the_same_time_are_not_named() -> None:
    elsewhere = {"service": {"type": "NodePort"}, "autoscaling": {"maxReplicas": 2}, "disruption": {"enabled": False}}
    spec = {"server": {**BEFORE["server"], **elsewhere, "image": "two"}}
    assert cause_of(deployment(deployment(None, BEFORE), spec)) == "spec.server.image"


def test_another_artifact_is_named() -> None:
    assert cause_of(deployment(deployment(None, BEFORE), BEFORE, artifact=OTHER)) == "the artifact"


def test_the_operators_settings_are_named_where_they_matter() -> None:
    other = replace(SETTINGS, server_image="registry.example.com/whisper-server:2")
    assert cause_of(deployment(deployment(None, {}), {}, settings=other)) == "the operator's settings"
    assert cause_of(deployment(deployment(None, BEFORE), BEFORE, settings=other)) == ""


def test_what_no_field_explains_is_the_operators_own_doing() -> None:
    older = deployment(None, BEFORE)
    del older["metadata"]["annotations"]
    assert cause_of(deployment(older, BEFORE)) == "the operator's version"


def test_the_first_deployment_has_no_cause() -> None:
    assert cause_of(deployment(None, BEFORE)) == ""


def test_the_cause_stays_until_something_else_changes() -> None:
    changed = deployment(deployment(None, BEFORE), {})
    again = deployment(changed, {})
    assert again == changed
    assert not is_change(again, changed)


@pytest.mark.parametrize(
    "spec",
    [
        {"server": {**BEFORE["server"], "service": {"type": "NodePort"}}},
        {"server": {**BEFORE["server"], "device": "cpu", "gpu": {}}},
        {**BEFORE, "pull": {"timeoutSeconds": 61}},
    ],
    ids=["another object's", "said in other words", "the pull's"],
)
def test_what_changes_nothing_of_the_deployment_is_no_cause(spec: dict[str, Any]) -> None:
    before = deployment(None, BEFORE)
    assert cause_of(deployment(before, spec)) == ""
    assert not is_change(deployment(before, spec), before)
