"""The WhisperModel that serves what was pushed, as YAML for people to apply."""

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath

from whisper_contract.uris import GCSSource, HTTPSource, HuggingFaceSource, OCISource, S3Source, Source
from whisper_loader.access import Access
from whisper_loader.archive.pack import SUFFIXES
from whisper_loader.sources.upload import path_of

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
_MAX_NAME = 40
_FALLBACK_NAME = "whisper"


@dataclass(frozen=True, slots=True)
class _Printed:
    """What of a resource depends on the kind of source.

    Attributes:
        kind: the field of spec.source.
        fields: of it; those without a value are left out.
        secret: the name of a Secret to make; None when nothing says that one is needed.
        keys: what the Secret holds, and when it can be left out.
    """

    kind: str
    fields: dict[str, str | None]
    secret: str | None
    keys: str


def serving_resource(source: Source, access: Access, sha256: str | None) -> str:
    """Return a WhisperModel that pulls `source` the way that it was reached; JSON's strings are YAML's too."""
    printed = _printed(source, access)
    lines = [
        "apiVersion: stt.whisper-operator.io/v1alpha1",
        "kind: WhisperModel",
        f"metadata: {{name: {json.dumps(_name(source))}}}",
        "spec:",
        "  source:",
        f"    {printed.kind}:",
        *(f"      {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in printed.fields.items() if value),
    ]
    if isinstance(source, OCISource) and access.endpoint is not None:
        lines.append(f"      # It was pushed through --endpoint; the cluster asks {source.registry} itself, over TLS.")
    if printed.secret is not None:
        lines += [
            f"      # A Secret in the same namespace, {printed.keys}",
            f"      secretRef: {{name: {printed.secret}}}",
        ]
    if access.ca_bundle is not None:
        lines += ["  # A ConfigMap in the same namespace, with the authorities to trust in the key ca.crt.", "  pull:"]
        lines += ["    caBundleRef: {name: certificate-authorities}"]
    if sha256 is not None:
        # Quoted: digits alone would be a number.
        lines.append(f"  sha256: {json.dumps(sha256)}")
    return "\n".join(lines)


def _printed(source: Source, access: Access) -> _Printed:
    match source:
        case S3Source():
            where = {"bucket": source.bucket, "key": source.key, "endpoint": access.endpoint, "region": access.region}
            keys = (
                "with aws_access_key_id and aws_secret_access_key. Leave it out where the pods have a cloud identity."
            )
            return _Printed("s3", where, "s3-credentials", keys)
        case GCSSource():
            where = {"bucket": source.bucket, "object": source.name, "endpoint": access.endpoint}
            return _Printed(
                "gcs", where, "gcs-key", "with key.json. Leave it out where the pods have workload identity."
            )
        case HuggingFaceSource():
            where = {"repo": source.repo, "revision": source.revision, "endpoint": access.endpoint}
            return _Printed(
                "huggingFace", where, "hub-token", "with token. Leave it out when the repository is public."
            )
        case OCISource():
            reference = str(source).removeprefix("oci://")
            keys = "of the type kubernetes.io/dockerconfigjson. Leave it out where anyone may read."
            return _Printed("oci", {"reference": reference}, "registry-login", keys)
        case HTTPSource():
            secret = None if access.secret is None else "http-login"
            keys = "with token, or username and password, or headers."
            # A query is most likely the signature of the upload, with which nothing can be read.
            return _Printed("http", {"url": source.without_query}, secret, keys)
    raise ValueError(f"nothing is pushed to {type(source).__name__}")


def _name(source: Source) -> str:
    """Make a resource's name of the last part of the path: at most 40 characters, a letter first, no dots."""
    last = PurePosixPath(path_of(source)).name.casefold()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        last = last.removesuffix(suffix)
    letters = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    name = _NOT_IN_A_NAME.sub("-", letters).lstrip("-0123456789")[:_MAX_NAME].rstrip("-")
    return name or _FALLBACK_NAME
