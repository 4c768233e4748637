"""What is made for a WhisperModel: as the golden files say, and what must hold whatever the spec."""

import copy
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.objects import ARTIFACT, CASES, SETTINGS, case_model, golden_text, made_for, model_of
from tests.support.objects import GOLDEN as GOLDEN_FILES
from tests.support.whispermodels import Node, schema
from tests.unit.operator.things import SOURCE
from whisper_operator.api.model import Model
from whisper_operator.api.names import server_labels
from whisper_operator.builders.affinity import PREFERRED, REQUIRED
from whisper_operator.builders.autoscaler import build_autoscaler
from whisper_operator.builders.claim import build_claim
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.disruption import build_disruption_budget
from whisper_operator.builders.job import build_job
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.builders.service import build_headless_service, build_service
from whisper_server.configuration.reading import parse_settings
from whisper_server.configuration.settings import Settings as ServerSettings
from whisper_server.operations.metrics import Metrics
from whisper_server.rpc.connections import longest_connection_seconds

LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")

names = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
words = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
some_words = st.dictionaries(words, words, max_size=2)
tolerations = st.lists(st.fixed_dictionaries({"key": words, "operator": st.just("Exists")}), max_size=2)
resources = st.fixed_dictionaries({}, optional={"requests": st.just({"cpu": 1}), "limits": st.just({"memory": "1Gi"})})
placements = st.fixed_dictionaries({}, optional={"nodeSelector": some_words, "tolerations": tolerations})
pulls = st.builds(dict.__or__, placements, st.fixed_dictionaries({}, optional={"resources": resources}))
servers = st.builds(
    dict.__or__,
    placements,
    st.fixed_dictionaries(
        {},
        optional={
            "replicas": st.integers(0, 5),
            "image": words,
            "podLabels": some_words,
            "env": st.lists(st.fixed_dictionaries({"name": words}), max_size=2),
            "gpu": st.fixed_dictionaries({"count": st.integers(0, 1)}),
            "resources": resources,
            "serviceAccountName": words,
        },
    ),
)
specs = st.fixed_dictionaries({"source": st.just(SOURCE)}, optional={"pull": pulls, "server": servers})
models = st.builds(model_of, specs, names)


@pytest.mark.parametrize("case", CASES)
def test_what_is_made_is_as_the_golden_file_says(case: str) -> None:
    assert golden_text(case) == (GOLDEN_FILES / f"{case}.yaml").read_text(), "after a change: make manifests"


@given(models, st.integers(1, 10**6))
def test_every_name_is_a_dns_label_of_at_most_63_characters(model: Model, attempt: int) -> None:
    made = [*made_for(model), build_job(model, SETTINGS, attempt, PullPlacement.ANYWHERE)]
    for one in made:
        assert LABEL.fullmatch(one["metadata"]["name"])


@given(models)
def test_building_changes_nothing_of_the_spec(model: Model) -> None:
    before = copy.deepcopy(msgspec.to_builtins(model.spec))
    for one in made_for(model):
        one.clear()
    assert msgspec.to_builtins(model.spec) == before


@given(models)
def test_everything_is_owned_by_the_model_and_found_by_its_label(model: Model) -> None:
    for one in made_for(model):
        assert one["metadata"]["ownerReferences"] == [model.owner_reference]
        assert one["metadata"]["labels"]["stt.whisper-operator.io/model"] == model.name


@given(models)
def test_every_pod_keeps_to_the_restricted_standard_and_has_no_api_token(model: Model) -> None:
    for pod in (one["spec"]["template"]["spec"] for one in made_for(model) if "template" in one["spec"]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }


@given(models)
def test_the_selector_matches_the_server_pods_and_no_pull(model: Model) -> None:
    deployment, pull = (
        build_deployment(model, SETTINGS, ARTIFACT),
        build_job(model, SETTINGS, 1, PullPlacement.ANYWHERE),
    )
    assert deployment is not None
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels_of_pods(deployment).items()
    assert not selector.items() <= labels_of_pods(pull).items()


def labels_of_pods(owner: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = owner["spec"]["template"]["metadata"]["labels"]
    return labels


def test_a_named_claim_is_never_made() -> None:
    assert build_claim(model_of({"source": SOURCE, "cache": {"claimName": "theirs"}})) is None


def test_there_is_no_deployment_before_there_is_an_artifact() -> None:
    assert build_deployment(model_of({"source": SOURCE}), SETTINGS, None) is None


def pull_pod(spec: dict[str, Any], where: PullPlacement) -> dict[str, Any]:
    pod: dict[str, Any] = build_job(model_of({"source": SOURCE, **spec}), SETTINGS, 1, where)["spec"]["template"][
        "spec"
    ]
    return pod


PLACED = {
    "server": {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
    "pull": {"nodeSelector": {"zone": "a"}},
}


def test_a_shared_volume_lets_the_pull_stay_off_the_servers_nodes() -> None:
    pod = pull_pod(PLACED, PullPlacement.ANYWHERE)
    assert pod["nodeSelector"] == {"zone": "a"}
    assert "tolerations" not in pod


def test_a_pull_that_nobody_placed_prefers_nodes_without_gpus() -> None:
    affinity = pull_pod({}, PullPlacement.ANYWHERE)["affinity"]["nodeAffinity"]
    (preferred,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    (expression,) = preferred["preference"]["matchExpressions"]
    assert expression == {"key": "nvidia.com/gpu.present", "operator": "DoesNotExist"}


def test_a_volume_of_one_node_takes_the_pull_where_servers_may_run_without_a_gpu() -> None:
    pod = pull_pod(PLACED, PullPlacement.LIKE_SERVERS)
    assert pod["nodeSelector"] == {"pool": "gpu", "zone": "a"}
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert "affinity" not in pod
    assert "nvidia.com/gpu" not in str(pod["initContainers"])


def test_running_servers_draw_the_pull_to_their_node() -> None:
    affinity = pull_pod({}, PullPlacement.WITH_SERVERS)["affinity"]
    (term,) = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"


def test_without_a_pod_security_context_volumes_belong_to_the_images_group() -> None:
    assert pull_pod({}, PullPlacement.ANYWHERE)["securityContext"]["fsGroup"] == 10001


def test_an_empty_pod_security_context_leaves_groups_to_the_cluster() -> None:
    assert "fsGroup" not in pull_pod({"podSecurityContext": {}}, PullPlacement.ANYWHERE)["securityContext"]


@pytest.mark.parametrize(
    ("server", "device", "gpus"),
    [
        ({}, "cuda", "1"),
        ({"device": "cpu"}, "cpu", None),
        ({"gpu": {"count": 0}}, "cpu", None),
        ({"device": "cuda"}, "cuda", "1"),
    ],
    ids=str,
)
def test_the_device_follows_the_gpu(server: dict[str, Any], device: str, gpus: str | None) -> None:
    deployment = build_deployment(model_of({"source": SOURCE, "server": server}), SETTINGS, ARTIFACT)
    assert deployment is not None
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"][container["args"].index("--device") + 1] == device
    assert container["resources"].get("limits", {}).get("nvidia.com/gpu") == gpus


def test_the_job_of_one_case_reads_the_source_from_its_own_store() -> None:
    """Kubelet hangs on two volumes of one claim, so the store's volume is mounted twice instead."""
    job = next(one for one in made_for(case_model("own-volume")) if one["kind"] == "Job")
    pod = job["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["models", "tmp"]
    mounted = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounted["/volumes/shared-models"] == mounted["/models"] == "models"


def server_pod(**server: Any) -> dict[str, Any]:
    deployment = build_deployment(model_of({"source": SOURCE, "server": server}), SETTINGS, ARTIFACT)
    assert deployment is not None
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def server_settings(pod: dict[str, Any]) -> ServerSettings:
    """What the server makes of its arguments."""
    (container,) = pod["containers"]
    return parse_settings(container["args"], {})


@pytest.mark.parametrize("options", [{}, {"maxConnectionAgeSeconds": 0}, {"maxConnectionAgeSeconds": 3_600}])
@pytest.mark.parametrize("seconds", [0, 30, 86_400])
def test_a_server_has_ended_by_itself_before_kubelet_ends_it(seconds: int, options: dict[str, int]) -> None:
    pod = server_pod(rollout={"drainSeconds": seconds}, options=options)
    settings = server_settings(pod)
    assert settings.grace_seconds == seconds
    departures = longest_connection_seconds(settings.max_connection_age_seconds)
    longest = settings.drain_delay_seconds + departures + settings.grace_seconds
    assert longest + 20 < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("deadline", [60, 1200, 86_400])
def test_a_server_that_hangs_is_started_anew_before_the_rollout_has_failed(deadline: int) -> None:
    (container,) = server_pod(rollout={"progressDeadlineSeconds": deadline})["containers"]
    probe = container["startupProbe"]
    assert 0 < probe["periodSeconds"] * probe["failureThreshold"] < deadline


def test_pods_that_an_affinity_does_not_name_are_the_models_own_servers() -> None:
    away = {"podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}, "weight": 1}
    near = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "gateway"}}}
    pod = server_pod(
        affinity={"podAntiAffinity": {PREFERRED: [away]}, "podAffinity": {REQUIRED: [near]}},
        topologySpreadConstraints=[{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}],
    )
    servers = {"matchLabels": server_labels("m")}
    (preferred,) = pod["affinity"]["podAntiAffinity"][PREFERRED]
    (spread,) = pod["topologySpreadConstraints"]
    assert preferred["podAffinityTerm"]["labelSelector"] == spread["labelSelector"] == servers
    assert pod["affinity"]["podAffinity"] == {REQUIRED: [near]}


@pytest.mark.parametrize("where", [PullPlacement.LIKE_SERVERS, PullPlacement.WITH_SERVERS])
def test_a_volume_of_one_node_takes_the_pull_to_nodes_that_the_servers_need(where: PullPlacement) -> None:
    zone = {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}}
    apart = {REQUIRED: [{"topologyKey": "zone"}]}
    placed = {"server": {"affinity": {"nodeAffinity": zone, "podAntiAffinity": apart}}}
    affinity = pull_pod(placed, where)["affinity"]
    assert affinity["nodeAffinity"] == zone
    assert "podAntiAffinity" not in affinity


OPTIONS: Node = schema()["properties"]["spec"]["properties"]["server"]["properties"]["options"]["properties"]
NUMBERS = {name: node for name, node in OPTIONS.items() if node["type"] == "integer"}


@pytest.mark.parametrize("bound", ["minimum", "maximum"])
@pytest.mark.parametrize("option", NUMBERS)
def test_the_server_takes_what_the_schema_lets_pass(option: str, bound: str) -> None:
    settings = server_settings(server_pod(options={option: NUMBERS[option][bound]}))
    setting = re.sub(r"(?<!^)(?=[A-Z])", "_", option).lower()
    assert getattr(settings, setting) == NUMBERS[option][bound]


@pytest.mark.parametrize("level", OPTIONS["logLevel"]["enum"])
def test_the_server_takes_every_level_of_logging(level: str) -> None:
    assert server_settings(server_pod(options={"logLevel": level})).log_level == level


@pytest.mark.parametrize("page", [True, False])
def test_the_server_serves_the_page_where_the_spec_says_so(*, page: bool) -> None:
    assert server_settings(server_pod(options={"httpPage": page})).http_page is page
    assert not server_settings(server_pod()).http_page


def mounted(pod: dict[str, Any], path: Path | None) -> tuple[str, str, str]:
    """The kind, name and key of what a server finds at a path."""
    assert path is not None
    (container,) = pod["containers"]
    volume = next(one["name"] for one in container["volumeMounts"] if one["mountPath"] == str(path.parent))
    body = next(one for one in pod["volumes"] if one["name"] == volume)
    kind, source = next((kind, body[kind]) for kind in ("secret", "configMap") if kind in body)
    assert not source.get("optional", False)
    (key,) = [item["key"] for item in source["items"] if item["path"] == path.name]
    return kind, source.get("secretName") or source["name"], key


def test_a_server_reads_certificates_tokens_and_words_where_they_are_mounted() -> None:
    pod = server_pod(
        tls={"secretName": "certificate", "clientCA": {"secretName": "authorities", "key": "clients.pem"}},
        auth={"secretRef": {"name": "callers"}},
        options={"profanityWordsRef": {"name": "words", "key": "english.txt"}},
    )
    settings = server_settings(pod)
    assert mounted(pod, settings.tls_certificate_file) == ("secret", "certificate", "tls.crt")
    assert mounted(pod, settings.tls_key_file) == ("secret", "certificate", "tls.key")
    assert mounted(pod, settings.tls_client_ca_file) == ("secret", "authorities", "clients.pem")
    assert mounted(pod, settings.tokens_file) == ("secret", "callers", "tokens")
    assert mounted(pod, settings.profanity_words_file) == ("configMap", "words", "english.txt")
    assert not settings.allow_tokens_without_tls


def test_clients_authorities_are_those_beside_the_certificate_unless_named() -> None:
    pod = server_pod(tls={"secretName": "certificate", "clientCA": {}})
    assert mounted(pod, server_settings(pod).tls_client_ca_file) == ("secret", "certificate", "ca.crt")


def test_tokens_without_tls_are_taken_only_when_told_so() -> None:
    pod = server_pod(auth={"secretRef": {"name": "callers"}, "allowWithoutTLS": True})
    assert server_settings(pod).allow_tokens_without_tls


def test_the_temporary_volume_holds_what_the_server_may_spool() -> None:
    def limit(**options: int) -> int:
        (size,) = [one["emptyDir"]["sizeLimit"] for one in server_pod(options=options)["volumes"] if "emptyDir" in one]
        return int(size.removesuffix("Mi")) << 20

    assert limit() > ServerSettings(model=Path("m")).max_spool_bytes
    assert limit(maxSpoolBytes=1 << 40) > 1 << 40


def budget(**server: Any) -> Any:
    """The spec of the disruption budget, without what it selects."""
    built = build_disruption_budget(model_of({"source": SOURCE, "server": server}))
    return built and {key: value for key, value in built["spec"].items() if "vailable" in key}


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({}, None),
        ({"replicas": 0}, None),
        ({"replicas": 2}, {"maxUnavailable": 1}),
        ({"replicas": 2, "disruption": {"enabled": False}}, None),
        ({"replicas": 4, "disruption": {"maxUnavailable": "50%"}}, {"maxUnavailable": "50%"}),
        ({"replicas": 4, "disruption": {"minAvailable": 3}}, {"minAvailable": 3}),
        ({"disruption": {"maxUnavailable": 0}}, {"maxUnavailable": 0}),
        ({"autoscaling": {"maxReplicas": 2}}, {"maxUnavailable": 1}),
    ],
    ids=str,
)
def test_a_drain_takes_one_of_several_servers_unless_told_otherwise(server: dict[str, Any], expected: Any) -> None:
    assert budget(**server) == expected


@pytest.mark.parametrize(
    ("server", "grpc", "http"),
    [({}, "kubernetes.io/h2c", "http"), ({"tls": {"secretName": "certificate"}}, "https", "https")],
    ids=["plain", "TLS"],
)
def test_the_services_tell_what_is_spoken_at_their_ports(server: dict[str, Any], grpc: str, http: str) -> None:
    model = model_of({"source": SOURCE, "server": server})
    for service in (build_service(model), build_headless_service(model)):
        spoken = {port["name"]: port["appProtocol"] for port in service["spec"]["ports"]}
        assert (spoken["grpc"], spoken["http"]) == (grpc, http)
        assert spoken.get("probe", "http") == "http"


@pytest.mark.parametrize(("kind", "has_probe"), [("ClusterIP", True), ("NodePort", False), ("LoadBalancer", False)])
def test_metrics_are_not_shown_outside_the_cluster(kind: str, *, has_probe: bool) -> None:
    service = build_service(model_of({"source": SOURCE, "server": {"service": {"type": kind}}}))
    assert ("probe" in [port["name"] for port in service["spec"]["ports"]]) is has_probe


def autoscaler_metrics(**autoscaling: Any) -> Any:
    built = build_autoscaler(model_of({"source": SOURCE, "server": {"autoscaling": {"maxReplicas": 2, **autoscaling}}}))
    assert built is not None
    return built["spec"]["metrics"]


def test_without_a_metric_servers_are_scaled_by_their_own_cpu() -> None:
    (metric,) = autoscaler_metrics()
    target = {"type": "Utilization", "averageUtilization": 80}
    assert metric["containerResource"] == {"name": "cpu", "container": "server", "target": target}


@pytest.mark.parametrize("name", ["whisper_server_queue_depth", "whisper_server_active_streams"])
def test_the_server_has_the_metrics_that_servers_may_be_scaled_by(name: str) -> None:
    described = schema()["properties"]["spec"]["properties"]["server"]["properties"]["autoscaling"]["properties"]
    metric = described["metrics"]["items"]["properties"]["pods"]["properties"]["metric"]
    assert name in metric["description"]
    assert f"\n{name} ".encode() in Metrics().expose()


def test_servers_are_scaled_by_a_metric_of_their_own() -> None:
    (metric,) = autoscaler_metrics(metrics=[{"pods": {"averageValue": 8}}])
    assert metric["pods"] == {
        "metric": {"name": "whisper_server_queue_depth"},
        "target": {"type": "AverageValue", "averageValue": "8"},
    }
