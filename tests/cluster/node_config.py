"""What the programs of a node are told. Paths are as the node sees them: its folder is its /var/lib (node_init.sh)."""

import json
from pathlib import Path
from typing import Any

from tests.cluster.slots import Slot

PAUSE_IMAGE = "localhost/pause:1"
CONFIG = "/var/lib/config"

CONTAINERD = f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # A profile would be loaded into the machine's kernel and stay there.
  disable_apparmor = true
  # Root without CAP_SYS_RESOURCE, as in many containers, may not lower a process's OOM score.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "PLUGIN_FOLDER"
  conf_dir = "{CONFIG}/cni"
"""


def pod_network(pods_range: str) -> dict[str, Any]:
    """A point-to-point link per pod: all its traffic is routed, and kube-proxy's rules see it without br_netfilter."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": pods_range}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/var/lib/cni/networks",
    }
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(cgroup_root: str) -> dict[str, Any]:
    """Cgroup v1 and swap are taken as they come; disk pressure of the machine is not the tests' subject."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{CONFIG}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{CONFIG}/kubelet.crt",
        "tlsPrivateKeyFile": f"{CONFIG}/kubelet.key",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        # Or one node's kubelet clears away another's pods as orphans.
        "cgroupRoot": cgroup_root,
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        "nodeStatusUpdateFrequency": "4s",
        "podLogsDir": "/var/log/pods",
        # No name server: a look-up is refused at once instead of timing out.
        "resolvConf": f"{CONFIG}/resolv.conf",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def kube_proxy(node: str, pods_range: str) -> dict[str, Any]:
    """Conntrack limits belong to the whole machine and stay as they are."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": node,
        # What comes from elsewhere (the host) is masqueraded, so that answers return through this node.
        "clusterCIDR": pods_range,
        "detectLocalMode": "ClusterCIDR",
        "clientConnection": {"kubeconfig": f"{CONFIG}/kube-proxy.kubeconfig"},
        "healthzBindAddress": "0.0.0.0:10256",
        "iptables": {"minSyncPeriod": "100ms"},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def write(config: Path, *, slot: Slot, node: str, number: int, plugin_folder: Path) -> None:
    """Writes all of it for the node `node`, the `number`th (from 1), into the folder `config`."""
    (config / "cni").mkdir(parents=True)
    (config / "containerd.toml").write_text(CONTAINERD.replace("PLUGIN_FOLDER", str(plugin_folder)))
    (config / "resolv.conf").touch()
    for name, content in {
        "cni/pods.conflist": pod_network(slot.node_pods_range(number)),
        "kubelet.json": kubelet(f"/{slot.name}/{node}"),
        "kube-proxy.json": kube_proxy(node, slot.pods_range),
    }.items():
        (config / name).write_text(json.dumps(content, indent=1))
