"""A Kubernetes without nodes: etcd, kube-apiserver and kube-controller-manager, in seconds and without root.

Enough to try what only talks to the API server: the real schema, admission, RBAC, garbage collection, the controllers
of Jobs and Deployments. Pods are accepted and stay Pending.
"""

import signal
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import binaries, kubeconfig, runs
from tests.cluster.api import Api
from tests.cluster.certificates import Authority
from tests.cluster.console import say
from tests.cluster.kubeconfig import Kubectl
from tests.cluster.ports import free_port
from tests.cluster.processes import Daemon, answers, wait_until

READY_SECONDS = 240
KIND = "control-plane"
_FRONT_PROXY = "front-proxy"


@dataclass(frozen=True)
class Settings:
    """What a cluster with nodes asks of its control plane beyond the defaults.

    Attributes:
        address: Where the API server listens; nodes and pods must reach it.
        service_range: The ClusterIPs, as a CIDR; its first address is the API server's own Service.
        kubernetes_address: That first address.
        node_grace_seconds: How long a node may be silent before it is NotReady.
        apiserver_flags: Further flags of the API server.
        controller_manager_flags: Further flags of the controller manager.
    """

    address: str = "127.0.0.1"
    service_range: str = "10.0.0.0/24"
    kubernetes_address: str = "10.0.0.1"
    node_grace_seconds: int = 16
    apiserver_flags: tuple[str, ...] = ()
    controller_manager_flags: tuple[str, ...] = ()


class ControlPlane:
    """A running control plane. Use `with ControlPlane.start() as control_plane`."""

    def __init__(self, run: Path, settings: Settings) -> None:
        self._run = run
        self._settings = settings
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._port = free_port(settings.address)
        self._daemons: dict[str, Daemon] = {}
        self.url = f"https://{settings.address}:{self._port}"
        self.authority = Authority(run / "certificates")
        self.kubeconfig = self.kubeconfig_of("admin", group="system:masters")
        self.kubectl = Kubectl(self.kubeconfig)
        self.api = Api(self.kubeconfig)

    @classmethod
    @contextmanager
    def start(cls, settings: Settings | None = None) -> Iterator["ControlPlane"]:
        """Starts one in a folder of its own, and ends it and its processes with the block, however that ends.

        Raises:
            ClusterError: A program is missing or a part did not come up; with the tail of its log.
        """
        runs.sweep_leftovers(runs.all_runs(KIND), runs.end_run)
        binaries.kubernetes()
        with runs.own_run(KIND, runs.end_run) as run:
            yield cls.start_in(run, settings or Settings())

    @classmethod
    def start_in(cls, run: Path, settings: Settings) -> "ControlPlane":
        """Starts one as a part of `run`, whose owner ends it."""
        begin = time.monotonic()
        control_plane = cls(run, settings)
        control_plane._start_etcd()
        control_plane._start_apiserver()
        control_plane._start_controller_manager()
        say(f"control plane ready at {control_plane.url} ({time.monotonic() - begin:.1f} s)")
        return control_plane

    def kubeconfig_of(self, user: str, *, group: str = "") -> Path:
        """Writes a kubeconfig with a client certificate for `user` of `group`."""
        pair = self.authority.issue(user, group=group)
        path = pair.certificate.with_suffix(".kubeconfig")
        return kubeconfig.for_certificate(path, server=self.url, authority=self.authority.certificate, pair=pair)

    def kubeconfig_for(self, namespace: str, service_account: str) -> Path:
        """Writes a kubeconfig with a token for a ServiceAccount that exists: what its pods may do, and no more."""
        token = self.kubectl("create", "token", service_account, f"--namespace={namespace}", "--duration=8h").strip()
        path = self._run / "certificates" / f"{namespace}-{service_account}.kubeconfig"
        return kubeconfig.for_token(path, server=self.url, authority=self.authority.certificate, token=token)

    def restart_apiserver(self) -> None:
        """Kills the API server and starts it anew at the same address: every connection and watch breaks."""
        self.stop_apiserver()
        self._start_apiserver()

    def stop_apiserver(self) -> None:
        """Kills the API server; `restart_apiserver` brings it back, its data are in etcd."""
        self._daemons["kube-apiserver"].stop(signal.SIGKILL)

    def _start_etcd(self) -> None:
        self._daemon(
            "etcd",
            f"--data-dir={self._run / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            "--listen-peer-urls=http://127.0.0.1:0",
            "--unsafe-no-fsync",  # The data need not survive the machine.
            "--log-level=warn",
        )
        self._wait("etcd answers", f"{self._etcd_url}/health")

    def _start_apiserver(self) -> None:
        settings, folder = self._settings, self._run / "certificates"
        serving = folder / "kube-apiserver.crt"
        if not serving.exists():
            names = ("localhost", "kubernetes.default.svc", settings.address, settings.kubernetes_address)
            self.authority.issue("kube-apiserver", group="system:masters", addresses=names)
            self.authority.issue(_FRONT_PROXY)
            self.authority.private_key("service-accounts")
        self._daemon(
            "kube-apiserver",
            f"--etcd-servers={self._etcd_url}",
            f"--bind-address={settings.address}",
            f"--advertise-address={settings.address}",
            f"--secure-port={self._port}",
            f"--service-cluster-ip-range={settings.service_range}",
            f"--tls-cert-file={serving}",
            f"--tls-private-key-file={folder / 'kube-apiserver.key'}",
            f"--client-ca-file={self.authority.certificate}",
            f"--kubelet-certificate-authority={self.authority.certificate}",
            f"--kubelet-client-certificate={serving}",
            f"--kubelet-client-key={folder / 'kube-apiserver.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={folder / 'service-accounts.key'}",
            f"--service-account-signing-key-file={folder / 'service-accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            # As whom it passes requests on to other API servers, such as metrics-server, and where their users stand.
            f"--proxy-client-cert-file={folder / _FRONT_PROXY}.crt",
            f"--proxy-client-key-file={folder / _FRONT_PROXY}.key",
            f"--requestheader-client-ca-file={self.authority.certificate}",
            f"--requestheader-allowed-names={_FRONT_PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",
            "--watch-cache=true",
            *settings.apiserver_flags,
        )
        self._wait("the API server is ready", f"{self.url}/readyz")

    def _start_controller_manager(self) -> None:
        folder = self._run / "certificates"
        self._daemon(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",  # As admin: a service account per controller costs seconds.
            f"--root-ca-file={self.authority.certificate}",
            f"--service-account-private-key-file={folder / 'service-accounts.key'}",
            f"--node-monitor-grace-period={self._settings.node_grace_seconds}s",
            "--pvclaimbinder-sync-period=1s",  # A claim that comes just before its volume would wait for 15 s.
            "--horizontal-pod-autoscaler-sync-period=2s",  # 15 s otherwise.
            "--leader-elect=false",
            "--secure-port=0",
            *self._settings.controller_manager_flags,
        )

        def at_work() -> bool:
            return self.api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None

        watching = [self._daemons["kube-controller-manager"]]
        wait_until("the controller manager makes service accounts", at_work, seconds=READY_SECONDS, watching=watching)

    def start_scheduler(self) -> None:
        """Starts kube-scheduler, for a control plane with nodes. It works as soon as it runs."""
        user = self.kubeconfig_of("system:kube-scheduler")
        self._daemon("kube-scheduler", f"--kubeconfig={user}", "--leader-elect=false", "--secure-port=0")

    def start_beside(self, name: str, command: Sequence[str | Path]) -> Daemon:
        """Starts a program of the caller's that ends with the control plane."""
        self._daemons[name] = Daemon.start(name, command, run=self._run)
        return self._daemons[name]

    def _daemon(self, program: str, *arguments: str) -> None:
        command = [str(binaries.kubernetes() / program), *arguments]
        self._daemons[program] = Daemon.start(program, command, run=self._run)

    def _wait(self, what: str, url: str) -> None:
        tls = ssl.create_default_context(cafile=self.authority.certificate)
        watching = list(self._daemons.values())
        wait_until(what, lambda: answers(url, tls=tls), seconds=READY_SECONDS, watching=watching)
