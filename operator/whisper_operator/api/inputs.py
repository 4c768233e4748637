"""What a pull depends on: the source as a URI, and the hash that tells one pull from another."""

import hashlib
import json
from pathlib import PurePosixPath

from whisper_contract import uris
from whisper_contract.store import VOLUMES_MOUNT
from whisper_operator.api.spec import Source, Spec, SpecError

#: Hex digits kept of the hash: enough to be unique, few enough for a label's value.
HASH_LENGTH = 32


def source_uri(source: Source) -> str:
    """Return the source as every command and message writes it."""
    return str(_source(source))


def _source(source: Source) -> uris.Source:
    if source.s3 is not None:
        return uris.S3Source(source.s3.bucket, source.s3.key, source.s3.version_id)
    if source.hugging_face is not None:
        return uris.HuggingFaceSource(source.hugging_face.repo, source.hugging_face.revision)
    if source.volume is not None:
        return uris.FileSource(PurePosixPath(volume_mount(source.volume.claim_name), source.volume.path))
    raise SpecError("spec.source is empty")


def volume_mount(claim: str) -> PurePosixPath:
    """Return where pull pods see the claim of a volume source."""
    return VOLUMES_MOUNT / claim


def inputs_hash(spec: Spec) -> str:
    """Return a hash of what the pulled artifact depends on: the source with its Secret's name, sha256 and conversion.

    Images, resources and placement are left out, so that neither they nor an upgrade of the operator pull anything
    anew. Only what is set enters it: a field that a later version adds changes no hash while it is not used.
    """
    reached = spec.source.s3 or spec.source.hugging_face
    inputs = {
        "source": source_uri(spec.source),
        "endpoint": reached and reached.endpoint,
        "region": spec.source.s3 and spec.source.s3.region,
        "anonymous": spec.source.s3 is not None and spec.source.s3.anonymous,
        "secret": spec.source.secret_name,
        "sha256": spec.sha256,
        "quantization": spec.conversion.quantization,
    }
    text = json.dumps({key: value for key, value in inputs.items() if value}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
