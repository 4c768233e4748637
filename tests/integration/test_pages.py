"""The commands that pages show, typed into a real cluster, with a hand that does the work of kubelets."""

from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.world import World
from tests.support.chart import helm
from tests.support.pages import commands, sections

ROOT = Path(__file__).parents[2]
QUICK_START = sections("quick-start.md")
SCALING = sections("scaling.md")
DRY_RUN = "--dry-run=server"


@pytest.fixture(autouse=True)
def typed_in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages name files from the repository's root."""
    monkeypatch.chdir(ROOT)


def test_the_quick_start_leads_to_a_model_that_serves_scales_and_goes(world: World) -> None:
    apply, wait, get, describe = commands(QUICK_START["A model"], "kubectl")
    assert "whisper-tiny created" in world.kubectl(*apply)
    world.publish(world.until_job(name="whisper-tiny"))
    world.until("it has servers", lambda: bool(world.server_pods("whisper-tiny")))
    world.serve("whisper-tiny")
    assert "condition met" in world.kubectl(*wait)
    assert "ServersReady" in world.kubectl(*get)
    assert "1 of 1 servers are ready" in world.kubectl(*describe)
    for scale in commands(QUICK_START["What next"], "kubectl"):
        world.kubectl(*scale)
        number = int(scale[-1].removeprefix("--replicas="))
        if number:
            world.serve("whisper-tiny", replicas=number)
        else:
            world.until_condition("Ready", "True", "ScaledToZero", "whisper-tiny")
    delete, delete_definition = commands(QUICK_START["Clearing up"], "kubectl")
    world.kubectl(*delete)
    assert not world.exists("whispermodel", "whisper-tiny")
    # The other tests need it: only asked whether that would be done.
    assert "whispermodels.stt.whisper-operator.io" in world.kubectl(*delete_definition, DRY_RUN)


def test_the_quick_start_installs_the_operator_and_uninstalls_it(control_plane: ControlPlane, world: World) -> None:
    (install,) = commands(QUICK_START["The operator"], "helm")
    (uninstall,) = commands(QUICK_START["Clearing up"], "helm")
    assert install[-1] == "--wait"  # no kubelet starts it here
    where = f"--kubeconfig={control_plane.kubectl.kubeconfig}"
    assert "rollout status deployment/whisper-operator" in helm(*install[:-1], where)
    assert "uninstalled" in helm(*uninstall, where)
    control_plane.kubectl("delete", "namespace", "whisper-operator", "--wait=false")


def test_the_commands_about_scaling_work(world: World) -> None:
    world.bring_up("my-whisper", server={"autoscaling": {"maxReplicas": 3}})
    scale, get = commands(SCALING["By hand"], "kubectl")
    world.kubectl(*scale)
    world.serve("my-whisper", replicas=3)
    assert "3/3" in world.kubectl(*get)
    _, describe = commands(SCALING["By an autoscaler"], "kubectl")
    assert "WhisperModel/my-whisper" in world.kubectl(*describe)
    to_zero, back = commands(SCALING["To zero and back"], "kubectl")
    world.kubectl(*to_zero)
    world.until_condition("Ready", "True", "ScaledToZero", "my-whisper")
    world.until_condition("Available", "False", "ScaledToZero", "my-whisper")
    world.kubectl(*back)
    world.serve("my-whisper")


def test_the_commands_about_claims_work(world: World) -> None:
    world.apply("my-whisper")
    pull = world.until_job(name="my-whisper")
    world.fail_pull(pull, 73)
    world.until_condition("Degraded", "True", "ClaimNotWritable", "my-whisper")
    ask, retry = commands(sections("claims.md")["Who may write"], "kubectl")
    world.kubectl(*retry)
    assert world.until_job(attempt=2, name="my-whisper")
    assert "FSGROUPPOLICY" in world.kubectl(*ask)
