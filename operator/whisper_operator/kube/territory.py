"""In which of the namespaces that it is to serve the operator may.

Its rights there are Roles, and they go with their namespace. One that is deleted must not keep the others from being
served: a watch that is forbidden ends the operator, and no list of all would succeed at its next start.
"""

from collections.abc import Sequence

from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError, Refused
from whisper_operator.kube.kinds import MODEL


def allowed(client: KubeClient, namespaces: Sequence[str]) -> tuple[str, ...] | None:
    """Return those whose WhisperModels may be listed, or all when none may be; None while that cannot be told."""
    try:
        return tuple(one for one in namespaces if _may_list(client, one)) or tuple(namespaces)
    except KubeError:
        return None


def _may_list(client: KubeClient, namespace: str) -> bool:
    try:
        next(client.pages(MODEL, namespace), None)
    except Refused as error:
        return not error.forbidden
    return True
