"""The chart against a real API server: what it renders is taken without a warning, installs, and grants no more."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import kubernetes.config
import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.kubeconfig import Kubectl
from tests.cluster.processes import wait_until
from tests.integration.world import PATIENCE_SECONDS
from tests.support.chart import (
    CASES,
    CHART,
    CRDS_CHART,
    RELEASE,
    HelmError,
    environment,
    helm,
    of_kind,
    render,
    render_text,
)
from tests.support.whispermodels import install_crd, minimal, model, schema
from whisper_operator.checking import check
from whisper_operator.cli import build_parser
from whisper_operator.election import Election
from whisper_operator.kube.client import KubeClient
from whisper_operator.settings import Settings, read_settings

# The control plane has no Prometheus Operator, so not its resources either.
WITHOUT_PROMETHEUS = ("--set=monitoring.podMonitors.create=false", "--set=monitoring.rules.create=false")
# Not a part of what is installed: helm makes it when it is asked to test.
WITHOUT_TESTS = "--skip-tests"
# Not the namespace that the operator of the other tests has its rights in.
NAMESPACE = "chart"
CRD = "whispermodels.stt.whisper-operator.io"
RESTRICTED = "pod-security.kubernetes.io/warn=restricted"
LEASE = f"{RELEASE}-whisper-operator"
SCHEMA = "/spec/versions/0/schema/openAPIV3Schema"
#: Makes a definition one of an earlier version.
EARLIER = [
    {"op": "add", "path": f"{SCHEMA}/description", "value": "Of an earlier version."},
    {"op": "remove", "path": f"{SCHEMA}/properties/spec/properties/server/properties/goldenClip"},
]
OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}-whisper-operator"


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane) -> Iterator[Kubectl]:
    kubectl = control_plane.kubectl
    for namespace in (NAMESPACE, "team-a", "team-b"):
        kubectl("create", "namespace", namespace)
        kubectl("label", "namespace", namespace, RESTRICTED)
    yield kubectl
    kubectl("delete", "namespace", NAMESPACE, "team-a", "team-b", "--wait=false")


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_all_that_is_rendered_is_taken_without_a_warning(kubectl: Kubectl, arguments: tuple[str, ...]) -> None:
    install_crd(kubectl)
    rendered = render_text(*arguments, *WITHOUT_PROMETHEUS, WITHOUT_TESTS, f"--namespace={NAMESPACE}")
    server_checks = ("--dry-run=server", "--validate=strict", "--warnings-as-errors")
    said = kubectl("apply", "--filename=-", *server_checks, stdin=rendered)
    assert "(server dry run)" in said


@contextmanager
def installed(kubectl: Kubectl, *arguments: str) -> Iterator[str]:
    """Have the chart installed with these arguments while the block runs; yield its notes."""
    where = (f"--namespace={NAMESPACE}", f"--kubeconfig={kubectl.kubeconfig}")
    notes = helm("install", RELEASE, str(CHART), *where, *arguments)
    try:
        yield notes
    finally:
        helm("uninstall", RELEASE, *where)


def test_it_installs_grants_what_it_says_and_uninstalls(kubectl: Kubectl) -> None:
    with installed(kubectl) as notes:
        assert f"kubectl -n {NAMESPACE} rollout status deployment/{RELEASE}-whisper-operator" in notes
        assert may(kubectl, OPERATOR, "patch", "whispermodels/status")
        assert not may(kubectl, OPERATOR, "get", "secrets")
        assert not may(kubectl, OPERATOR, "update", "whispermodels")
        editors_of_the_namespace_may_create_models(kubectl)
        the_pod_of_helm_test_is_taken_without_a_warning(kubectl)
    assert not may(kubectl, OPERATOR, "list", "whispermodels")
    assert kubectl.get("crd", CRD)["spec"]["scope"] == "Namespaced"


def test_nothing_differs_between_what_is_installed_and_what_is_rendered_again(kubectl: Kubectl) -> None:
    # What Argo CD and Flux ask of a chart: a server-side apply of the same values is no change.
    arguments = (*CASES["every-option"], *WITHOUT_PROMETHEUS)
    with installed(kubectl, *arguments):
        rendered = render_text(*arguments, WITHOUT_TESTS, f"--namespace={NAMESPACE}")
        assert rendered == render_text(*arguments, WITHOUT_TESTS, f"--namespace={NAMESPACE}")
        assert kubectl("diff", "--server-side", "--force-conflicts", "--filename=-", stdin=rendered) == ""
        other = rendered.replace("replicas: 2", "replicas: 3")
        # It fails where there are differences, and then tells of no trouble.
        with pytest.raises(ClusterError, match=r"--filename=-: $"):
            kubectl("diff", "--server-side", "--force-conflicts", "--filename=-", stdin=other)


def test_the_command_of_the_notes_upgrades_the_definition_that_helm_installed(kubectl: Kubectl) -> None:
    install_crd(kubectl)
    kubectl("patch", "crd", CRD, "--type=json", f"--patch={json.dumps(EARLIER)}", "--field-manager=helm")
    the_check_names_what_the_definition_lacks(kubectl, "spec.server.goldenClip")
    definition = helm("show", "crds", str(CHART))
    with pytest.raises(ClusterError, match="conflict"):
        kubectl("apply", "--server-side", "--filename=-", stdin=definition)
    kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=definition)
    assert defined(kubectl) == schema()


def test_its_own_chart_takes_the_definition_over_upgrades_it_and_leaves_it(kubectl: Kubectl) -> None:
    install_crd(kubectl)
    kubectl("patch", "crd", CRD, "--type=json", f"--patch={json.dumps(EARLIER)}", "--field-manager=helm")
    where = (f"--namespace={NAMESPACE}", f"--kubeconfig={kubectl.kubeconfig}")
    helm("upgrade", "--install", CRDS_CHART.name, str(CRDS_CHART), *where, "--take-ownership")
    assert defined(kubectl) == schema()
    with installed(kubectl):
        kubectl("patch", "crd", CRD, "--type=json", f"--patch={json.dumps(EARLIER)}", "--field-manager=helm")
        helm("upgrade", CRDS_CHART.name, str(CRDS_CHART), *where)
        assert defined(kubectl) == schema()
    helm("uninstall", CRDS_CHART.name, *where)
    assert defined(kubectl) == schema()


def defined(kubectl: Kubectl) -> Any:
    (version,) = kubectl.get("crd", CRD)["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def test_models_of_the_values_are_made_by_the_installation_that_brings_their_definition(kubectl: Kubectl) -> None:
    kubectl("delete", "crd", CRD, "--ignore-not-found")
    with installed(kubectl, models_of({"first": {"spec": minimal(), "keep": False}})):
        assert names_of_models(kubectl) == {"first"}


def test_models_of_the_values_are_made_and_stay_unless_they_say_otherwise(kubectl: Kubectl) -> None:
    install_crd(kubectl)
    models: dict[str, Any] = {"stays": {"spec": minimal()}, "goes": {"spec": minimal(), "keep": False}}
    with installed(kubectl, models_of(models)):
        assert names_of_models(kubectl) == {"stays", "goes"}
        upgrade(kubectl, "--reset-values")
        assert names_of_models(kubectl) == {"stays"}
        upgrade(kubectl, models_of(models))  # the one that stayed is taken up again
        models["stays"]["spec"]["server"] = {"replicas": -1}
        with pytest.raises(HelmError, match=r"/models/stays/spec/server/replicas.*minimum"):
            upgrade(kubectl, models_of(models))
    assert names_of_models(kubectl) == {"stays"}
    kubectl("delete", "whispermodels", "stays", f"--namespace={NAMESPACE}")


def models_of(models: dict[str, Any]) -> str:
    return f"--set-json=models={json.dumps(models)}"


def upgrade(kubectl: Kubectl, *arguments: str) -> None:
    where = (f"--namespace={NAMESPACE}", f"--kubeconfig={kubectl.kubeconfig}")
    helm("upgrade", RELEASE, str(CHART), *where, *arguments)


def names_of_models(kubectl: Kubectl) -> set[str]:
    listed = kubectl("get", "whispermodels", f"--namespace={NAMESPACE}", "--output=name")
    return {line.rpartition("/")[2] for line in listed.split()}


def test_the_check_tells_whether_the_operator_can_work(control_plane: ControlPlane, kubectl: Kubectl) -> None:
    install_crd(kubectl)
    with installed(kubectl, "--set=watchNamespaces={team-a,team-b}"):
        # What the operator's pod does, for which there is no kubelet here.
        client = as_operator(control_plane)
        assert "FAIL  no operator holds the lease" in checked(client, patience_seconds=0, rights=False)
        with leading(client, "an-operator"):
            assert checked(client).splitlines() == [
                "ok    WhisperModels are defined as this version knows them",
                "ok    the operator has its 42 rights in team-a",
                "ok    the operator has its 42 rights in team-b",
                f"ok    an-operator is at work: it renews the lease {NAMESPACE}/{LEASE}",
            ]
        kubectl("delete", "rolebinding", f"{RELEASE}-whisper-operator-{NAMESPACE}", "--namespace=team-b")
        told = checked(client, patience_seconds=0)
        assert "ok    the operator has its 42 rights in team-a" in told
        assert (
            "FAIL  the operator lacks rights in team-b: whispermodels (list, watch, patch), whispermodels/status"
            in told
        )


@contextmanager
def leading(client: KubeClient, name: str) -> Iterator[None]:
    """Hold and renew the lease as an operator does."""
    election = Election(client.api, NAMESPACE, LEASE, name, lambda: None)
    election.start()
    election.await_victory(threading.Event())
    try:
        yield
    finally:
        election.resign()


def as_operator(control_plane: ControlPlane) -> KubeClient:
    untyped: Any = kubernetes.config
    kubeconfig = control_plane.kubeconfig_for(NAMESPACE, OPERATOR.rpartition(":")[2])
    return KubeClient(untyped.new_client_from_config(str(kubeconfig)))


def checked(client: KubeClient, *, patience_seconds: float = PATIENCE_SECONDS, rights: bool = True) -> str:
    """What the check says, with the arguments and the environment that the chart gives it."""
    objects = render("--set=watchNamespaces={team-a,team-b}", f"--namespace={NAMESPACE}")
    (pod,) = of_kind(objects, "Pod")
    parsed = build_parser().parse_args(pod["spec"]["containers"][0]["args"])
    settings = read_settings({}, environment(objects))
    return "\n".join(map(str, check(client, settings, parsed.rights if rights else [], patience_seconds)))


def the_check_names_what_the_definition_lacks(kubectl: Kubectl, field: str) -> None:
    untyped: Any = kubernetes.config
    client = KubeClient(untyped.new_client_from_config(str(kubectl.kubeconfig)))
    told = f"as an older version knows them, without {field}: helm show crds"
    found = partial(check, client, Settings(), (), patience_seconds=0)
    wait_until("the check tells of it", lambda: told in str(next(found())), seconds=PATIENCE_SECONDS)


def the_pod_of_helm_test_is_taken_without_a_warning(kubectl: Kubectl) -> None:
    (pod,) = of_kind(render(f"--namespace={NAMESPACE}"), "Pod")
    server_checks = ("--dry-run=server", "--validate=strict", "--warnings-as-errors")
    kubectl("create", "--filename=-", *server_checks, stdin=json.dumps(pod))


def editors_of_the_namespace_may_create_models(kubectl: Kubectl) -> None:
    kubectl("create", "rolebinding", "ann", "--clusterrole=edit", "--user=ann", "--namespace=team-a")
    kubectl("create", "rolebinding", "bob", "--clusterrole=view", "--user=bob", "--namespace=team-a")
    # A controller takes the chart's roles up into the built-in ones.
    wait_until(
        "ann may create models", lambda: may(kubectl, "ann", "create", "whispermodels"), seconds=PATIENCE_SECONDS
    )
    wait_until("bob may list models", lambda: may(kubectl, "bob", "list", "whispermodels"), seconds=PATIENCE_SECONDS)
    assert may(kubectl, "ann", "patch", "whispermodels/scale")
    assert not may(kubectl, "ann", "patch", "whispermodels/status")
    assert not may(kubectl, "bob", "create", "whispermodels")
    as_ann = ("--as=ann", "--namespace=team-a", "--filename=-", "--dry-run=server")
    kubectl("create", *as_ann, stdin=json.dumps(model(minimal())))
    with pytest.raises(ClusterError, match="bob"):
        kubectl("create", "--as=bob", *as_ann[1:], stdin=json.dumps(model(minimal())))


def may(kubectl: Kubectl, user: str, verb: str, resource: str) -> bool:
    """Whether `user` may do it in the namespace team-a."""
    kind, _, subresource = resource.partition("/")
    question = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "resourceAttributes": {
                "namespace": "team-a",
                "verb": verb,
                "group": "" if kind == "secrets" else "stt.whisper-operator.io",
                "resource": kind,
                "subresource": subresource,
            },
        },
    }
    answer = kubectl("create", "--filename=-", "--output=json", stdin=json.dumps(question))
    allowed = json.loads(answer)["status"]["allowed"]
    assert isinstance(allowed, bool)
    return allowed
