"""The store of what is watched: the newest wins in whatever order things are told, and what is gone stays gone."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_operator.api.names import ModelKey
from whisper_operator.kube import kinds
from whisper_operator.kube.store import Name, Store

JSON = dict[str, Any]


def model(version: int | str, name: str = "m", **spec: Any) -> JSON:
    return {"metadata": {"namespace": "n", "name": name, "resourceVersion": str(version)}, "spec": spec}


def pod(version: int, name: str = "p", *, of: str = "m", namespace: str = "n") -> JSON:
    labels = {"app.kubernetes.io/managed-by": "whisper-operator", "stt.whisper-operator.io/model": of}
    metadata = {"namespace": namespace, "name": name, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, "status": {"phase": str(version)}}


def names_of(bodies: list[JSON]) -> list[str]:
    return [body["metadata"]["name"] for body in bodies]


def version_of(store: Store) -> str | None:
    found = store.get(kinds.POD, "n", "p")
    return None if found is None else found["metadata"]["resourceVersion"]


def test_what_is_put_is_found_by_its_name_and_by_its_model() -> None:
    store = Store()
    for body in (pod(1, "b"), pod(2, "a"), pod(3, "c", of="other"), pod(4, "d", namespace="elsewhere")):
        store.put(kinds.POD, body)
    assert store.get(kinds.POD, "n", "a") == pod(2, "a")
    assert names_of(store.group(kinds.POD, "n", "m")) == ["a", "b"]
    assert store.group(kinds.JOB, "n", "m") == []


def test_models_are_found_by_the_claim_that_their_artifacts_are_on() -> None:
    store = Store()
    store.put(kinds.MODEL, model(1))
    store.put(kinds.MODEL, model(2, "other", cache={"claimName": "m-models"}))
    assert names_of(store.group(kinds.MODEL, "n", "m-models")) == ["m", "other"]
    store.put(kinds.MODEL, model(3, "other"))
    assert names_of(store.group(kinds.MODEL, "n", "m-models")) == ["m"]
    assert names_of(store.group(kinds.MODEL, "n", "other-models")) == ["other"]


def test_of_what_a_list_holds_the_name_is_told_and_the_owner_when_it_is_news() -> None:
    store = Store()
    name, owner = Name("n", "p"), ModelKey("n", "m")
    listed = {version: msgspec.Raw(msgspec.json.encode(pod(version))) for version in (1, 2, 3)}
    assert store.put_listed(kinds.POD, listed[2]) == (name, owner)
    assert store.put_listed(kinds.POD, listed[2]) == (name, None)
    assert store.put_listed(kinds.POD, listed[1]) == (name, None)
    assert version_of(store) == "2"
    assert store.put_listed(kinds.POD, listed[3]) == (name, owner)
    assert store.get(kinds.POD, "n", "p") == pod(3)


@given(st.permutations([1, 2, 3, 10, 11]))
def test_in_whatever_order_it_is_told_the_newest_stays(versions: list[int]) -> None:
    store = Store()
    for version in versions:
        store.put(kinds.POD, pod(version))
    assert version_of(store) == "11"


def test_news_are_told_and_what_is_known_already_is_not() -> None:
    store = Store()
    assert store.put(kinds.POD, pod(2)) == ModelKey("n", "m")
    assert store.put(kinds.POD, pod(2)) is None
    assert store.put(kinds.POD, pod(1)) is None
    assert store.put(kinds.MODEL, model(3)) == ModelKey("n", "m")


@pytest.mark.parametrize("late", [1, 2, 3])
def test_what_was_read_before_a_deletion_does_not_bring_it_back(late: int) -> None:
    store = Store()
    store.put(kinds.POD, pod(2))
    store.remove(kinds.POD, pod(3))
    store.put(kinds.POD, pod(late))
    assert version_of(store) is None
    assert store.group(kinds.POD, "n", "m") == []
    store.put(kinds.POD, pod(4))
    assert version_of(store) == "4"


def test_a_deletion_that_is_told_late_does_not_take_away_a_new_object_of_that_name() -> None:
    store = Store()
    store.put(kinds.POD, pod(5))
    store.remove(kinds.POD, pod(4))
    assert version_of(store) == "5"


def test_a_list_takes_away_what_it_does_not_hold_unless_that_is_newer() -> None:
    store = Store()
    for body in (pod(1, "old"), pod(2, "kept"), pod(9, "new"), pod(1, "old", namespace="elsewhere")):
        store.put(kinds.POD, body)
    assert store.keep_only(kinds.POD, "n", "", [Name("n", "kept")], "5") == {ModelKey("n", "m")}
    assert names_of(store.group(kinds.POD, "n", "m")) == ["kept", "new"]
    assert names_of(store.group(kinds.POD, "elsewhere", "m")) == ["old"]
    assert store.keep_only(kinds.POD, "", "", [], "9") == {ModelKey("n", "m"), ModelKey("elsewhere", "m")}
    assert store.group(kinds.POD, "n", "m") == []


def test_a_list_of_one_model_leaves_the_others_alone() -> None:
    store = Store()
    store.put(kinds.POD, pod(1, "mine"))
    store.put(kinds.POD, pod(1, "theirs", of="other"))
    store.keep_only(kinds.POD, "n", "m", [], "5")
    assert names_of(store.group(kinds.POD, "n", "other")) == ["theirs"]


def test_versions_that_are_no_numbers_are_taken_as_they_come() -> None:
    store = Store()
    for version in ("b", "a"):
        store.put(kinds.MODEL, model(version))
    found = store.get(kinds.MODEL, "n", "m")
    assert found is not None
    assert found["metadata"]["resourceVersion"] == "a"


@pytest.mark.parametrize("labels", [None, {}, {"stt.whisper-operator.io/model": "m"}])
def test_what_is_not_watched_is_not_kept(labels: dict[str, str] | None) -> None:
    store = Store()
    foreign = pod(1)
    foreign["metadata"]["labels"] = labels
    assert store.put(kinds.POD, foreign) is None
    assert store.put(kinds.REPORTED_EVENT, pod(1)) is None
    assert version_of(store) is None


def test_what_a_reader_changes_no_other_sees() -> None:
    store = Store()
    store.put(kinds.POD, pod(1) | {"metadata": pod(1)["metadata"] | {"managedFields": [{}]}})
    first = store.get(kinds.POD, "n", "p")
    assert first == pod(1), "and who manages its fields is left out"
    first["status"]["phase"] = "changed"
    assert store.get(kinds.POD, "n", "p") == pod(1)
