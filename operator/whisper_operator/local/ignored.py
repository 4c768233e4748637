"""The fields that mean something in a cluster alone: they are allowed, without effect, and told of in a line."""

from typing import Any

from whisper_operator.local.fields import at

_FIELDS = (
    "refresh",
    *(f"cache.{name}" for name in ("claimName", "storageClassName", "size", "accessModes", "deletionPolicy")),
    *(f"pull.{name}" for name in ("resources", "nodeSelector", "tolerations", "serviceAccountName")),
    "podSecurityContext",
    *(f"server.{name}" for name in ("image", "imagePullSecrets", "resources", "nodeSelector", "tolerations")),
    *(f"server.{name}" for name in ("affinity", "topologySpreadConstraints", "runtimeClassName", "priorityClassName")),
    *(f"server.{name}" for name in ("podLabels", "podAnnotations", "serviceAccountName", "service", "autoscaling")),
    *("server.disruption", "server.gpu.resourceName"),
)
_ABSENT = object()


def ignored_fields(spec: dict[str, Any]) -> tuple[str, ...]:
    """Return which of them the spec sets."""
    return tuple(field for field in _FIELDS if at(spec, field, _ABSENT) is not _ABSENT)
