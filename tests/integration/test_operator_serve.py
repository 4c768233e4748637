"""From a published artifact to ready servers: Deployment, Service, scale, and change while the old artifact serves."""

import pytest

from tests.integration.operator_process import OperatorProcess
from tests.integration.world import DIGEST, JSON, OTHER_DIGEST, World
from whisper_operator.api import names


def container(world: World) -> JSON:
    (found,) = world.get("deployment", "m-server")["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_a_model_becomes_ready_when_its_servers_are(world: World) -> None:
    world.apply(server={"replicas": 2})
    world.publish(world.until_job())
    world.until_condition("Ready", "False", "RollingOut")
    world.until("both pods are there", lambda: len(world.server_pods()) == 2)
    world.make_ready(world.server_pods()[0])
    available = world.until_condition("Available", "True", "ServersReady")
    assert "1 of 2 servers are ready" in available["message"]
    assert world.condition("Ready")["status"] == "False"
    world.serve(replicas=2)
    status = world.status()
    assert (status["replicas"], status["readyReplicas"], status["ready"]) == (2, 2, "2/2")
    host = f"m.{world.namespace}.svc"
    assert status["endpoints"] == {"grpc": f"{host}:50051", "http": f"{host}:8000"}
    assert container(world)["args"][:4] == ["--model", "/models/artifacts/" + "a" * 64, "--model-name", "m"]


def test_the_service_selects_the_servers(world: World) -> None:
    world.bring_up()
    (pod,) = world.server_pods()
    service = world.get("service", "m")
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert ports == {"grpc": 50051, "http": 8000, "probe": 8001}


def test_the_headless_service_resolves_to_each_server(world: World) -> None:
    world.bring_up()
    (pod,) = world.server_pods()
    service = world.get("service", "m-headless")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert [port["name"] for port in service["spec"]["ports"]] == ["grpc", "http"]


def test_a_drain_may_take_one_of_several_servers_away_at_a_time(world: World) -> None:
    world.bring_up(server={"replicas": 2})
    world.until("there is a budget", lambda: world.exists("poddisruptionbudget", "m-server"))
    world.until("one may go", lambda: disruptions_allowed(world) == 1)
    world.apply(server={"replicas": 2, "disruption": {"minAvailable": 2}})
    world.until("none may go", lambda: disruptions_allowed(world) == 0)
    world.apply(server={"replicas": 2, "disruption": {"enabled": False}})
    world.until("there is none", lambda: not world.exists("poddisruptionbudget", "m-server"))
    world.apply(server={"replicas": 2})
    world.until("there is one again", lambda: world.exists("poddisruptionbudget", "m-server"))


def disruptions_allowed(world: World) -> int:
    status: JSON = world.get("poddisruptionbudget", "m-server").get("status", {})
    return int(status.get("disruptionsAllowed", -1))


def test_somebody_elses_budget_is_left_alone(world: World) -> None:
    theirs: JSON = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "m-server"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "theirs"}}},
    }
    world.make(theirs)
    world.bring_up()
    world.apply(server={"replicas": 2})
    degraded = world.until_condition("Degraded", "True", "SpecInvalid")
    assert "The PodDisruptionBudget m-server exists and is not this WhisperModel's" in degraded["message"]
    world.kubectl("delete", "pdb", "m-server")
    world.serve(replicas=2)


def test_the_columns_tell_how_it_stands(world: World) -> None:
    world.bring_up()
    header, row = (line.split() for line in world.kubectl("get", "wm").splitlines())
    assert header == ["NAME", "SOURCE", "ARTIFACT", "PULL%", "SERVERS", "READY", "REASON", "AGE"]
    assert row[:6] == ["m", "s3://models/m.tar.zst", "a" * 12, "1/1", "True", "ServersReady"]


def test_kubectl_scale_works_on_the_model(world: World) -> None:
    world.bring_up()
    world.kubectl("scale", "wm", "m", "--replicas=3")
    world.until("three servers are wanted", lambda: len(world.server_pods()) == 3)
    world.serve(replicas=3)
    scale = world.get_raw("/apis/stt.whisper-operator.io/v1alpha1", "whispermodels/m/scale")
    assert scale["status"]["replicas"] == 3
    selected = world.select("pod", scale["status"]["selector"])
    assert len(selected) == 3


def test_scaled_to_zero_it_is_ready_and_not_available(world: World) -> None:
    world.bring_up()
    world.kubectl("scale", "wm", "m", "--replicas=0")
    world.until_condition("Ready", "True", "ScaledToZero")
    world.until_condition("Available", "False", "ScaledToZero")
    assert world.status()["ready"] == "0/0"
    assert not world.server_pods()
    world.kubectl("scale", "wm", "m", "--replicas=1")
    world.serve()


def test_the_old_artifact_serves_until_the_new_one_is_published(world: World) -> None:
    before = world.bring_up()
    (old,) = world.server_pods()
    world.apply(sha256="0" * 64)
    pull = world.until_job(instead_of=before)
    world.until_condition("Ready", "False", "Pulling")
    assert world.condition("Available")["status"] == "True"
    assert world.status()["artifact"]["digest"] == DIGEST
    assert [pod["metadata"]["name"] for pod in world.server_pods()] == [old["metadata"]["name"]]
    world.publish(pull, OTHER_DIGEST)
    world.until("a server of the new one is added", lambda: len(world.server_pods()) == 2)
    assert world.condition("Available")["status"] == "True"
    world.serve()
    assert "/models/artifacts/" + "b" * 64 in container(world)["args"]
    assert world.status()["artifact"]["digest"] == OTHER_DIGEST


def test_a_new_pull_that_fails_leaves_the_old_artifact_serving(world: World) -> None:
    before = world.bring_up()
    world.apply(sha256="0" * 64)
    world.fail_pull(world.until_job(instead_of=before), 68)
    world.until_condition("Ready", "False", "ChecksumMismatch")
    assert world.condition("Available")["status"] == "True"
    assert world.status()["artifact"]["digest"] == DIGEST
    world.until("the attempt is given up", lambda: world.status()["target"]["state"] == "Failed")


def test_going_back_to_the_old_inputs_serves_the_old_artifact_again(world: World) -> None:
    before = world.bring_up()
    world.apply(sha256="0" * 64)
    second = world.until_job(instead_of=before)
    world.fail_pull(second, 68)
    world.until_condition("Ready", "False", "ChecksumMismatch")
    world.apply()
    world.publish(world.until_job(instead_of=second))
    world.serve()


def test_a_change_of_the_server_rolls_out_and_pulls_nothing(world: World) -> None:
    world.bring_up()
    before = [job["metadata"]["uid"] for job in world.jobs()]
    world.apply(server={"env": [{"name": "WHISPER_SERVER_LOG_LEVEL", "value": "debug"}]})
    world.until_condition("Ready", "False", "RollingOut")
    world.serve()
    assert container(world)["env"] == [{"name": "WHISPER_SERVER_LOG_LEVEL", "value": "debug"}]
    assert [job["metadata"]["uid"] for job in world.jobs()] == before


def test_a_change_of_the_servers_names_the_field_that_caused_it(world: World, operator: OperatorProcess) -> None:
    world.bring_up()
    world.apply(server={"image": "registry.example.com/whisper-server:2", "podLabels": {"team": "speech"}})
    world.until_condition("Ready", "False", "RollingOut")
    cause = "a rollout is under way: spec.server.image, spec.server.podLabels.team changed"
    assert cause in world.condition("Ready")["message"]
    world.until("an event tells", lambda: any(cause in event["note"] for event in world.select("event")))
    world.until("the log tells", lambda: "updated the servers: spec.server.image" in operator.new_log())
    world.serve()
    world.kubectl("scale", "wm", "m", "--replicas=2")
    world.until("it is scaled", lambda: "spec.server.replicas changed" in world.condition("Ready").get("message", ""))
    world.serve(replicas=2)


def test_servers_are_kept_apart_and_spread(world: World) -> None:
    apart = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]}
    spread = {"topologyKey": "topology.kubernetes.io/zone"}
    world.bring_up(server={"affinity": {"podAntiAffinity": apart}, "topologySpreadConstraints": [spread]})
    (pod,) = world.server_pods()
    (term,) = pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (constraint,) = pod["spec"]["topologySpreadConstraints"]
    for selector in (term["labelSelector"], constraint["labelSelector"]):
        assert selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert (constraint["maxSkew"], constraint["whenUnsatisfiable"]) == (1, "ScheduleAnyway")


def test_a_field_that_is_no_longer_wanted_goes(world: World) -> None:
    world.bring_up(server={"podLabels": {"team": "speech"}})
    world.apply()
    world.until("the label is gone", lambda: "team" not in str(world.get("deployment", "m-server")["spec"]["template"]))


@pytest.mark.parametrize(
    "kind", ["deployment/m-server", "service/m", "service/m-headless", "poddisruptionbudget/m-server"]
)
def test_what_somebody_deletes_comes_back(world: World, kind: str) -> None:
    world.bring_up(server={"replicas": 2})
    before = world.get(*kind.split("/"))["metadata"]["uid"]
    world.kubectl("delete", kind)
    world.until(f"{kind} is back", lambda: world.exists(*kind.split("/")))
    assert world.get(*kind.split("/"))["metadata"]["uid"] != before


def test_what_somebody_changes_is_set_right(world: World) -> None:
    world.bring_up()
    world.kubectl("scale", "deployment", "m-server", "--replicas=5")
    world.until("one server is wanted", lambda: world.get("deployment", "m-server")["spec"]["replicas"] == 1)


def test_of_what_somebody_notes_on_an_object_only_what_is_ours_is_set_right(world: World) -> None:
    world.bring_up()
    world.kubectl("label", "service", "m", f"{names.LABEL_COMPONENT}=theirs", "team=speech", "--overwrite")

    def labels() -> JSON:
        found = world.get("service", "m")["metadata"]["labels"]
        assert isinstance(found, dict)
        return found

    world.until("the component is ours", lambda: labels()[names.LABEL_COMPONENT] == names.COMPONENT_SERVER)
    assert labels()["team"] == "speech"


def test_a_rollout_that_somebody_pauses_goes_on(world: World) -> None:
    world.bring_up()
    before = world.get("deployment", "m-server")["metadata"]["generation"]
    world.kubectl("rollout", "pause", "deployment/m-server")

    def goes_on() -> bool:
        deployment = world.get("deployment", "m-server")
        return deployment["metadata"]["generation"] > before + 1 and "paused" not in deployment["spec"]

    world.until("it is paused no more", goes_on)


def test_a_server_that_cannot_warm_up_says_why(world: World) -> None:
    world.bring_up()
    world.crash(world.server_pods()[0], 1, "WarmUpFailed", "CUDA failed: out of memory")
    degraded = world.until_condition("Degraded", "True", "WarmUpFailed")
    assert "CUDA failed: out of memory" in degraded["message"]
    world.serve()
    world.until_condition("Degraded", "False", "ServersReady")


def test_an_artifact_that_is_missing_is_pulled_again(world: World) -> None:
    world.bring_up()
    world.crash(world.server_pods()[0], 75, "ArtifactMissing", "/models/artifacts/aaaa is not there")
    world.until_condition("ArtifactReady", "False", "ArtifactMissing")
    # Else it follows when the minute after the first attempt has passed.
    world.kubectl("annotate", "wm", "m", "stt.whisper-operator.io/retry=now")
    world.publish(world.until_job(attempt=2))
    world.until_condition("ArtifactReady", "True", "Published")
    world.serve()


def test_servers_that_a_quota_forbids_are_told(world: World) -> None:
    world.bring_up()
    quota: JSON = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "1"}},
    }
    world.make(quota)
    world.until("the quota holds", lambda: "used" in world.get("quota", "q").get("status", {}))
    world.kubectl("scale", "wm", "m", "--replicas=3")
    degraded = world.until_condition("Degraded", "True", "PodsForbidden")
    assert "exceeded quota" in degraded["message"]


@pytest.mark.parametrize("field", ["priorityClassName", "runtimeClassName", "serviceAccountName"])
def test_a_class_or_an_account_that_is_not_there_is_told_by_its_name_and_field(world: World, field: str) -> None:
    kind = field.removesuffix("Name")[0].upper() + field.removesuffix("Name")[1:]
    world.apply(server={field: "nobody-made-it"})
    world.publish(world.until_job())
    degraded = world.until_condition("Degraded", "True", "PodsForbidden")
    assert "nobody-made-it" in degraded["message"]
    assert degraded["message"].rpartition("Create ")[2].startswith(f"the {kind}, or correct server.{field}")
    world.apply()
    world.serve()


def test_an_account_that_a_pull_does_not_find_is_told_too(world: World) -> None:
    world.apply(pull={"serviceAccountName": "nobody-made-it"})
    degraded = world.until_condition("Degraded", "True", "PodsForbidden")
    assert degraded["message"].endswith("Create the ServiceAccount, or correct pull.serviceAccountName.")


def test_somebody_elses_service_of_that_name_is_left_alone(world: World) -> None:
    theirs: JSON = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "m"}, "spec": {"ports": [{"port": 80}]}}
    world.make(theirs)
    world.apply()
    world.publish(world.until_job())
    degraded = world.until_condition("Degraded", "True", "SpecInvalid")
    assert "The Service m exists and is not this WhisperModel's" in degraded["message"]
    assert world.get("service", "m")["spec"]["ports"][0]["port"] == 80
    world.kubectl("delete", "service", "m")
    world.serve()


def test_what_only_the_api_server_finds_wrong_is_told(world: World) -> None:
    # The schema knows no rule for the keys of labels.
    world.apply(server={"podLabels": {"not a label": "x"}})
    world.publish(world.until_job())
    degraded = world.until_condition("Degraded", "True", "SpecInvalid")
    assert "not a label" in degraded["message"]


def test_events_tell_the_story(world: World) -> None:
    world.bring_up()
    world.until("all is told", lambda: "ServersReady" in reasons(world))
    # Publishing is told when the operator looks between the end of the pod and that of its Job.
    story = [reason for reason in reasons(world) if reason != "Publishing"]
    assert story == ["Pulling", "Published", "RollingOut", "ServersReady"]
    (published,) = (event for event in world.select("event") if event["reason"] == "Published")
    assert published["note"] == f"The artifact {DIGEST} is published."


def reasons(world: World) -> list[str]:
    events = world.select("event")
    ours = [event for event in events if event["regarding"]["kind"] == "WhisperModel"]
    return [event["reason"] for event in sorted(ours, key=lambda event: str(event["eventTime"]))]
