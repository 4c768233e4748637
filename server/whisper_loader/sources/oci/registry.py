"""One repository of a registry: manifests and blobs, each checked to be what its name promises.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import hashlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from whisper_contract.reasons import Reason
from whisper_contract.uris import OCISource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.http.errors import UPLOAD_MEANINGS
from whisper_loader.http.ranges import Range
from whisper_loader.source import ByteStream
from whisper_loader.sources.endpoints import check_endpoint
from whisper_loader.sources.oci.credentials import Credentials, credentials_for, is_docker_hub
from whisper_loader.sources.oci.errors import push_error, registry_error
from whisper_loader.sources.oci.login import Login
from whisper_loader.sources.oci.manifests import ACCEPT, Descriptor, Index, Manifest, parse

_DOCKER_HUB_API = "https://registry-1.docker.io"
_STORAGE_REFUSES = (Reason.SOURCE_UNREACHABLE, "the storage behind the registry refused the address that it was given")


class Registry:
    """Asks a registry about one repository. Used from several threads."""

    def __init__(self, source: OCISource, access: Access) -> None:
        """Nothing is asked yet.

        Raises:
            LoaderError: SecretKeyMissing, Unauthorized, SpecInvalid for what `access` holds.
        """
        self.what = str(source)
        self._base = _base(source, access)
        self._host = urlsplit(self._base).netloc
        client = Client(access)
        name = f"library/{source.name}" if is_docker_hub(source.registry) and "/" not in source.name else source.name
        self._repository = f"{self._base}/v2/{name}"
        self._client = client
        credentials = _credentials(source.registry, self._host, name, access)
        self._login = Login(client, credentials, self.what, encrypted=self._base.startswith("https://"))

    def url(self, path: str) -> str:
        """Return the URL of `path` below the repository, like ``blobs/uploads/``."""
        return f"{self._repository}/{path}"

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], object] | None = None,
    ) -> Answer:
        """Return the answer to a request, sent again when the registry first wants a login, or a new one.

        Args:
            method: of HTTP.
            url: of the registry, or of a place it pointed to, which gets no credentials when it is on another host.
            headers: beside Authorization.
            body: returns what to send, from its beginning.
        """
        answer = self._send_once(method, url, headers, body, refused := self._authorization(url))
        if answer.status != HTTPStatus.UNAUTHORIZED or not self._is_own(answer.url):
            return answer
        if self._login.renew(refused, answer.headers.get("www-authenticate", "")):
            answer.close()
            return self._send_once(method, url, headers, body, self._authorization(url))
        return answer

    def _send_once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: Callable[[], object] | None,
        authorization: str | None,
    ) -> Answer:
        login = {} if authorization is None else {"Authorization": authorization}
        content = None if body is None else body()
        return self._client.send(method, url, self.what, {**(headers or {}), **login}, content)

    def _authorization(self, url: str) -> str | None:
        return self._login.header if self._is_own(url) else None

    def _is_own(self, url: str) -> bool:
        return url.startswith(f"{self._base}/")

    def error(self, answer: Answer) -> LoaderError:
        """Return what an answer that is no success means, and close it."""
        if not self._is_own(answer.url):
            return answer.failure({HTTPStatus.UNAUTHORIZED: _STORAGE_REFUSES, HTTPStatus.FORBIDDEN: _STORAGE_REFUSES})
        return registry_error(answer, has_credentials=self._login.has_credentials)

    def push_error(self, answer: Answer) -> LoaderError:
        """Return what an answer to a push means that is no success, and close it."""
        if not self._is_own(answer.url):
            return answer.failure(UPLOAD_MEANINGS)
        return push_error(answer, has_credentials=self._login.has_credentials)

    def manifest(self, reference: str) -> tuple[Descriptor, Manifest | Index]:
        """Return the manifest or index that a tag or digest names, and what describes it.

        Raises:
            LoaderError: SourceNotFound, Unauthorized, SourceUnreachable, UnsupportedFormat, ChecksumMismatch, …
        """
        answer = self.send("GET", self.url(f"manifests/{reference}"), {"Accept": ACCEPT})
        if answer.status != HTTPStatus.OK:
            raise self.error(answer)
        content = answer.document()
        sha256 = hashlib.sha256(content).hexdigest()
        promised = reference if ":" in reference else answer.headers.get("docker-content-digest", "")
        if promised.startswith("sha256:") and promised != f"sha256:{sha256}":
            raise LoaderError(
                Reason.CHECKSUM_MISMATCH, f"{self.what}: the manifest has sha256 {sha256}, and {promised} was promised"
            )
        parsed = parse(content, answer.headers.get("content-type", ""), self.what)
        return Descriptor(sha256, len(content)), parsed

    def is_ranged(self, blob: Descriptor) -> bool:
        """Tell whether the registry, or the storage behind it, can start in the middle of a blob."""
        answer = self._blob(blob, {"Range": "bytes=0-0"})
        answer.close()
        return answer.status == HTTPStatus.PARTIAL_CONTENT

    def open_blob(self, blob: Descriptor, start: int, stop: int | None) -> ByteStream:
        """Return the bytes of a blob from `start` to before `stop`, or to its end; who reads it checks the digest.

        Raises:
            LoaderError: as `manifest`; ChecksumMismatch when the blob is longer or shorter than it should be.
        """
        wanted = Range(start, stop, blob.size)
        return wanted.check(self._blob(blob, wanted.headers), other_size=Reason.CHECKSUM_MISMATCH)

    def _blob(self, blob: Descriptor, headers: Mapping[str, str]) -> Answer:
        answer = self.send("GET", self.url(f"blobs/{blob.digest}"), headers)
        if not answer.ok:
            raise self.error(answer)
        return answer


def _base(source: OCISource, access: Access) -> str:
    """The URL that the API lies below: plain HTTP is for this very machine, or for whoever asks for it."""
    if access.endpoint is not None:
        return check_endpoint(access.endpoint)
    if is_docker_hub(source.registry):
        return _DOCKER_HUB_API
    return f"{'http' if _is_this_machine(source.registry) else 'https'}://{source.registry}"


def _is_this_machine(registry: str) -> bool:
    host = urlsplit(f"//{registry}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _credentials(registry: str, endpoint_host: str, name: str, access: Access) -> Credentials | None:
    """The registry's entry; the endpoint's own where the docker config has one, since that is who is asked."""
    own = access.endpoint is not None and credentials_for(endpoint_host, name, access, required=False)
    return own or credentials_for(registry, name, access, required=True)
