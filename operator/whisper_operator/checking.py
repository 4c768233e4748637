"""`whisper-operator check`: whether an operator that is installed can work, as `helm test` asks. It changes nothing.

It looks at what a person wants to know: that WhisperModels are defined as this version knows them, since helm never
upgrades a definition; that the operator has its rights; and that one is at work.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

from whisper_operator import api
from whisper_operator.api import names
from whisper_operator.kube import kinds
from whisper_operator.kube.client import JSON, KubeClient, connect
from whisper_operator.kube.errors import KubeError
from whisper_operator.settings import Settings

_DEFINE = "helm show crds CHART | kubectl apply --server-side --force-conflicts -f -"
_GRANT = "the chart's roles give them; with rbac.create false somebody else has to"
_ASK_PODS = "see what becomes of its pods: kubectl -n {namespace} get pods, and their logs"
_LOOK_SECONDS = 0.5
_PUBLISHED_SECONDS = 10.0
#: So many of what is missing are named.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Result:
    """What was found: how it is and, where that is not well, what to do."""

    text: str
    advice: str | None = None

    def __str__(self) -> str:
        return f"ok    {self.text}" if self.advice is None else f"FAIL  {self.text}: {self.advice}"


class NobodyToAskError(Exception):
    """There is no API server to ask; the text says what to do."""


def run(settings: Settings, rules: Sequence[JSON], patience_seconds: float) -> bool:
    """Print a line for each thing that is looked at, as `check` finds it, and tell whether all is well.

    Raises:
        NobodyToAskError: neither the pod nor the environment says where the API server is.
    """
    try:
        client = connect(1)
    except KubeError as error:
        raise NobodyToAskError(f"{error}: run in a cluster, or set KUBECONFIG") from error
    well = True
    for result in check(client, settings, rules, patience_seconds):
        print(result, flush=True)  # noqa: T201 - what the command is for
        well = well and result.advice is None
    return well


def check(client: KubeClient, settings: Settings, rules: Sequence[JSON], patience_seconds: float) -> Iterator[Result]:
    """Yield a result for each thing that is looked at.

    Args:
        client: asks as the operator.
        settings: the operator's own.
        rules: as in a Role, what the operator has to be allowed where its WhisperModels are.
        patience_seconds: how long an operator may take to be at work.
    """
    looks = [partial(_definition, client, min(patience_seconds, _PUBLISHED_SECONDS))]
    if rules:
        looks += [partial(_rights, client, namespace, rules) for namespace in settings.namespaces or ("",)]
    if settings.lease_namespace:
        looks.append(partial(_at_work, client, settings, patience_seconds))
    for look in looks:
        try:
            yield look()
        except KubeError as error:
            yield Result("the API server could not be asked", str(error))


def _definition(client: KubeClient, patience_seconds: float) -> Result:
    """Look until it is as it should be: the API server publishes a definition a moment after it has it."""
    deadline = time.monotonic() + patience_seconds
    while True:
        result = _published_definition(client)
        if result.advice is None or time.monotonic() > deadline:
            return result
        time.sleep(_LOOK_SECONDS)


def _published_definition(client: KubeClient) -> Result:
    published = client.published(kinds.MODEL, names.KIND)
    if published is None:
        return Result("the API server does not know WhisperModels", _DEFINE)
    missing = missing_fields(_known(), published["properties"]["spec"])
    if missing:
        return Result(f"WhisperModels are defined as an older version knows them, without {_some(missing)}", _DEFINE)
    return Result("WhisperModels are defined as this version knows them")


def _known() -> JSON:
    schema: JSON = json.loads(files(api).joinpath("schema.json").read_text(encoding="utf-8"))
    return schema


def missing_fields(known: JSON, published: JSON) -> list[str]:
    """Return the paths of the fields that only `known` has; of those inside one another, the outermost."""
    there = set(_fields(published, "spec"))
    missing = [path for path in _fields(known, "spec") if path not in there]
    return [path for path in missing if path.rpartition(".")[0] not in missing]


def _fields(schema: JSON, path: str) -> Iterator[str]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _fields(child, f"{path}.{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _fields(inner, path)


def _rights(client: KubeClient, namespace: str, rules: Sequence[JSON]) -> Result:
    where = namespace or "all namespaces"
    asked = 0
    lacking: dict[str, list[str]] = {}
    for verb, group, resource in _each_right(rules):
        asked += 1
        if not client.may(namespace, verb, group, resource):
            lacking.setdefault(resource, []).append(verb)
    if lacking:
        some = [f"{resource} ({', '.join(verbs)})" for resource, verbs in lacking.items()]
        return Result(f"the operator lacks rights in {where}: {_some(some)}", _GRANT)
    return Result(f"the operator has its {asked} rights in {where}")


def _each_right(rules: Iterable[JSON]) -> Iterator[tuple[str, str, str]]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield verb, group, resource


def _at_work(client: KubeClient, settings: Settings, patience_seconds: float) -> Result:
    """Wait until the Lease is renewed under our eyes: no two clocks need to agree."""
    namespace = settings.lease_namespace
    lease = f"the lease {namespace}/{settings.lease_name}"
    deadline = time.monotonic() + patience_seconds
    earlier: JSON | None = None
    while True:
        found: Any = client.get(kinds.LEASE, namespace, settings.lease_name) or {}
        spec: JSON = found.get("spec", {})
        holder = spec.get("holderIdentity")
        if holder and earlier is not None and earlier.get("renewTime") != spec.get("renewTime"):
            return Result(f"{holder} is at work: it renews {lease}")
        if time.monotonic() > deadline:
            state = f"{holder} holds {lease} and does not renew it" if holder else f"no operator holds {lease}"
            return Result(state, _ASK_PODS.format(namespace=namespace))
        earlier = spec
        time.sleep(_LOOK_SECONDS)


def _some(things: Sequence[str]) -> str:
    others = len(things) - _NAMED
    return ", ".join(things[:_NAMED]) + (f" and {others} more" if others > 0 else "")
