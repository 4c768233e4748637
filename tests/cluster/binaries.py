"""Finds the programs that the tests run, or compiles them once a machine: Kubernetes with etcd, helm, kwok and others.

Each is built under a temporary name and renamed, under a lock: neither an interruption nor a second checkout that
builds at the same time leaves half a program behind.
"""

import hashlib
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.cluster.cache import cache_dir, locked
from tests.cluster.console import say
from tests.cluster.go import compile_go, go_version

KUBERNETES_VERSION = "1.34.4"
HELM_VERSION = "v3.20.2"
VERSITYGW_VERSION = "v1.8.0"
KWOK_VERSION = "v0.7.0"
METRICS_SERVER_VERSION = "v0.8.0"
ACTIONLINT_VERSION = "v1.7.12"
GRPCURL_VERSION = "v1.9.4"
PROTOC_GEN_GO_VERSION = "v1.36.12"
PROTOC_GEN_GO_GRPC_VERSION = "v1.6.2"
KUBERNETES_PROGRAMS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
)  # fmt: skip

_SOURCES = Path(__file__).parent / "kubernetes"
_SMALL = ("-trimpath", "-buildvcs=false", "-v")


def kubernetes() -> Path:
    """The folder of `KUBERNETES_PROGRAMS`: `$KUBEBUILDER_ASSETS` when all are there, else compiled from source."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and all(shutil.which(program, path=assets) for program in KUBERNETES_PROGRAMS):
        return Path(assets)
    return cached("kubernetes", _source_key(), _build_kubernetes)


def kubectl() -> Path:
    return kubernetes() / "kubectl"


def helm() -> Path:
    """The program helm, of the pinned version."""
    version = f"-X helm.sh/helm/v3/internal/version.version={HELM_VERSION}"
    # What `helm template` and `helm lint` take for the cluster's version; a plain build says 1.20.
    flags = [version, *_kubernetes_flags("helm.sh/helm/v3/pkg/chartutil", "k8sVersion")]
    flags += _kubernetes_flags("helm.sh/helm/v3/pkg/lint/rules", "k8sVersion")
    return _installed("helm", "helm.sh/helm/v3/cmd/helm", HELM_VERSION, flags, packages=940, minutes=3)


def versitygw() -> Path:
    """The S3 server versitygw, of the pinned version: buckets are folders below a folder of the caller's."""
    module = "github.com/versity/versitygw/cmd/versitygw"
    return _installed("versitygw", module, VERSITYGW_VERSION, [], packages=590, minutes=2)


def kwok() -> Path:
    """The program kwok, of the pinned version: plays the nodes, and what becomes of the pods on them."""
    module = "sigs.k8s.io/kwok/cmd/kwok"
    return _installed("kwok", module, KWOK_VERSION, [], packages=1200, minutes=3)


def metrics_server() -> Path:
    """The program metrics-server, of the pinned version: tells autoscalers what pods use."""
    module = "sigs.k8s.io/metrics-server/cmd/metrics-server"
    return _installed("metrics-server", module, METRICS_SERVER_VERSION, [], packages=1100, minutes=3)


def actionlint() -> Path:
    """The program actionlint, of the pinned version: checks workflows, and their shell where shellcheck is there."""
    module = "github.com/rhysd/actionlint/cmd/actionlint"
    return _installed("actionlint", module, ACTIONLINT_VERSION, [], packages=180, minutes=1)


def grpcurl() -> Path:
    """The program grpcurl, of the pinned version."""
    module = "github.com/fullstorydev/grpcurl/cmd/grpcurl"
    return _installed("grpcurl", module, GRPCURL_VERSION, [], packages=370, minutes=1)


def protoc_gen_go() -> Path:
    """The program with which protoc writes messages for Go."""
    module = "google.golang.org/protobuf/cmd/protoc-gen-go"
    return _installed("protoc-gen-go", module, PROTOC_GEN_GO_VERSION, [], packages=90, minutes=1)


def protoc_gen_go_grpc() -> Path:
    """The program with which protoc writes services for Go."""
    module = "google.golang.org/grpc/cmd/protoc-gen-go-grpc"
    return _installed("protoc-gen-go-grpc", module, PROTOC_GEN_GO_GRPC_VERSION, [], packages=90, minutes=1)


def pause() -> Path:
    """A static program that waits to be stopped and reaps orphans: first process of a pod's sandbox and of a node."""
    return _small("pause")


def talker() -> Path:
    """A static program that talks HTTP and writes files, for tests of the harness to run in pods."""
    return _small("talker")


def _build_kubernetes(target: Path) -> None:
    say(f"compiling Kubernetes {KUBERNETES_VERSION}: about 8 minutes on 2 cores, once a machine")
    flags = ["-s -w", f"-X k8s.io/component-base/version.gitVersion=v{KUBERNETES_VERSION}"]
    flags += _kubernetes_flags("k8s.io/component-base/version", "git")
    output = ["-tags", "providerless", "-ldflags", " ".join(flags), "-o", str(target / "kubernetes"), "."]
    compile_go(["build", *_SMALL, *output], folder=_SOURCES, what="Kubernetes", packages=2760)
    for program in KUBERNETES_PROGRAMS:
        (target / program).symlink_to("kubernetes")


def _small(name: str) -> Path:
    def build(target: Path) -> None:
        output = ["-ldflags", "-s -w", "-o", str(target / name), f"./{name}"]
        compile_go(["build", *_SMALL, *output], folder=_SOURCES, what=name, packages=200)

    source = hashlib.sha256((_SOURCES / name / "main.go").read_bytes()).hexdigest()[:12]
    return cached(name, f"{source}-{go_version()}", build) / name


def _installed(name: str, module: str, version: str, ldflags: list[str], *, packages: int, minutes: int) -> Path:
    def build(target: Path) -> None:
        say(f"compiling {name} {version}: about {minutes} minutes on 2 cores, once a machine")
        command = ["install", *_SMALL, "-ldflags", " ".join(["-s -w", *ldflags]), f"{module}@{version}"]
        where = {"GOBIN": str(target)}
        compile_go(command, folder=target, what=name, packages=packages, environment=where)

    return cached(name, f"{version}-{go_version()}", build) / name


def _kubernetes_flags(package: str, prefix: str) -> list[str]:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    return [f"-X {package}.{prefix}Major={major}", f"-X {package}.{prefix}Minor={minor}"]


def _source_key() -> str:
    sources = hashlib.sha256(KUBERNETES_VERSION.encode())
    for name in ("go.mod", "go.sum", "main.go"):
        sources.update((_SOURCES / name).read_bytes())
    return f"{KUBERNETES_VERSION}-{sources.hexdigest()[:12]}-{go_version()}"


def cached(name: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build` fills, once for each `key`."""
    target = cache_dir() / "programs" / f"{name}-{key}-{platform.machine()}"
    if target.is_dir():
        return target
    target.parent.mkdir(exist_ok=True)
    with locked(target.with_name(f"{name}.lock"), waiting_for=f"another process that makes {name}"):
        if not target.is_dir():
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            build(unfinished)
            unfinished.rename(target)
    return target
