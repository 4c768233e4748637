"""The rules of the resource that look at more than one field, or at a change, on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.crd_rules import CHANGES, NAMES, TWINS, Change, Twins
from tests.support.whispermodels import Models, install_crd, minimal, schema


@pytest.fixture(scope="module")
def models(control_plane: ControlPlane) -> Models:
    install_crd(control_plane.kubectl)
    control_plane.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "crd-rules"}})
    return Models(control_plane.kubeconfig, "crd-rules")


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins.name)
def test_a_rule_lets_pass(models: Models, twins: Twins) -> None:
    assert models.refusal(twins.accepted) == ""


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins.name)
def test_a_rule_refuses(models: Models, twins: Twins) -> None:
    assert twins.message in models.refusal(twins.refused)


@pytest.mark.parametrize(("message", "accepted", "refused"), NAMES, ids=["length", "first letter", "dots"])
def test_a_name_that_services_can_have(models: Models, message: str, accepted: str, refused: str) -> None:
    assert models.refusal(minimal(), accepted) == ""
    assert message in models.refusal(minimal(), refused)


@pytest.mark.parametrize("change", list(enumerate(CHANGES)), ids=lambda change: change[1].name)
def test_the_cache_cannot_change(models: Models, change: tuple[int, Change]) -> None:
    number, case = change
    name = f"cache-{number}"
    models.create(minimal() | {"cache": case.before}, name)
    assert models.change_refusal(name, replace_cache(case.accepted)) == ""
    assert case.message in models.change_refusal(name, replace_cache(case.refused))


def test_removing_the_cache_does_not_evade_the_rules_on_its_change(models: Models) -> None:
    models.create(minimal() | {"cache": {"claimName": "models"}}, "removed")
    removal = [{"op": "remove", "path": "/spec/cache"}]
    assert "cache.claimName cannot be changed" in models.change_refusal("removed", removal)


def test_every_rule_is_tried_here() -> None:
    tried = [*(twins.message for twins in TWINS), *(change.message for change in CHANGES), *(name[0] for name in NAMES)]
    assert set(tried) == set(messages(schema()))


def replace_cache(cache: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": "/spec/cache", "value": cache}]


def messages(node: Any) -> Iterator[str]:
    """The message of every rule in a schema."""
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", []))
        for child in node.values():
            yield from messages(child)
