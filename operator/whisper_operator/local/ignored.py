"""The fields that mean something in a cluster alone: they are allowed, without effect, and told of in a line."""

from typing import Any

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


def ignored_fields(spec: dict[str, Any]) -> tuple[str, ...]:
    """Return which of them the spec sets."""
    return tuple(field for field in _FIELDS if _is_set(spec, field.split(".")))


def _is_set(spec: Any, steps: list[str]) -> bool:
    for step in steps:
        if not isinstance(spec, dict) or step not in spec:
            return False
        spec = spec[step]
    return True
