"""The Services in front of a model's servers."""

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.status import Endpoints
from whisper_operator.builders.metadata import JSON, new_object

# https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol
_PLAIN_GRPC, _PLAIN_HTTP, _TLS = "kubernetes.io/h2c", "http", "https"
_INSIDE = "ClusterIP"


def build_service(model: Model) -> JSON:
    """Return the Service of `model`, which has one address.

    What can be called from outside the cluster has no probe port: it asks for no token, and shows metrics.
    """
    asked = model.spec.server.service
    probe = [_port("probe", names.PROBE_PORT, _PLAIN_HTTP)] if asked.type == _INSIDE else []
    service = new_object(model, "v1", "Service", names.service(model.name), names.COMPONENT_SERVER)
    if asked.annotations:
        service["metadata"]["annotations"] = dict(asked.annotations)
    service["spec"] = {
        "type": asked.type,
        "selector": names.server_labels(model.name),
        "ports": [*_call_ports(model), *probe],
    }
    return service


def build_headless_service(model: Model) -> JSON:
    """Return the Service of `model` that resolves to each server, for clients that balance by themselves.

    It has no probe port, so that what reads metrics by the port's name finds each server once.
    """
    service = new_object(model, "v1", "Service", names.headless_service(model.name), names.COMPONENT_SERVER)
    service["spec"] = {"clusterIP": "None", "selector": names.server_labels(model.name), "ports": _call_ports(model)}
    return service


def _call_ports(model: Model) -> list[JSON]:
    """Return the ports for calls; gateways and meshes learn from them what is spoken there."""
    speaks_tls = model.spec.server.tls is not None
    return [
        _port("grpc", names.GRPC_PORT, _TLS if speaks_tls else _PLAIN_GRPC),
        _port("http", names.HTTP_PORT, _TLS if speaks_tls else _PLAIN_HTTP),
    ]


def _port(name: str, port: int, protocol: str) -> JSON:
    return {"name": name, "port": port, "targetPort": name, "protocol": "TCP", "appProtocol": protocol}


def endpoints(model: Model) -> Endpoints:
    """Return the hosts and ports that clients in the cluster call."""
    host = f"{names.service(model.name)}.{model.namespace}.svc"
    return Endpoints(grpc=f"{host}:{names.GRPC_PORT}", http=f"{host}:{names.HTTP_PORT}")
