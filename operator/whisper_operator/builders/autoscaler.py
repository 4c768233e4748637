"""The autoscaler of a model: it scales the WhisperModel, whose Deployment always follows spec.server.replicas."""

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Metric
from whisper_operator.builders.deployment import CONTAINER
from whisper_operator.builders.metadata import JSON, new_object


def build_autoscaler(model: Model) -> JSON | None:
    """Return the HorizontalPodAutoscaler of `model`; None when it has none."""
    asked = model.spec.server.autoscaling
    if asked is None:
        return None
    name = names.deployment(model.name)
    autoscaler = new_object(model, "autoscaling/v2", "HorizontalPodAutoscaler", name, names.COMPONENT_SERVER)
    autoscaler["spec"] = {
        "scaleTargetRef": {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": model.name},
        "minReplicas": asked.min_replicas,
        "maxReplicas": asked.max_replicas,
        "metrics": [built for metric in asked.metrics for built in _metric(metric)],
    }
    return autoscaler


def _metric(metric: Metric) -> list[JSON]:
    if metric.cpu is not None:
        # Of the server alone: a mesh's sidecar in its pod says nothing about the load.
        target = {"type": "Utilization", "averageUtilization": metric.cpu.average_utilization}
        resource = {"name": "cpu", "container": CONTAINER, "target": target}
        return [{"type": "ContainerResource", "containerResource": resource}]
    if metric.pods is not None:
        target = {"type": "AverageValue", "averageValue": str(metric.pods.average_value)}
        return [{"type": "Pods", "pods": {"metric": {"name": metric.pods.metric}, "target": target}}]
    return []
