"""TLS of the gRPC port: each connection is met with the certificate that the files hold by then."""

from typing import Any

import grpc

from whisper_server.security.certificates import Certificates, Identity


def server_credentials(certificates: Certificates) -> Any:
    """Return credentials for a server's port.

    gRPC asks before every handshake (https://github.com/grpc/proposal/pull/28); None means that nothing has changed.
    """
    served = certificates.current()
    initial = _configuration(served)

    def fetch() -> Any:
        nonlocal served
        latest = certificates.current()
        if latest is served:
            return None
        served = latest
        return _configuration(latest)

    return grpc.dynamic_ssl_server_credentials(
        initial, fetch, require_client_authentication=certificates.requires_client_certificates
    )


def _configuration(identity: Identity) -> Any:
    pairs = [(identity.key, identity.certificate)]
    return grpc.ssl_server_certificate_configuration(pairs, root_certificates=identity.client_authorities)
