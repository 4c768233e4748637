"""A small typed seam over the kubernetes package: JSON in, JSON out, and errors of our own.

Calls block, with a time limit; they run in the operator's own threads. One client serves all threads.
"""

import json
from collections.abc import Callable
from typing import Any

import kubernetes.client
import kubernetes.config
import urllib3.exceptions

from whisper_operator.api import names
from whisper_operator.kube.errors import KubeError, NotFound, Unsettled, error_for
from whisper_operator.kube.kinds import Kind, kind_of

JSON = dict[str, Any]

_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_OK = range(200, 300)
_CONFLICT = 409
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


#: Is told the method and the HTTP status of each call; 0 when there was no answer.
Counted = Callable[[str, int], None]


def connect(threads: int, counted: Counted = lambda *_: None) -> "KubeClient":
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
    return KubeClient(kubernetes.client.ApiClient(configuration), counted)


class KubeClient:
    """The calls that the operator makes. All raise `KubeError`s."""

    def __init__(self, api: kubernetes.client.ApiClient, counted: Counted = lambda *_: None) -> None:
        self.api = api
        self._counted = counted

    def get(self, kind: Kind, namespace: str, name: str) -> JSON | None:
        """Return the object, or None when there is none."""
        try:
            return self._json("GET", kind.path(namespace, name))
        except NotFound:
            return None

    def list(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> list[JSON]:
        """Return the objects that match the selectors."""
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = {key: value for key, value in selectors.items() if value}
        items: list[JSON] = self._json("GET", kind.path(namespace), query=query)["items"]
        return items

    def create(self, body: JSON, kind: Kind | None = None, *, dry_run: bool = False) -> JSON:
        """Create an object that must not exist yet; in a dry run, only ask whether that would be let pass."""
        path = (kind or kind_of(body)).path(body["metadata"]["namespace"])
        return self._json("POST", path, query={"dryRun": "All"} if dry_run else {}, body=body)

    def apply(self, body: JSON, subresource: str = "") -> JSON:
        """Make the fields of `body` so, taking them over from whoever holds them, and return the whole object.

        https://kubernetes.io/docs/reference/using-api/server-side-apply/
        """
        metadata = body["metadata"]
        path = kind_of(body).path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": names.MANAGER, "force": "true"}
        return self._json("PATCH", path, query=query, body=json.dumps(body), content_type=_APPLY)

    def merge_metadata(self, kind: Kind, namespace: str, name: str, metadata: JSON) -> JSON:
        """Change parts of an object's metadata, whoever wrote them; with a resourceVersion, only if it is still that.

        https://www.rfc-editor.org/rfc/rfc7396
        """
        query = {"fieldManager": names.MANAGER}
        path = kind.path(namespace, name)
        return self._json("PATCH", path, query=query, body={"metadata": metadata}, content_type=_MERGE)

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
        return self._call("GET", kind.path(namespace, pod, "log"), query=query)

    def serves(self, kind: Kind) -> bool:
        """Tell whether the API server knows the kind."""
        group = f"/apis/{kind.group}/{kind.version}"
        try:
            resources = self._json("GET", group)["resources"]
        except NotFound:
            return False
        return any(resource["name"] == kind.plural for resource in resources)

    def _json(self, method: str, path: str, **arguments: Any) -> JSON:
        answer: JSON = json.loads(self._call(method, path, **arguments))
        return answer

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: JSON | str | None = None,
        content_type: str = "application/json",
    ) -> str:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        request = self.api.param_serialize(
            method, path, query_params=list((query or {}).items()), header_params=headers, body=body,
            auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            response = self.api.call_api(*request, _request_timeout=(_CONNECT_SECONDS, _READ_SECONDS))
            text: str = response.read().decode("utf-8", "replace")
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException, OSError) as error:
            self._counted(method, 0)
            raise Unsettled(0, f"no answer from the API server: {error}") from error
        self._counted(method, response.status)
        if response.status not in _OK:
            raise error_for(response.status, text)
        return text
