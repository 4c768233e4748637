"""What the pods of Jobs and Deployments have in common: the restricted pod security standard, and their volumes.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from whisper_contract.store import STORE_MOUNT
from whisper_operator.api.model import Model
from whisper_operator.api.spec import PodSecurity, Resources
from whisper_operator.builders.metadata import JSON, present

#: User and group of the images.
IMAGE_USER = 10001

STORE_VOLUME = "models"
TEMPORARY_VOLUME = "tmp"


def pod_security(model: Model) -> JSON:
    """Return the pod's security context.

    Without podSecurityContext, volumes whose driver supports it belong to the image's group, which is what a freshly
    made block volume needs. An empty one, ``{}``, leaves user and groups to the cluster, which is what OpenShift
    needs.
    """
    asked = model.spec.pod_security_context or PodSecurity()
    default_group = IMAGE_USER if model.spec.pod_security_context is None else None
    group = default_group if asked.fs_group is None else asked.fs_group
    return present(
        runAsNonRoot=True,
        runAsUser=asked.run_as_user,
        runAsGroup=asked.run_as_group,
        fsGroup=group,
        # Without this, kubelet walks the whole volume at the start of every pod.
        fsGroupChangePolicy=None if group is None else "OnRootMismatch",
        supplementalGroups=list(asked.supplemental_groups),
        seccompProfile={"type": "RuntimeDefault"},
    )


def container_security() -> JSON:
    """Return the security context of every container."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


def resources(asked: Resources | None, default: Resources, limits: dict[str, str] | None = None) -> JSON:
    """Return a container's resources: those asked for, or else the default, and `limits` beside them."""
    chosen = asked or default
    return present(requests=dict(chosen.requests), limits={**chosen.limits, **(limits or {})})


def store_volume(model: Model) -> JSON:
    """Return the volume that holds the artifacts."""
    return {"name": STORE_VOLUME, "persistentVolumeClaim": {"claimName": model.claim}}


def temporary_volume(size: str) -> JSON:
    """Return the volume for /tmp, the only place beside the store that a container may write to."""
    return {"name": TEMPORARY_VOLUME, "emptyDir": {"sizeLimit": size}}


def store_mount(*, read_only: bool) -> JSON:
    """Return where every container sees the artifacts."""
    return {"name": STORE_VOLUME, "mountPath": str(STORE_MOUNT)} | present(readOnly=read_only or None)


def temporary_mount() -> JSON:
    """Return where every container sees /tmp."""
    return {"name": TEMPORARY_VOLUME, "mountPath": "/tmp"}  # noqa: S108 - a mount point in a pod of ours alone


def literal(text: str) -> str:
    """Keep kubelet from reading $(…) and $$ in an argument or a variable's value as more than text."""
    return text.replace("$", "$$")


def pull_secrets(names: list[str]) -> list[JSON]:
    """Return image pull secrets by name, each once."""
    return [{"name": name} for name in dict.fromkeys(names)]
