"""The commands that pages show, typed into a real cluster, with a hand that does the work of kubelets."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.world import World
from tests.support.chart import helm
from tests.support.documents import read_yamls
from tests.support.pages import DOCS, commands, sections
from tests.support.whispermodels import minimal, model

ROOT = Path(__file__).parents[2]
QUICK_START = sections("quick-start.md")
SCALING = sections("scaling.md")
INSTALLING = sections("installing.md")
STORAGE = sections("storage.md")
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


def test_the_operator_is_installed_upgraded_rolled_back_and_uninstalled(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    (install,) = commands(QUICK_START["The operator"], "helm")
    (uninstall,) = commands(QUICK_START["Clearing up"], "helm")
    assert install[-1] == "--wait"  # no kubelet starts it here
    where = f"--kubeconfig={control_plane.kubectl.kubeconfig}"
    assert "rollout status deployment/whisper-operator" in helm(*install[:-1], where)
    values = tmp_path / "values.yaml"
    values.write_text("operator: {replicas: 2}\nmonitoring: {dashboards: {create: true}}\n")
    upgrade(control_plane, values)
    template, again = (with_values(call, values) for call in commands(INSTALLING["Install it"], "helm"))
    assert "replicas: 2" in helm(*template)
    assert again[:-1] == [*install[:-1], "--values"]
    definition, history, rollback = commands(INSTALLING["Upgrade"], "helm")[2:]
    assert "STATUS: deployed" in helm(*definition, where)
    helm("uninstall", definition[2], *definition[4:6], where)
    assert "Upgrade complete" in helm(*history, where)
    helm(*rollback, where)
    rollout, lease = commands(INSTALLING["Install it"], "kubectl")
    assert rollout[2] in helm("get", "notes", *install[1:2], *install[3:5], where)
    control_plane.kubectl(*lease)  # the operator, which no kubelet starts here, would make one
    assert "uninstalled" in helm(*uninstall, where)
    control_plane.kubectl("delete", "namespace", "whisper-operator", "--wait=false")


def test_a_model_that_waits_for_an_operator_that_is_gone_can_be_let_go(world: World) -> None:
    *_, patch = commands(INSTALLING["Uninstall it"], "kubectl")
    body = model(minimal(), "waits")
    body["metadata"]["finalizers"] = ["example.com/nobody"]
    world.kubectl("create", "--filename=-", stdin=json.dumps(body))
    world.kubectl("delete", "wm", "waits", "--wait=false")
    world.kubectl(*(word.replace("NAME", "waits") for word in patch))
    world.until("it is gone", lambda: not world.exists("whispermodel", "waits"))


def test_models_definition_and_namespace_can_be_uninstalled(control_plane: ControlPlane, world: World) -> None:
    world.apply("my-whisper")
    see, *remove, _ = commands(INSTALLING["Uninstall it"], "kubectl")
    assert "my-whisper" in world.kubectl(*see)
    told = ""
    for call in remove:  # others need them: only asked whether that would be done
        named = [world.namespace if word == "whisper-operator" else word for word in call]
        told += control_plane.kubectl(*named, DRY_RUN)
    for gone in ("my-whisper", "whispermodels.stt.whisper-operator.io", world.namespace):
        assert f'"{gone}" deleted' in told


def test_the_commands_about_the_store_tell_what_is_in_use_and_who_pulls(world: World, tmp_path: Path) -> None:
    world.bring_up("serves")
    world.apply("pulls")
    (job,) = world.until_job(name="pulls")["metadata"]["ownerReferences"]
    in_use, pulls = commands(sections("store.md")["Giving space back"], "kubectl")
    (pipeline,) = re.findall(r"^\$ kubectl get whispermodels.*?(\|.*)$", (DOCS / "store.md").read_text(), re.MULTILINE)
    objects = world.kubectl(*in_use)
    subprocess.run(["bash", "-ec", f"cat {pipeline}"], cwd=tmp_path, input=objects, text=True, check=True)
    digest = world.get("whispermodel", "serves")["status"]["artifact"]["digest"]
    assert digest in (tmp_path / "in-use.txt").read_text().splitlines()
    world.until("the Job has a pod", lambda: job["uid"] in world.kubectl(*pulls))


def test_the_commands_about_alerts_work(world: World) -> None:
    world.bring_up("my-whisper")
    text = (DOCS / "alerts.md").read_text()
    for name, value in {"NAMESPACE": world.namespace, "NAME": "my-whisper", "$(date +%s)": "1700000000"}.items():
        text = text.replace(name, value)
    tried = [call for call in commands(text, "kubectl") if "logs" not in call]  # for those there is no kubelet here
    assert {call[0] for call in tried} == {"-n", "get"}
    for call in tried:
        world.kubectl(*call)


def test_the_commands_about_security_work(world: World) -> None:
    text = (DOCS / "security.md").read_text()
    label, may = commands(
        text.replace("namespace whisper-operator pod-", f"namespace {world.namespace} pod-"), "kubectl"
    )
    assert "labeled" in world.kubectl(*label, DRY_RUN)
    world.kubectl(*may)
    (template,) = commands(text, "helm")
    assert read_yamls(helm(*template))[0]["kind"] == "ClusterRole"


def upgrade(control_plane: ControlPlane, values: Path) -> None:
    """As the page says: first the definition, then the chart."""
    show, upgrade = commands(INSTALLING["Upgrade"], "helm")[:2]
    (apply,) = commands(INSTALLING["Upgrade"], "kubectl")
    assert "serverside-applied" in control_plane.kubectl(*apply, stdin=helm(*show))
    where = f"--kubeconfig={control_plane.kubectl.kubeconfig}"
    assert "STATUS: deployed" in helm(*with_values(upgrade, values), where)


def with_values(call: list[str], file: Path) -> list[str]:
    return [str(file) if word == "values.yaml" else word for word in call]


def test_the_pages_secrets_and_configmaps_can_be_made(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "login").mkdir()
    for name in ("PATH-OF-THE-KEY-FILE", "PATH-OF-THE-PEM-FILE", "login/token"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "clip.flac").write_text("a recording")
    made = [call for page in ("sources.md", "server.md") for call in commands((DOCS / page).read_text(), "kubectl")]
    assert {call[0] for call in made} == {"create"}
    for call in made:
        assert "created (server dry run)" in control_plane.kubectl(*call, DRY_RUN)


def test_the_commands_about_storage_and_policies_work(world: World) -> None:
    ask, drivers = commands(STORAGE["Is there one already?"], "kubectl")
    apply, claim = commands(STORAGE["Which storage"], "kubectl")
    world.kubectl(*apply)
    try:
        assert "whisper-nfs" in world.kubectl(*ask)
        assert "FSGROUPPOLICY" in world.kubectl(*drivers)
        assert "Pending" in world.kubectl(*claim)
    finally:
        world.kubectl("delete", "storageclass", "whisper-nfs")
    (policies,) = commands(sections("air-gap.md")["What calls what"], "kubectl")
    assert "networkpolicy.networking.k8s.io/whisper-servers created" in world.kubectl(*policies)


def test_the_commands_about_gpu_nodes_tell_how_many_gpus_they_have_and_share_them(control_plane: ControlPlane) -> None:
    (ask,) = commands(sections("gpus.md")["What the nodes need"], "kubectl")
    (share,) = commands(sections("gpus.md")["One GPU for several servers"], "kubectl")
    control_plane.kubectl("create", "namespace", share[-1])
    assert "configmap/time-slicing created" in control_plane.kubectl(*share)
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "gpu-node"},
        "status": {"allocatable": {"nvidia.com/gpu": "4"}},
    }
    control_plane.kubectl("create", "--filename=-", stdin=json.dumps(node))
    try:
        lines = [line.split() for line in control_plane.kubectl(*ask).splitlines()]
        assert lines[0] == ["NODE", "GPUS"]
        assert ["gpu-node", "4"] in lines
    finally:
        control_plane.kubectl("delete", "node", "gpu-node")


def test_the_readme_says_how_to_apply_a_model_and_wait_for_it(world: World) -> None:
    readme = (ROOT / "README.md").read_text()
    apply, wait, _ = commands(readme, "kubectl")
    assert "created (server dry run)" in world.kubectl(*apply, DRY_RUN)
    (example,) = read_yamls((ROOT / apply[-1]).read_text())
    assert f"wm/{example['metadata']['name']}" in wait
    assert "--for=condition=Ready" in wait
    (install,) = commands(readme, "helm")
    assert "registry.example.com/speech/whisper-operator:" in helm("template", *install[1:])


def test_the_commands_about_reasons_tell_the_story_in_its_order(world: World) -> None:
    world.bring_up("my-whisper")
    calls = commands((ROOT / "docs" / "reference" / "reasons.md").read_text(), "kubectl")
    get, describe, events, retry = ([word.replace("NAME", "my-whisper") for word in call] for call in calls)
    assert world.kubectl(*get).rstrip().endswith("1 of 1 servers are ready.")
    story = ["Pulling", "Published", "RollingOut", "ServersReady"]
    for told in (world.kubectl(*describe), world.kubectl(*events), world.kubectl("get", "events")):
        _, _, tail = told.rpartition("Events:")
        assert [word for word in tail.split() if word in story] == story
    assert "condition met" in world.kubectl("wait", "--for=condition=Ready", "wm/my-whisper")
    assert "annotated" in world.kubectl(*retry)


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
