"""What servers get where their WhisperModel does not say."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.support.objects import ARTIFACT, SETTINGS
from tests.unit.operator.things import JSON, model
from whisper_operator.api.defaults import read_server_defaults
from whisper_operator.api.names import server_labels
from whisper_operator.builders.affinity import PREFERRED
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.job import build_job
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.reconcile.refusals import refused

POOL = {"key": "gpu-pool", "operator": "Exists"}
DEFAULTS: JSON = {
    "resources": {"requests": {"memory": "8Gi"}},
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [POOL],
    "affinity": {"podAntiAffinity": {PREFERRED: [{"weight": 100, "podAffinityTerm": {"topologyKey": "host"}}]}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "runtimeClassName": "nvidia",
    "priorityClassName": "speech",
    "podLabels": {"cost-centre": "17"},
    "podAnnotations": {"example.com/scrape": "true"},
    "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
}
WITH_DEFAULTS = replace(SETTINGS, server_defaults=read_server_defaults(json.dumps(DEFAULTS)))


def pod(**server: Any) -> JSON:
    """The pod of the servers of a model on the CPU whose spec.server is this."""
    deployment = build_deployment(model(server={"device": "cpu", **server}), WITH_DEFAULTS, ARTIFACT)
    assert deployment is not None
    template: JSON = deployment["spec"]["template"]
    return template


def test_servers_get_the_defaults_of_what_their_model_leaves_out() -> None:
    template = pod()
    spec, (container,) = template["spec"], template["spec"]["containers"]
    for field in ("nodeSelector", "tolerations", "runtimeClassName", "priorityClassName"):
        assert spec[field] == DEFAULTS[field]
    assert (container["resources"], container["env"]) == (DEFAULTS["resources"], DEFAULTS["env"])
    assert template["metadata"]["labels"].items() >= DEFAULTS["podLabels"].items()
    assert template["metadata"]["annotations"].items() >= DEFAULTS["podAnnotations"].items()


def test_pods_that_a_default_of_placement_does_not_name_are_the_models_own_servers() -> None:
    spec = pod()["spec"]
    own = {"labelSelector": {"matchLabels": server_labels("m")}}
    (spread,) = spec["topologySpreadConstraints"]
    (term,) = spec["affinity"]["podAntiAffinity"][PREFERRED]
    assert spread == own | DEFAULTS["topologySpreadConstraints"][0]
    assert term["podAffinityTerm"] == own | {"topologyKey": "host"}
    elsewhere = {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": {"matchExpressions": [POOL]}}]}}
    assert pod(affinity=elsewhere)["spec"]["affinity"] == elsewhere


def test_what_a_model_says_goes_before_and_maps_and_variables_are_added_to() -> None:
    own: JSON = {
        "resources": {"requests": {"cpu": "2"}},
        "nodeSelector": {"pool": "small", "gpu": "l4"},
        "tolerations": [{"key": "other", "operator": "Exists"}],
        "runtimeClassName": "gvisor",
        "priorityClassName": "low",
        "podLabels": {"team": "a"},
        "env": [{"name": "HTTPS_PROXY", "value": ""}, {"name": "A", "value": "b"}],
    }
    template = pod(**own)
    spec, (container,) = template["spec"], template["spec"]["containers"]
    for field in ("nodeSelector", "tolerations", "runtimeClassName", "priorityClassName"):
        assert spec[field] == own[field]
    assert (container["resources"], container["env"]) == (own["resources"], own["env"])
    assert template["metadata"]["labels"].items() >= {"team": "a", "cost-centre": "17"}.items()


def test_a_pull_that_goes_where_servers_go_goes_where_the_defaults_send_them() -> None:
    follows = build_job(model(), WITH_DEFAULTS, 1, PullPlacement.LIKE_SERVERS)["spec"]["template"]["spec"]
    assert (follows["nodeSelector"], follows["tolerations"]) == (DEFAULTS["nodeSelector"], DEFAULTS["tolerations"])
    anywhere = build_job(model(), WITH_DEFAULTS, 1, PullPlacement.ANYWHERE)["spec"]["template"]["spec"]
    assert "nodeSelector" not in anywhere


def test_who_is_told_of_a_class_that_is_not_there_is_told_that_it_may_be_the_default() -> None:
    message = "no PriorityClass with name speech was found"
    told = "Create the PriorityClass, or correct server.priorityClassName, or the operator's default of it."
    assert refused(message, "server").advice == told
    assert "default" not in str(refused('serviceaccount "a" not found', "server").advice)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"tolerations": {}}', r"Expected `array`, got `object` - at `\$.tolerations`"),
        ('{"replicas": 2}', "unknown field `replicas`"),
        ("{", "Input data was truncated"),
    ],
)
def test_a_default_that_cannot_be_is_refused_with_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_server_defaults(text)
