"""An operator with another default image replaces the servers of a few models at a time, whatever becomes of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.operator_process import SERVER_IMAGE, OperatorProcess
from tests.integration.world import JSON, World

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c", "d", "e")
NEW_IMAGE, MENDED_IMAGE = (f"registry.example.com/whisper-server:{number}" for number in (2, 3))
AT_A_TIME = 3

Start = Callable[[str], OperatorProcess]


@pytest.fixture
def start(lone_world: World, operator_kubeconfig: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts an operator with this default image in place of the one before; the last one is stopped."""
    running: list[OperatorProcess] = []

    def start_another(image: str) -> OperatorProcess:
        for process in running:
            process.stop()
        where = f"--namespaces={lone_world.namespace}"
        process = OperatorProcess(operator_kubeconfig, tmp_path / image[-1], where, f"--server-image={image}")
        running[:] = [process]
        process.start()
        return process

    yield start_another
    for process in running:
        print(process.story())
        process.stop()
        assert not process.defects()


def images(world: World) -> list[str]:
    """The image that each model's Deployment asks for."""
    found = (world.get("deployment", f"{name}-server") for name in NAMES)
    return [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found]


def rolling(world: World, image: str) -> list[str]:
    """The models whose servers are being replaced by some with this image."""
    return [
        name for name, its in zip(NAMES, images(world), strict=True) if its == image and not is_complete(world, name)
    ]


def is_complete(world: World, name: str) -> bool:
    deployment: JSON = world.get("deployment", f"{name}-server")
    reasons = [one["reason"] for one in deployment["status"].get("conditions", []) if one["type"] == "Progressing"]
    observed = deployment["status"].get("observedGeneration") == deployment["metadata"]["generation"]
    return observed and reasons == ["NewReplicaSetAvailable"]


def test_an_upgrade_replaces_the_servers_of_a_few_models_at_a_time(lone_world: World, start: Start) -> None:
    world = lone_world
    start(SERVER_IMAGE)
    for name in NAMES:
        world.bring_up(name)
    start(NEW_IMAGE)
    world.until("the first are being replaced", lambda: len(rolling(world, NEW_IMAGE)) == AT_A_TIME)
    waiting = [name for name, image in zip(NAMES, images(world), strict=True) if image == SERVER_IMAGE]
    for name in waiting:
        world.until_condition("Progressing", "True", "WaitingForRollouts", name)
        assert world.condition("Ready", name)["status"] == "True"
    start(NEW_IMAGE)  # anew, in the middle of it
    done: set[str] = set()
    while done != set(NAMES):
        world.until("one has its turn", lambda: bool(rolling(world, NEW_IMAGE)))
        now = rolling(world, NEW_IMAGE)
        assert len(now) <= AT_A_TIME
        world.serve(now[0])
        done.add(now[0])
    for name in NAMES:
        world.until_condition("Progressing", "False", "ServersReady", name)


def test_an_image_that_does_not_run_stops_after_a_few_models_and_a_better_one_goes_on(
    lone_world: World, start: Start
) -> None:
    world = lone_world
    deadline = {"rollout": {"progressDeadlineSeconds": 20}}
    start(SERVER_IMAGE)
    for name in NAMES:
        world.bring_up(name, server=deadline)
    start(NEW_IMAGE)
    world.until("the first are being replaced", lambda: len(rolling(world, NEW_IMAGE)) == AT_A_TIME)
    stuck = rolling(world, NEW_IMAGE)
    for name in stuck:
        world.until_condition("Degraded", "True", "ServersUnavailable", name)
        assert world.condition("Available", name)["status"] == "True"
    assert rolling(world, NEW_IMAGE) == stuck
    start(MENDED_IMAGE)
    world.until("who has the bad one gets the better one", lambda: rolling(world, MENDED_IMAGE) == stuck)
    for name in stuck:
        world.serve(name)
    world.until("the others follow", lambda: MENDED_IMAGE in images(world) and SERVER_IMAGE not in images(world))
