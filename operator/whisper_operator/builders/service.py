"""The Service in front of a model's servers."""

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.status import Endpoints
from whisper_operator.builders.metadata import JSON, new_object


def build_service(model: Model) -> JSON:
    """Return the Service of `model`."""
    asked = model.spec.server.service
    service = new_object(model, "v1", "Service", names.service(model.name), names.COMPONENT_SERVER)
    if asked.annotations:
        service["metadata"]["annotations"] = dict(asked.annotations)
    service["spec"] = {
        "type": asked.type,
        "selector": names.server_labels(model.name),
        "ports": [
            _port("grpc", names.GRPC_PORT),
            _port("http", names.HTTP_PORT),
            _port("probe", names.PROBE_PORT),
        ],
    }
    return service


def _port(name: str, port: int) -> JSON:
    return {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}


def endpoints(model: Model) -> Endpoints:
    """Return the hosts and ports that clients in the cluster call."""
    host = f"{names.service(model.name)}.{model.namespace}.svc"
    return Endpoints(grpc=f"{host}:{names.GRPC_PORT}", http=f"{host}:{names.HTTP_PORT}")
