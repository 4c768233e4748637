"""The Job that asks a source what it holds now; it pulls nothing and mounts no claim."""

from whisper_operator.api import names
from whisper_operator.api.inputs import source_uri
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Resources
from whisper_operator.builders import loader_pods, pods, source_access
from whisper_operator.builders.metadata import JSON
from whisper_operator.builders.placement import PullPlacement, placement
from whisper_operator.settings import Settings

RESOLVE = "resolve"

DEADLINE_SECONDS = 300
_TIMEOUT_SECONDS = 120
_RESOURCES = Resources(requests={"cpu": "50m", "memory": "128Mi"})
# It is deleted when its outcome is read; this is for one that nobody reads.
_KEPT_SECONDS = 3600


def build_refresh_job(model: Model, settings: Settings) -> JSON:
    """Return the Job. It makes one pod: when to ask again is decided by whoever reads the outcome."""
    return loader_pods.new_job(
        model,
        names.refresh_job(model.name),
        names.COMPONENT_REFRESH,
        {names.LABEL_INPUTS: model.inputs},
        _pod(model, settings),
        backoffLimit=0,
        activeDeadlineSeconds=DEADLINE_SECONDS,
        ttlSecondsAfterFinished=_KEPT_SECONDS,
    )


def _pod(model: Model, settings: Settings) -> JSON:
    arguments = [source_uri(model.spec.source), *source_access.source_flags(model, _TIMEOUT_SECONDS)]
    container = loader_pods.container(model, settings, RESOLVE, arguments, _RESOURCES)
    container["volumeMounts"] += source_access.source_mounts(model, connects=True)
    container["env"] += source_access.proxy_variables(model.spec.pull.proxy)
    return {
        "containers": [container],
        "volumes": [pods.temporary_volume("64Mi"), *source_access.source_volumes(model)],
        **loader_pods.pod_frame(model, settings),
        **placement(model, PullPlacement.ANYWHERE),
    }
