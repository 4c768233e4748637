"""The one door to all kinds of destinations: what each takes, and the function that uploads to it."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from whisper_contract.reasons import Reason
from whisper_contract.uris import (
    GCSSource,
    HTTPSource,
    HuggingFaceSource,
    OCISource,
    S3Source,
    Source,
    shown,
)
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.progress import Meter
from whisper_loader.sources.s3.encryption import Encryption

DESTINATIONS = "s3://bucket/key, gs://bucket/object, hf://org/name, oci://registry/name:tag or https://host/path"


def check_destination(destination: Source, encryption: Encryption) -> None:
    """Raise LoaderError SpecInvalid for what cannot be written to."""
    if encryption != Encryption() and not isinstance(destination, S3Source):
        raise LoaderError(Reason.SPEC_INVALID, "--sse is an option of s3:// alone")
    match destination:
        case S3Source(version_id=str()) | GCSSource(generation=str()):
            raise LoaderError(Reason.SPEC_INVALID, f"{destination}: an upload makes a version and can't name one")
        case OCISource() if destination.is_pinned or destination.path:
            raise LoaderError(Reason.SPEC_INVALID, f"{destination}: a push names a tag, no digest and no #path")
        case S3Source() | GCSSource() | HuggingFaceSource() | OCISource() | HTTPSource():
            return
    raise LoaderError(Reason.SPEC_INVALID, f"{shown(destination)}: a push goes to {DESTINATIONS}")


def takes_folder(destination: Source) -> bool:
    """Tell whether a folder's files go up as they are; otherwise they are packed into one archive."""
    match destination:
        case S3Source() | GCSSource():
            return destination.is_prefix
        case _:
            return isinstance(destination, HuggingFaceSource | OCISource)


def check_takes_archive(destination: Source) -> None:
    """Raise LoaderError SpecInvalid when the destination holds files only."""
    if isinstance(destination, HuggingFaceSource):
        message = f"{destination}: a repository holds a model's files, not an archive: name the folder"
        raise LoaderError(Reason.SPEC_INVALID, message)


def path_of(destination: Source) -> str:
    """Return the part of the destination that names a file or, with a slash at its end, a folder."""
    match destination:
        case S3Source():
            return destination.key
        case GCSSource():
            return destination.name
        case HTTPSource():
            return urlsplit(destination.url).path
        case OCISource():
            return destination.name
        case HuggingFaceSource():
            return destination.repo
        case _:
            return ""


def inside(destination: Source, name: str) -> Source:
    """Return the destination of the file `name` where `destination` names a folder, else `destination` itself."""
    if not path_of(destination).endswith("/"):
        return destination
    match destination:
        case S3Source():
            return replace(destination, key=destination.key + name)
        case GCSSource():
            return replace(destination, name=destination.name + name)
        case HTTPSource() if "?" not in destination.url:
            return replace(destination, url=destination.url + quote(name))
        case _:
            return destination


def upload(path: Path, destination: Source, access: Access, meter: Meter, encryption: Encryption) -> None:
    """Upload one archive, or a folder where `takes_folder` says so; `meter` counts the bytes.

    Raises:
        LoaderError: SourceNotFound for a bucket or host that is not there, Unauthorized, SourceUnreachable, …
    """
    match destination:
        case S3Source():
            from whisper_loader.sources.s3 import upload as s3  # noqa: PLC0415  (boto3 takes half a second to import)

            s3.upload(path, destination, access, meter, encryption)
        case GCSSource():
            from whisper_loader.sources.google import storage_upload as storage  # noqa: PLC0415  (google-auth takes a third of a second)

            storage.upload(path, destination, access, meter)
        case HuggingFaceSource():
            from whisper_loader.sources.hub import upload as hub  # noqa: PLC0415  (its client takes as long)

            hub.upload(path, destination, access, meter)
        case HTTPSource():
            from whisper_loader.sources.web import upload as web  # noqa: PLC0415  (urllib3 is not free to import)

            web.upload(path, destination, access, meter)
        case OCISource():
            from whisper_loader.sources.oci import upload as oci  # noqa: PLC0415  (as above)

            oci.upload(path, destination, access, meter)
        case _:
            raise LoaderError(Reason.SPEC_INVALID, f"{shown(destination)}: a push goes to {DESTINATIONS}")
