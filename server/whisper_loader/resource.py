"""The WhisperModel that serves what was pushed, as YAML for people to apply."""

import json
import re

from whisper_contract.uris import S3Source
from whisper_loader.archive.pack import SUFFIXES
from whisper_loader.sources.base import Access

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
_MAX_NAME = 40
_FALLBACK_NAME = "whisper"


def serving_resource(source: S3Source, access: Access, sha256: str | None) -> str:
    """Return a WhisperModel that pulls `source` the way that it was reached; JSON's strings are YAML's too."""
    fields = {"bucket": source.bucket, "key": source.key, "endpoint": access.endpoint, "region": access.region}
    lines = [
        "apiVersion: stt.whisper-operator.io/v1alpha1",
        "kind: WhisperModel",
        f"metadata: {{name: {json.dumps(_name(source))}}}",
        "spec:",
        "  source:",
        "    s3:",
        *(f"      {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items() if value),
        "      # A Secret in the same namespace, with aws_access_key_id and aws_secret_access_key.",
        "      # Leave it out where the pods have a cloud identity.",
        "      secretRef: {name: s3-credentials}",
    ]
    if sha256 is not None:
        # Quoted: digits alone would be a number.
        lines.append(f"  sha256: {json.dumps(sha256)}")
    return "\n".join(lines)


def _name(source: S3Source) -> str:
    """Make a resource's name of the key: at most 40 characters, a letter first, no dots."""
    last = source.key.rstrip("/").rpartition("/")[2].lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        last = last.removesuffix(suffix)
    name = _NOT_IN_A_NAME.sub("-", last).strip("-0123456789")[:_MAX_NAME].rstrip("-")
    return name or _FALLBACK_NAME
