"""What servers get where their WhisperModel does not say: the operator's setting, with fields of spec.server."""

from dataclasses import replace

import msgspec

from whisper_operator.api.model import Model
from whisper_operator.api.spec import JSON, Affinity, EnvVar, Resources, Server


class ServerDefaults(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """Defaults of the fields of these names.

    Maps and variables are added to the WhisperModel's own, which go first where the name is the same. The others are
    taken as a whole, where the WhisperModel has none.
    """

    resources: Resources | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[JSON, ...] = ()
    affinity: Affinity = Affinity()
    topology_spread_constraints: tuple[JSON, ...] = ()
    runtime_class_name: str | None = None
    priority_class_name: str | None = None
    pod_labels: dict[str, str] = {}
    pod_annotations: dict[str, str] = {}
    env: tuple[EnvVar, ...] = ()


def read_server_defaults(text: str) -> ServerDefaults:
    """Return the defaults that the JSON holds.

    Raises:
        ValueError: it is no JSON, or no field of that name or type has a default; the text says which.
    """
    return msgspec.json.decode(text, type=ServerDefaults)


def with_defaults(model: Model, defaults: ServerDefaults) -> Model:
    """Return the model with what its servers get by default."""
    spec = msgspec.structs.replace(model.spec, server=_server(model.spec.server, defaults))
    return replace(model, spec=spec)


def _server(own: Server, defaults: ServerDefaults) -> Server:
    variables = {variable.name: variable for variable in (*defaults.env, *own.env)}
    return msgspec.structs.replace(
        own,
        resources=own.resources or defaults.resources,
        node_selector={**defaults.node_selector, **own.node_selector},
        tolerations=own.tolerations or defaults.tolerations,
        affinity=defaults.affinity if own.affinity == Affinity() else own.affinity,
        topology_spread_constraints=own.topology_spread_constraints or defaults.topology_spread_constraints,
        runtime_class_name=own.runtime_class_name or defaults.runtime_class_name,
        priority_class_name=own.priority_class_name or defaults.priority_class_name,
        pod_labels={**defaults.pod_labels, **own.pod_labels},
        pod_annotations={**defaults.pod_annotations, **own.pod_annotations},
        env=tuple(variables.values()),
    )
