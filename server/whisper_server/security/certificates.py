"""What the server proves itself with, and whom it believes: PEM files that may change at any time."""

import logging
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from whisper_server.operations.metrics import Metrics
from whisper_server.security.mounted import ChangeNotice, MountedFileError, read_file

#: Files that change under the reader are read again so many times; a writer is done in milliseconds.
_TRIES = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where they are, all PEM.

    Attributes:
        certificate: the server's, and those between it and its authority.
        key: the certificate's, without a password.
        client_authorities: who signs clients' certificates, which are then required; None to require none.
    """

    certificate: Path
    key: Path
    client_authorities: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return all of them."""
        given = (self.certificate, self.key, self.client_authorities)
        return tuple(path for path in given if path is not None)


@dataclass(frozen=True, slots=True)
class Identity:
    """What files held at one time, checked.

    Attributes:
        certificate: PEM.
        key: PEM.
        client_authorities: PEM; None when clients need no certificate.
        context: all of it for Python's TLS.
        expires: when the certificate does, in seconds since 1970.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    client_authorities: bytes | None
    context: ssl.SSLContext
    expires: float


class Certificates:
    """The identity in the files, as long as it is whole; while they are being written, the one before.

    For use from any thread.
    """

    def __init__(self, files: CertificateFiles, metrics: Metrics) -> None:
        """Read the files; MountedFileError when they do not fit together."""
        self._files = files
        self._failures = metrics.reload_failures.labels("certificates")
        self._lock = threading.Lock()
        self._notice = ChangeNotice(files.paths)
        self._notice.changed()
        self._identity = _read(files)
        expiry = metrics.certificate_expiry.labels(str(files.certificate))
        expiry.set_function(lambda: self.current().expires)

    @property
    def requires_client_certificates(self) -> bool:
        """Whether callers must prove themselves."""
        return self._files.client_authorities is not None

    def current(self) -> Identity:
        """Return the identity to use now: the same object as before unless the files have changed."""
        with self._lock:
            if self._notice.changed():
                self._reload()
            return self._identity

    def server_context(self) -> ssl.SSLContext:
        """Return what a server of Python's TLS takes; each handshake uses the current identity."""

        def choose(handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            handshake.context = self.current().context

        context = _context(self._files, self.current().client_authorities)
        context.sni_callback = choose
        return context

    def _reload(self) -> None:
        try:
            self._identity = _read(self._files)
            until = datetime.fromtimestamp(self._identity.expires, UTC)
            log.info("the certificate was read anew: it is good until %s", until.isoformat())
        except MountedFileError as error:
            self._failures.inc()
            log.error("%s; the certificate read before is still used", error)  # noqa: TRY400 - the sentence says it all


def _read(files: CertificateFiles) -> Identity:
    """Return what the files hold; all of one time, though they are several."""
    for _ in range(_TRIES):
        contents = [read_file(path) for path in files.paths]
        identity = _identity(files, *contents)
        if [read_file(path) for path in files.paths] == contents:
            return identity
    raise MountedFileError(f"{files.certificate} and what belongs to it change all the time")


def _identity(files: CertificateFiles, certificate: bytes, key: bytes, authorities: bytes | None = None) -> Identity:
    leaf = _certificates(files.certificate, certificate)[0]
    if _public(leaf.public_key()) != _public(_private_key(files.key, key).public_key()):
        raise MountedFileError(f"{files.key} is not the key of the first certificate in {files.certificate}")
    expires = leaf.not_valid_after_utc
    if expires <= datetime.now(UTC):
        raise MountedFileError(f"the certificate in {files.certificate} expired on {expires:%Y-%m-%d %H:%M} UTC")
    if authorities is not None and files.client_authorities is not None:
        _certificates(files.client_authorities, authorities)
    return Identity(certificate, key, authorities, _context(files, authorities), expires.timestamp())


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise MountedFileError(f"{path} holds no certificate in PEM form, or a damaged one") from error


def _private_key(path: Path, pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise MountedFileError(f"the key in {path} is encrypted: store it without a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MountedFileError(f"{path} holds no private key in PEM form, or a damaged one") from error


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _context(files: CertificateFiles, authorities: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password="")
        if authorities is not None:
            context.load_verify_locations(cadata=authorities.decode("ascii", "ignore"))
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        raise MountedFileError(f"TLS can't use {files.certificate} and what belongs to it: {error}") from error
    return context
