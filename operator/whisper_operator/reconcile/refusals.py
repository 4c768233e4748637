"""Why the API server refuses the pods of a Job or a Deployment, and what to do about it."""

import re

from whisper_operator.api.reasons import Finding, Reason

# What the admission plugins Priority, RuntimeClass and ServiceAccount say.
_MISSING: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"no PriorityClass with name"), "PriorityClass", "priorityClassName"),
    (re.compile(r"RuntimeClass.*not found", re.IGNORECASE), "RuntimeClass", "runtimeClassName"),
    (re.compile(r"serviceaccount.*not found", re.IGNORECASE), "ServiceAccount", "serviceAccountName"),
)


def refused(message: str, part: str) -> Finding:
    """Return the finding for pods that the API server refuses with `message`; `part` of the spec describes them."""
    for pattern, kind, field in _MISSING:
        if pattern.search(message):
            return Finding(Reason.PODS_FORBIDDEN, message, f"Create the {kind}, or correct {part}.{field}.")
    return Finding(Reason.PODS_FORBIDDEN, message)
