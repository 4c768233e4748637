"""Where servers run relative to nodes and other pods; pods that nobody names are the model's own servers."""

from collections.abc import Iterable

import msgspec

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.spec import PodAffinity
from whisper_operator.builders.metadata import JSON, present

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def node_affinity(model: Model) -> JSON:
    """Return which nodes the servers need or prefer; empty when any will do."""
    fields: JSON = msgspec.json.decode(msgspec.json.encode(model.spec.server.affinity.node_affinity))
    return fields


def server_affinity(model: Model) -> JSON:
    """Return the affinity of the servers; empty when there is none."""
    asked = model.spec.server.affinity
    return present(
        nodeAffinity=node_affinity(model),
        podAffinity=_pod_affinity(model, asked.pod_affinity),
        podAntiAffinity=_pod_affinity(model, asked.pod_anti_affinity),
    )


def _pod_affinity(model: Model, asked: PodAffinity) -> JSON:
    return present(
        **{
            REQUIRED: _with_selectors(model, asked.required),
            PREFERRED: [
                {**term, "podAffinityTerm": _with_selector(model, term["podAffinityTerm"])} for term in asked.preferred
            ],
        }
    )


def topology_spread(model: Model) -> list[JSON]:
    """Return how evenly the servers are spread."""
    return _with_selectors(model, model.spec.server.topology_spread_constraints)


def _with_selectors(model: Model, terms: Iterable[JSON]) -> list[JSON]:
    return [_with_selector(model, term) for term in terms]


def _with_selector(model: Model, term: JSON) -> JSON:
    """Kubernetes would count no pods where none are named."""
    return {"labelSelector": {"matchLabels": names.server_labels(model.name)}, **term}
