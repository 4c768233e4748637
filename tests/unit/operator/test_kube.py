"""The seam to the API server: errors by what to do about them, and paths. The rest is tried on a real one."""

import json

import pytest

from whisper_operator.kube import kinds
from whisper_operator.kube.errors import KubeError, NotFound, Refused, Unsettled, error_for


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, Unsettled),
        (403, Refused),
        (404, NotFound),
        (409, Unsettled),
        (410, Unsettled),
        (422, Refused),
        (429, Unsettled),
        (500, Unsettled),
        (503, Unsettled),
    ],
)
def test_an_error_is_what_can_be_done_about_it(status: int, kind: type[KubeError]) -> None:
    error = error_for(status, json.dumps({"kind": "Status", "message": "pods is forbidden"}))
    assert type(error) is kind
    assert str(error) == f"pods is forbidden (HTTP {status})"


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}"])
def test_an_answer_that_is_no_status_is_an_error_all_the_same(body: str) -> None:
    assert error_for(502, body).status == 502


def test_what_a_terminating_namespace_refuses_is_not_held_against_the_model() -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "namespace n is being terminated"}]
    assert isinstance(error_for(403, json.dumps({"message": "no", "details": {"causes": causes}})), Unsettled)


def test_of_an_invalid_object_the_diff_is_left_out() -> None:
    assert str(error_for(422, json.dumps({"message": "it is immutable\n@@ -1 +1 @@"}))) == "it is immutable (HTTP 422)"


def test_only_a_rule_forbids() -> None:
    assert Refused(403, "").forbidden
    assert not Refused(422, "").forbidden


def test_paths() -> None:
    assert kinds.POD.path("n", "p", "log") == "/api/v1/namespaces/n/pods/p/log"
    assert kinds.MODEL.path("n") == "/apis/stt.whisper-operator.io/v1alpha1/namespaces/n/whispermodels"
