"""The termination message: one JSON object that a container leaves behind for the operator.

It is written to the container's termination log and kept by kubelet in the pod's status, where 12 KiB are shared by all
containers of the pod; hence the limit
(https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/).
"""

import json
from dataclasses import dataclass
from typing import Any

VERSION = 1
MAX_BYTES = 1_500
#: Where kubelet reads the message, by default.
TERMINATION_LOG = "/dev/termination-log"

_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class TerminationMessage:
    """What a step ended with.

    Attributes:
        step: pull, convert, publish, serve, gc or resolve.
        reason: a constant of `whisper_contract.reasons`, or of success: Published, Freed, Resolved.
        message: one sentence for people; the only part that is shortened.
        digest: ``sha256:<hex>`` of the published artifact; None before there is one.
        source: the source's resolved identity (a commit, a version, an ETag), never with credentials.
        format: what the source held: ctranslate2 or transformers.
        quantization: of the published model.
        size_bytes: of the published files in all; of what gc has freed.
    """

    step: str
    reason: str
    message: str
    digest: str | None = None
    source: str | None = None
    format: str | None = None
    quantization: str | None = None
    size_bytes: int | None = None

    def encode(self) -> bytes:
        """Return the message's JSON in at most `MAX_BYTES` bytes, its text shortened as far as that needs.

        Raises:
            ValueError: when the other fields alone are too long.
        """
        whole = self._dump(self.message)
        if len(whole) <= MAX_BYTES:
            return whole
        if len(self._dump(_ELLIPSIS)) > MAX_BYTES:
            raise ValueError("the termination message is too long even without its text")
        fits, too_long = 0, len(self.message)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if len(self._dump(self.message[:middle] + _ELLIPSIS)) <= MAX_BYTES:
                fits = middle
            else:
                too_long = middle
        return self._dump(self.message[:fits] + _ELLIPSIS)

    def _dump(self, message: str) -> bytes:
        fields = {
            "v": VERSION,
            "step": self.step,
            "reason": self.reason,
            "message": message,
            "digest": self.digest,
            "source": self.source,
            "format": self.format,
            "quantization": self.quantization,
            "sizeBytes": self.size_bytes,
        }
        present = {key: value for key, value in fields.items() if value is not None}
        return json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    @classmethod
    def parse(cls, text: str) -> "TerminationMessage | None":
        """Return the message in `text`, or None when it is something else (another program's last words)."""
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):  # The second for nesting without end.
            return None
        if not isinstance(fields, dict) or fields.get("v") != VERSION:
            return None
        step, reason, message = (fields.get(key) for key in ("step", "reason", "message"))
        if not (isinstance(step, str) and isinstance(reason, str) and isinstance(message, str)):
            return None
        return cls(
            step=step,
            reason=reason,
            message=message,
            digest=_text(fields, "digest"),
            source=_text(fields, "source"),
            format=_text(fields, "format"),
            quantization=_text(fields, "quantization"),
            size_bytes=_size(fields.get("sizeBytes")),
        )


def _text(fields: dict[str, Any], key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) else None


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
