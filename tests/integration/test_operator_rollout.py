"""How servers are replaced, as the real Deployment controller does it: by a surge, in place, or all at once."""

import json

from tests.integration.world import JSON, World

OLD, NEW = ({"env": [{"name": "GENERATION", "value": value}]} for value in ("old", "new"))


def generation(pod: JSON) -> str:
    return str(pod["spec"]["containers"][0]["env"][0]["value"])


def pods(world: World) -> list[str]:
    """The generations of the servers that are not on their way out."""
    return sorted(map(generation, world.server_pods()))


def hold(world: World, pod: JSON, *finalizers: str) -> None:
    """Keep a pod that is told to end from going, as calls to finish do; without finalizers, let it go."""
    patch = json.dumps({"metadata": {"finalizers": finalizers}})
    world.kubectl("patch", "pod", pod["metadata"]["name"], "--type=merge", f"--patch={patch}")


def test_a_surge_adds_a_server_before_it_takes_one_away(world: World) -> None:
    world.bring_up(server=OLD)
    world.apply(server=NEW)
    world.until("a new one is added", lambda: pods(world) == ["new", "old"])
    world.serve()
    assert pods(world) == ["new"]


def test_in_place_takes_a_server_away_before_it_adds_one(world: World) -> None:
    in_place = {"replicas": 2, "rollout": {"strategy": "InPlace"}}
    world.bring_up(server={**OLD, **in_place})
    world.apply(server={**NEW, **in_place})
    world.until("one is replaced", lambda: pods(world) == ["new", "old"])
    assert world.condition("Available")["status"] == "True"
    world.serve(replicas=2)
    assert pods(world) == ["new", "new"]


def test_recreate_takes_all_away_first(world: World) -> None:
    recreate = {"replicas": 2, "rollout": {"strategy": "Recreate"}}
    world.bring_up(server={**OLD, **recreate})
    world.apply(server={**NEW, **recreate})
    world.until("all are new", lambda: pods(world) == ["new", "new"])
    world.serve(replicas=2)


def test_the_strategy_can_be_changed_and_changed_back(world: World) -> None:
    def strategy() -> JSON:
        found: JSON = world.get("deployment", "m-server")["spec"]["strategy"]
        return found

    surge = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    world.bring_up()
    world.apply(server={"rollout": {"strategy": "Recreate"}})
    world.until("all are replaced at once", lambda: strategy() == {"type": "Recreate"})
    world.apply()
    world.until("a surge replaces them again", lambda: strategy() == surge)


def test_a_server_that_waits_for_the_gpu_of_an_ending_one_is_a_rollout_and_no_trouble(world: World) -> None:
    in_place = {"rollout": {"strategy": "InPlace"}}
    world.bring_up(server={**OLD, **in_place})
    (old,) = world.server_pods()
    hold(world, old, "tests.example.com/calls")
    world.apply(server={**NEW, **in_place})
    world.until("the new one is made", lambda: pods(world) == ["new"])
    full = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "Insufficient nvidia.com/gpu",
    }
    world.set_status(world.server_pods()[0], conditions=[full])
    world.until_condition("Ready", "False", "RollingOut")
    hold(world, old)
    world.until_condition("Degraded", "True", "Unschedulable")
    world.serve()
