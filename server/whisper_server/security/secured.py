"""What the settings say of who may call, opened once for every front end."""

from dataclasses import dataclass

from whisper_server.configuration.settings import Settings
from whisper_server.operations.metrics import Metrics
from whisper_server.security.certificates import CertificateFiles, Certificates
from whisper_server.security.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Security:
    """What front ends ask of their callers.

    Attributes:
        tokens: those that may be brought; None when none is asked for.
        certificates: what the server proves itself with; None to speak without TLS.
    """

    tokens: Tokens | None
    certificates: Certificates | None

    @classmethod
    def open(cls, settings: Settings, metrics: Metrics) -> "Security":
        """Read the files; MountedFileError when one is not as it should be."""
        tokens = Tokens(settings.tokens_file, metrics) if settings.tokens_file else None
        certificate, key = settings.tls_certificate_file, settings.tls_key_file
        if certificate is None or key is None:
            return cls(tokens, None)
        files = CertificateFiles(certificate, key, settings.tls_client_ca_file)
        return cls(tokens, Certificates(files, metrics))
