"""What a pull depends on: the source as a URI, and the hash that tells one pull from another."""

import hashlib
import json
from pathlib import PurePosixPath
from urllib.parse import quote

from whisper_contract import uris
from whisper_contract.store import VOLUMES_MOUNT
from whisper_operator.api.spec import (
    GCS,
    HTTP,
    OCI,
    S3,
    Baked,
    GoogleDrive,
    HuggingFace,
    Source,
    Spec,
    SpecError,
    Volume,
)

#: Hex digits kept of the hash: enough to be unique, few enough for a label's value.
HASH_LENGTH = 32


def source_uri(source: Source) -> str:
    """Return the source as every command takes it.

    Raises:
        SpecError: for a URL or a reference that the schema should have refused.
    """
    return str(_source(source))


def shown_uri(source: Source) -> str:
    """Return the source as messages and status show it: without a URL's query, which may be a signature.

    Raises:
        SpecError: as `source_uri`.
    """
    return uris.shown(_source(source))


def _source(source: Source) -> uris.Source:
    found: uris.Source
    match source:
        case Source(s3=S3() as s3):
            found = uris.S3Source(s3.bucket, s3.key, s3.version_id)
        case Source(gcs=GCS() as gcs):
            found = uris.GCSSource(gcs.bucket, gcs.object, gcs.generation)
        case Source(google_drive=GoogleDrive() as drive):
            found = uris.GoogleDriveSource(drive.file_id)
        case Source(http=HTTP() as http):
            found = _parse("http.url", http.url)
        case Source(hugging_face=HuggingFace() as hub):
            found = uris.HuggingFaceSource(hub.repo, hub.revision)
        case Source(oci=OCI() as oci):
            path = f"#{quote(oci.path)}" if oci.path else ""
            found = _parse("oci.reference", f"oci://{oci.reference}{path}")
        case Source(volume=Volume() as volume):
            found = uris.FileSource(PurePosixPath(volume_mount(volume.claim_name), volume.path))
        case Source(baked=Baked() as baked):
            found = uris.FileSource(PurePosixPath(baked.path))
        case _:
            raise SpecError("spec.source is empty")
    return found


def _parse(field: str, text: str) -> uris.Source:
    try:
        return uris.parse_source(text)
    except uris.SourceURIError as error:
        raise SpecError(f"spec.source.{field}: {error}") from error


def volume_mount(claim: str) -> PurePosixPath:
    """Return where pull pods see the claim of a volume source."""
    return VOLUMES_MOUNT / claim


def inputs_hash(spec: Spec) -> str:
    """Return a hash of what the pulled artifact depends on: the source with its Secret's name, sha256 and conversion.

    Images, resources and placement are left out, so that neither they nor an upgrade of the operator pull anything
    anew. Only what is set enters it: a field that a later version adds changes no hash while it is not used.
    """
    inputs = {
        "source": source_uri(spec.source),
        "endpoint": spec.source.endpoint,
        "region": spec.source.s3 and spec.source.s3.region,
        "anonymous": spec.source.anonymous,
        "secret": spec.source.secret_name,
        "sha256": spec.sha256,
        "quantization": spec.conversion.quantization,
    }
    text = json.dumps({key: value for key, value in inputs.items() if value}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
