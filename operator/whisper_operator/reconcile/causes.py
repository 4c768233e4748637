"""What made a Deployment change: fields of the spec, the artifact, or the operator itself. Named while it rolls out.

Each Deployment carries a hash of everything that it was made of, by name, and the names that differed at its last
change. So what caused a rollout is known to the operator that finds it under way, too.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.status import Artifact
from whisper_operator.reconcile.objects import JSON, dig
from whisper_operator.settings import Settings

ARTIFACT = "the artifact"
SETTINGS = "the operator's settings"
VERSION = "the operator's version"

#: The Deployment as a whole: a field that changes nothing of it is no cause.
_WHOLE = ""
#: The part of it whose change replaces servers.
_PODS = "pods"
#: The generation of the WhisperModel, which every change of its spec moves.
_GENERATION = "generation"
#: What names no cause.
_UNNAMED = {_WHOLE, _PODS, _GENERATION}
#: The one field that people and autoscalers change without replacing a server.
_REPLICAS = "spec.server.replicas"
#: Parts of spec.server that other objects are made of.
_ELSEWHERE = {"service", "autoscaling", "disruption"}
_HASH_LENGTH = 8
_MOST_NAMES = 5


def with_cause(wanted: JSON, live: JSON | None, model: Model, settings: Settings, artifact: Artifact) -> JSON:
    """Return `wanted` with the notes that say what it is made of and, if it replaces `live`, what has changed."""
    parts = {
        _WHOLE: _hash(wanted["spec"]),
        _PODS: _hash(wanted["spec"]["template"]),
        _GENERATION: str(model.generation),
    }
    parts |= {part: _hash(value) for part, value in _parts(model, settings, artifact)}
    before = {} if live is None else _noted(live)
    if _GENERATION in before and before == parts | {_GENERATION: before[_GENERATION]}:
        # A change of a Deployment's notes alone starts no server, and yet counts as a rollout until it is observed.
        parts = before
    annotations = {names.ANNOTATION_PARTS: json.dumps(parts, sort_keys=True)}
    if live is not None:
        cause = cause_of(live) if before.get(_WHOLE) == parts[_WHOLE] else _difference(before, parts)
        annotations |= {names.ANNOTATION_CAUSE: cause} if cause else {}
    return {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}


def is_change(wanted: JSON, live: JSON) -> bool:
    """Tell whether `wanted`, with its notes, differs from what was wanted before."""
    return _noted(wanted).get(_WHOLE) != _noted(live).get(_WHOLE)


def replaces_servers(wanted: JSON, live: JSON) -> bool:
    """Tell whether `wanted`, with its notes, asks for other servers than were wanted before."""
    return _noted(wanted).get(_PODS) != _noted(live).get(_PODS)


def is_operators_own(wanted: JSON, live: JSON) -> bool:
    """Tell whether, of what replaces servers, nothing has changed but the operator: its settings, or its version.

    While the spec is the same, it is so whatever else differs: another version may know of more fields, or of other
    defaults. Of a Deployment that says nothing, nothing else is known.
    """
    before, after = _noted(live), _noted(wanted)
    if not before:
        return True
    if before.get(ARTIFACT) != after.get(ARTIFACT):
        return False
    return before.get(_GENERATION) == after.get(_GENERATION) or _changed(before, after) <= {SETTINGS, _REPLICAS}


def held_back(wanted: JSON, live: JSON) -> JSON:
    """Return `wanted` with the servers that `live` has, and with the notes that say so."""
    before, after = _noted(live), _noted(wanted)
    kept = {part: before[part] for part in (_WHOLE, _PODS, SETTINGS) if part in before}
    known = {part: value for part, value in after.items() if part not in (_WHOLE, _PODS, SETTINGS)}
    notes = {names.ANNOTATION_PARTS: json.dumps(known | kept, sort_keys=True)}
    notes |= {names.ANNOTATION_CAUSE: cause_of(live)} if cause_of(live) else {}
    return wanted | {
        "metadata": wanted["metadata"] | {"annotations": notes},
        "spec": wanted["spec"] | {"template": live["spec"]["template"]},
    }


def cause_of(deployment: JSON) -> str:
    """Return what made the Deployment change last; empty when it never has."""
    return str(dig(deployment, "metadata", "annotations", names.ANNOTATION_CAUSE) or "")


def _parts(model: Model, settings: Settings, artifact: Artifact) -> Iterator[tuple[str, Any]]:
    server = model.spec.server
    fields = msgspec.to_builtins(server)
    for field, value in fields.items():
        if field not in _ELSEWHERE:
            yield from _leaves(f"spec.server.{field}", value)
    yield "spec.podSecurityContext", msgspec.to_builtins(model.spec.pod_security_context)
    yield ARTIFACT, artifact.key
    defaults = msgspec.to_builtins(settings.server_defaults)
    yield SETTINGS, [settings.server_image, settings.image_pull_policy, settings.image_pull_secrets, defaults]


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an object, and anything else as it is; one level is enough to find what was edited."""
    if not isinstance(value, dict):
        yield path, value
        return
    for field, inner in value.items():
        yield f"{path}.{field}", inner


def _difference(before: dict[str, str], after: dict[str, str]) -> str:
    changed = sorted(_changed(before, after)) if before else []
    more = len(changed) - _MOST_NAMES
    rest = [f"{more} more"] if more > 0 else []
    return ", ".join([*changed[:_MOST_NAMES], *rest]) or VERSION


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    named = (before.keys() | after.keys()) - _UNNAMED
    return {part for part in named if before.get(part) != after.get(part)}


def _noted(deployment: JSON) -> dict[str, str]:
    """Return what the Deployment says that it is made of; empty when it says nothing that can be read."""
    try:
        parts = json.loads(dig(deployment, "metadata", "annotations", names.ANNOTATION_PARTS) or "{}")
    except ValueError:
        return {}
    return parts if isinstance(parts, dict) else {}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_HASH_LENGTH]
