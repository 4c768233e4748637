"""How many of a model's servers the drain of nodes may take away at one time."""

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.builders.metadata import JSON, new_object, present


def build_disruption_budget(model: Model) -> JSON | None:
    """Return the PodDisruptionBudget of the servers; None for one server, which no budget can spare."""
    server, asked = model.spec.server, model.spec.server.disruption
    given = present(maxUnavailable=asked.max_unavailable, minAvailable=asked.min_available)
    if not asked.enabled or not (given or server.most_replicas > 1):
        return None
    name = names.deployment(model.name)
    budget = new_object(model, "policy/v1", "PodDisruptionBudget", name, names.COMPONENT_SERVER)
    budget["spec"] = {
        **(given or {"maxUnavailable": 1}),
        "selector": {"matchLabels": names.server_labels(model.name)},
        # Servers that are not ready serve nobody, and must not keep a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return budget
