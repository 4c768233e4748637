"""Why the API server refuses the pods of a Job or a Deployment, and what to do about it."""

import re

import msgspec

from whisper_operator.api.defaults import ServerDefaults
from whisper_operator.api.reasons import Finding, Reason

# What the admission plugins Priority, RuntimeClass and ServiceAccount say.
_MISSING: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"no PriorityClass with name"), "PriorityClass", "priorityClassName"),
    (re.compile(r"RuntimeClass.*not found", re.IGNORECASE), "RuntimeClass", "runtimeClassName"),
    (re.compile(r"serviceaccount.*not found", re.IGNORECASE), "ServiceAccount", "serviceAccountName"),
)
#: Fields of spec.server that the operator may have a default of.
_DEFAULTED = {field.encode_name for field in msgspec.structs.fields(ServerDefaults)}


def refused(message: str, part: str) -> Finding:
    """Return the finding for pods that the API server refuses with `message`; `part` of the spec describes them."""
    for pattern, kind, field in _MISSING:
        if pattern.search(message):
            advice = f"Create the {kind}, or correct {part}.{field}"
            default = ", or the operator's default of it" if part == "server" and field in _DEFAULTED else ""
            return Finding(Reason.PODS_FORBIDDEN, message, f"{advice}{default}.")
    return Finding(Reason.PODS_FORBIDDEN, message)
