"""A small typed seam over the kubernetes package: JSON in, JSON out, and errors of our own.

Calls block, with a time limit; they run in the operator's own threads. One client serves all threads.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import kubernetes.client
import kubernetes.config
import msgspec
import urllib3
import urllib3.exceptions

from whisper_operator.api import names
from whisper_operator.kube.errors import KubeError, NotFound, Unsettled, error_for
from whisper_operator.kube.kinds import Kind, kind_of

JSON = dict[str, Any]
T = TypeVar("T")

_TIMEOUT = urllib3.Timeout(connect=5, read=30)
#: Objects to a page of a list: a few MB of JSON.
_PAGE = 200
_OK = range(200, 300)
_CONFLICT = 409
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


#: Is told the method and the HTTP status of each call; 0 when there was no answer.
Counted = Callable[[str, int], None]
#: Is told of each object that the API server returns, as it is then.
Told = Callable[[Kind, JSON], object]


class Page(NamedTuple):
    """A part of a list: its objects, still JSON text, and the version of the whole list."""

    items: list[msgspec.Raw]
    version: str


class _ListMetadata(msgspec.Struct):
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    next_page: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
    metadata: _ListMetadata


def connect(threads: int, counted: Counted = lambda *_: None, told: Told = lambda *_: None) -> "KubeClient":
    """Return a client as whoever we are: the pod's ServiceAccount, or the user of the kubeconfig.

    Raises:
        KubeError: when neither is there.
    """
    configuration = kubernetes.client.Configuration()
    try:
        try:
            kubernetes.config.load_incluster_config(configuration)
        except kubernetes.config.ConfigException:
            kubernetes.config.load_kube_config(client_configuration=configuration)
    except kubernetes.config.ConfigException as error:
        raise KubeError(0, f"neither a ServiceAccount nor a kubeconfig is here: {error}") from error
    configuration.connection_pool_maxsize = threads
    return KubeClient(kubernetes.client.ApiClient(configuration), counted, told)


class KubeClient:
    """The calls that the operator makes. All raise `KubeError`s."""

    def __init__(
        self,
        api: kubernetes.client.ApiClient,
        counted: Counted = lambda *_: None,
        told: Told = lambda *_: None,
    ) -> None:
        self.api = api
        self._counted = counted
        self._told = told

    def get(self, kind: Kind, namespace: str, name: str) -> JSON | None:
        """Return the object, or None when there is none."""
        try:
            return self._object(kind, "GET", kind.path(namespace, name))
        except NotFound:
            return None

    def list(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> list[JSON]:
        """Return the objects that match the selectors."""
        pages = self.pages(kind, namespace, labels=labels, fields=fields)
        return [msgspec.json.decode(text) for page in pages for text in page.items]

    def pages(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> Iterator[Page]:
        """Yield the objects that match the selectors, of all namespaces when none is given, and never many at a time.

        https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
        """
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": str(_PAGE), "continue": ""}
        while True:
            answer = self._read(_List, "GET", kind.path(namespace), query=query)
            yield Page(answer.items, answer.metadata.resource_version)
            query["continue"] = answer.metadata.next_page
            if not query["continue"]:
                return

    def create(self, body: JSON, kind: Kind | None = None, *, dry_run: bool = False) -> JSON:
        """Create an object that must not exist yet; in a dry run, only ask whether that would be let pass."""
        kind = kind or kind_of(body)
        path = kind.path(body["metadata"]["namespace"])
        if dry_run:
            return self._json("POST", path, query={"dryRun": "All"}, body=body)
        return self._object(kind, "POST", path, body=body)

    def apply(self, body: JSON, subresource: str = "") -> JSON:
        """Make the fields of `body` so, taking them over from whoever holds them, and return the whole object.

        https://kubernetes.io/docs/reference/using-api/server-side-apply/
        """
        kind, metadata = kind_of(body), body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": names.MANAGER, "force": "true"}
        return self._object(kind, "PATCH", path, query=query, body=body, content_type=_APPLY)

    def merge_metadata(self, kind: Kind, namespace: str, name: str, metadata: JSON) -> JSON:
        """Change parts of an object's metadata, whoever wrote them; with a resourceVersion, only if it is still that.

        https://www.rfc-editor.org/rfc/rfc7396
        """
        query = {"fieldManager": names.MANAGER}
        path = kind.path(namespace, name)
        return self._object(kind, "PATCH", path, query=query, body={"metadata": metadata}, content_type=_MERGE)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete the object and then, in the background, what it owns; when it is gone already, that is fine too."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            self._json("DELETE", kind.path(namespace, name), body=options)
        except NotFound:
            return
        except Unsettled as error:
            if error.status != _CONFLICT:  # another object of that name: ours is gone
                raise

    def log_tail(self, kind: Kind, namespace: str, pod: str, container: str, lines: int) -> str:
        """Return the last lines that a container has written."""
        query = {"container": container, "tailLines": str(lines)}
        return self._call("GET", kind.path(namespace, pod, "log"), query=query).decode("utf-8", "replace")

    def serves(self, kind: Kind) -> bool:
        """Tell whether the API server knows the kind."""
        group = f"/apis/{kind.group}/{kind.version}"
        try:
            resources = self._json("GET", group)["resources"]
        except NotFound:
            return False
        return any(resource["name"] == kind.plural for resource in resources)

    def published(self, kind: Kind, name: str) -> JSON | None:
        """Return the schema that the API server publishes for the kind of that name; None when there is none.

        https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3
        """
        try:
            schemas = self._json("GET", f"/openapi/v3/apis/{kind.group}/{kind.version}")["components"]["schemas"]
        except NotFound:
            return None
        wanted = {"group": kind.group, "version": kind.version, "kind": name}
        found = (schema for schema in schemas.values() if wanted in schema.get("x-kubernetes-group-version-kind", ()))
        return next(found, None)

    def may(self, namespace: str, verb: str, group: str, resource: str) -> bool:
        """Tell whether we may do it to `resource`, written as in a Role; without a namespace, in all of them.

        https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
        """
        name, _, subresource = resource.partition("/")
        asked = {"namespace": namespace, "verb": verb, "group": group, "resource": name, "subresource": subresource}
        review = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
        review["apiVersion"] = "authorization.k8s.io/v1"
        answer = self._json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        return bool(answer["status"]["allowed"])

    def _object(self, kind: Kind, method: str, path: str, **arguments: Any) -> JSON:
        body = self._json(method, path, **arguments)
        self._told(kind, body)
        return body

    def _json(self, method: str, path: str, **arguments: Any) -> JSON:
        return self._read(JSON, method, path, **arguments)

    def _read(self, shape: type[T], method: str, path: str, **arguments: Any) -> T:
        content = self._call(method, path, **arguments)
        try:
            return msgspec.json.decode(content, type=shape)
        except msgspec.DecodeError as error:
            raise Unsettled(0, f"what the API server answers {method} {path} cannot be read: {error}") from error

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: JSON | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """Call through the package's pool of connections, as whom it says; its own calls take twice the time."""
        headers = {**self.api.default_headers, "Accept": "application/json", "Content-Type": content_type}
        given = {key: value for key, value in (query or {}).items() if value}
        url = f"{self.api.configuration.host}{path}?{urlencode(given)}".rstrip("?")
        try:
            self.api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            response = self.api.rest_client.pool_manager.request(
                method, url, headers=headers, timeout=_TIMEOUT, body=None if body is None else msgspec.json.encode(body)
            )
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException, OSError) as error:
            self._counted(method, 0)
            raise Unsettled(0, f"no answer from the API server: {error}") from error
        self._counted(method, response.status)
        if response.status not in _OK:
            raise error_for(response.status, response.data.decode("utf-8", "replace"))
        return response.data
