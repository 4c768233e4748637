"""Autoscaling on the real autoscaler, as far as it goes without a source of metrics: it keeps to the bounds."""

import json

from tests.integration.world import JSON, World


def replicas(world: World) -> int:
    return int(world.get("whispermodel", "m")["spec"]["server"]["replicas"])


def autoscaler_says(world: World, kind: str) -> tuple[str, str]:
    status: JSON = world.get("horizontalpodautoscaler", "m-server").get("status", {})
    conditions = {one["type"]: (one["status"], one["reason"]) for one in status.get("conditions", [])}
    return conditions.get(kind, ("", ""))


def manifest(**server: object) -> str:
    """What a person applies."""
    spec = {"source": {"s3": {"bucket": "models", "key": "m.tar.zst"}}, "server": server}
    model = {"apiVersion": "stt.whisper-operator.io/v1alpha1", "kind": "WhisperModel", "metadata": {"name": "m"}}
    return json.dumps({**model, "spec": spec})


BETWEEN_TWO_AND_THREE = {"minReplicas": 2, "maxReplicas": 3}


def test_the_autoscaler_scales_the_model_and_the_servers_follow(world: World) -> None:
    world.bring_up(server={"autoscaling": BETWEEN_TWO_AND_THREE})
    world.until("the autoscaler has set the fewest", lambda: replicas(world) == 2)
    assert autoscaler_says(world, "AbleToScale")[0] == "True"
    assert world.get("horizontalpodautoscaler", "m-server")["spec"]["scaleTargetRef"] == {
        "apiVersion": "stt.whisper-operator.io/v1alpha1",
        "kind": "WhisperModel",
        "name": "m",
    }
    world.serve(replicas=2)
    # What the operator tells of, once it has lasted: nothing here offers metrics.
    without = ("False", "FailedGetContainerResourceMetric")
    world.until("it has no metrics", lambda: autoscaler_says(world, "ScalingActive") == without)


def test_who_leaves_replicas_out_leaves_them_to_the_autoscaler(world: World) -> None:
    world.bring_up(server={"autoscaling": BETWEEN_TWO_AND_THREE})
    world.until("the autoscaler has set the fewest", lambda: replicas(world) == 2)
    for apply in (("apply",), ("apply", "--server-side", "--force-conflicts")):
        world.kubectl(*apply, "--filename=-", stdin=manifest(autoscaling=BETWEEN_TWO_AND_THREE, device="cpu"))
        assert replicas(world) == 2


def test_an_apply_that_holds_replicas_sets_them_back_until_the_autoscaler_sets_them_again(world: World) -> None:
    """The API server records no owner of what the scale of a custom resource sets: there is no conflict to see."""
    world.bring_up(server={"autoscaling": BETWEEN_TWO_AND_THREE})
    world.until("the autoscaler has set the fewest", lambda: replicas(world) == 2)
    said = world.kubectl(
        "apply", "--server-side", "--filename=-", stdin=manifest(autoscaling=BETWEEN_TWO_AND_THREE, replicas=1)
    )
    assert "serverside-applied" in said
    world.until("the autoscaler has set the fewest again", lambda: replicas(world) == 2)


def test_zero_switches_the_autoscaler_off(world: World) -> None:
    world.bring_up(server={"autoscaling": {"maxReplicas": 3}})
    world.kubectl("scale", "wm", "m", "--replicas=0")
    world.until_condition("Ready", "True", "ScaledToZero")
    world.until("it is off", lambda: autoscaler_says(world, "ScalingActive") == ("False", "ScalingDisabled"))
    assert replicas(world) == 0
    world.kubectl("scale", "wm", "m", "--replicas=1")
    world.serve()


def test_an_autoscaler_that_is_no_longer_wanted_goes_and_one_that_somebody_deletes_comes_back(world: World) -> None:
    world.bring_up(server={"autoscaling": {"maxReplicas": 3}})
    before = world.get("horizontalpodautoscaler", "m-server")["metadata"]["uid"]
    world.kubectl("delete", "hpa", "m-server")
    world.until("it is back", lambda: world.exists("horizontalpodautoscaler", "m-server"))
    assert world.get("horizontalpodautoscaler", "m-server")["metadata"]["uid"] != before
    world.apply()
    world.until("it is gone", lambda: not world.exists("horizontalpodautoscaler", "m-server"))
