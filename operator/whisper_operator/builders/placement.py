"""Where a pull's pod may run: that depends on whether the claim can be mounted on several nodes."""

from collections.abc import Sequence
from enum import Enum

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.builders.affinity import PREFERRED, REQUIRED, node_affinity
from whisper_operator.builders.metadata import JSON, present

#: The label that NVIDIA's GPU feature discovery gives to nodes with a GPU.
GPU_NODE_LABEL = "nvidia.com/gpu.present"

_WITHOUT_GPU = {
    "weight": 100,
    "preference": {"matchExpressions": [{"key": GPU_NODE_LABEL, "operator": "DoesNotExist"}]},
}


class PullPlacement(Enum):
    """ANYWHERE: the claim is ReadWriteMany. LIKE_SERVERS: it is of one node. WITH_SERVERS: servers run on that node."""

    ANYWHERE = "anywhere"
    LIKE_SERVERS = "like servers"
    WITH_SERVERS = "with servers"


def placement(model: Model, where: PullPlacement, beside: Sequence[str] = ()) -> JSON:
    """Return the fields of the pod's spec that place it; `beside` are the models whose servers are on the one node.

    A claim of one node forces pull and servers together: the pull goes where servers may run, without asking for a
    GPU, and to the node of those that run. Otherwise the pull rather stays off nodes with GPUs, unless
    pull.nodeSelector says where it goes.
    """
    pull, server = model.spec.pull, model.spec.server
    follows = where is not PullPlacement.ANYWHERE
    tolerations = [*pull.tolerations, *(server.tolerations if follows else ())]
    return present(
        nodeSelector={**(server.node_selector if follows else {}), **pull.node_selector},
        tolerations=[dict(toleration) for toleration in tolerations],
        affinity=_affinity(model, where, beside),
    )


def _affinity(model: Model, where: PullPlacement, beside: Sequence[str]) -> JSON:
    if where is PullPlacement.ANYWHERE:
        return {} if model.spec.pull.node_selector else {"nodeAffinity": {PREFERRED: [_WITHOUT_GPU]}}
    with_servers = {"labelSelector": _servers(model, beside), "topologyKey": "kubernetes.io/hostname"}
    return present(
        nodeAffinity=node_affinity(model),
        podAffinity={REQUIRED: [with_servers]} if where is PullPlacement.WITH_SERVERS else {},
    )


def _servers(model: Model, beside: Sequence[str]) -> JSON:
    if not beside:
        return {"matchLabels": names.server_labels(model.name)}
    which = {"key": names.LABEL_MODEL, "operator": "In", "values": sorted(beside)}
    return {"matchLabels": {names.LABEL_COMPONENT: names.COMPONENT_SERVER}, "matchExpressions": [which]}
