"""The one door to all kinds of sources."""

from whisper_contract.reasons import Reason
from whisper_contract.uris import (
    FileSource,
    GCSSource,
    GoogleDriveSource,
    HTTPSource,
    HuggingFaceSource,
    OCISource,
    S3Source,
    Source,
    SourceURIError,
    parse_source,
    shown,
)
from whisper_loader.access import Access
from whisper_loader.deadline import within
from whisper_loader.errors import LoaderError
from whisper_loader.source import Resolved
from whisper_loader.sources import files


def parse(uri: str) -> Source:
    """Return the source that `uri` names; LoaderError SpecInvalid when it is none."""
    try:
        return parse_source(uri)
    except SourceURIError as error:
        raise LoaderError(Reason.SPEC_INVALID, str(error)) from error


def resolve(source: Source, access: Access) -> Resolved:
    """Return what `source` holds at this moment; the kinds' own `resolve` say what can go wrong.

    Raises:
        LoaderError: SecretNotFound; DeadlineExceeded, whatever the source does; and those of the kind.
    """
    if access.secret is not None:
        access.secret.check_exists()
    access.deadline.blame(f"{shown(source)}: no answer yet")
    resolved = within(access.deadline, lambda: _resolve(source, access))
    access.deadline.blame(None)
    return resolved


def _resolve(source: Source, access: Access) -> Resolved:  # noqa: PLR0911  (one for each kind)
    match source:
        case S3Source():
            from whisper_loader.sources.s3 import source as s3  # noqa: PLC0415  (boto3 takes half a second to import)

            return s3.resolve(source, access)
        case GCSSource():
            from whisper_loader.sources.google import storage  # noqa: PLC0415  (google-auth takes a third of a second)

            return storage.resolve(source, access)
        case GoogleDriveSource():
            from whisper_loader.sources.google import drive  # noqa: PLC0415  (google-auth, again)

            return drive.resolve(source, access)
        case HuggingFaceSource():
            from whisper_loader.sources.hub import source as hub  # noqa: PLC0415  (its client takes as long)

            return hub.resolve(source, access)
        case HTTPSource():
            from whisper_loader.sources.web import source as web  # noqa: PLC0415  (urllib3 is not free to import)

            return web.resolve(source, access)
        case OCISource():
            from whisper_loader.sources.oci import source as oci  # noqa: PLC0415  (urllib3 is not free to import)

            return oci.resolve(source, access)
        case FileSource():
            return files.resolve(source, access)
        case _:
            raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{shown(source)}: this kind of source can't be pulled")
