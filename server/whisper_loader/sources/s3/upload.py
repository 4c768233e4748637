"""Writing to S3: what `push` does."""

import threading
from pathlib import Path

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from whisper_contract.uris import S3Source
from whisper_loader.access import Access
from whisper_loader.progress import Meter
from whisper_loader.sources.s3.encryption import Encryption
from whisper_loader.sources.s3.errors import s3_errors
from whisper_loader.sources.s3.source import make_client

# As the AWS SDKs have it: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_ATTEMPTS = 3


def upload(path: Path, destination: S3Source, access: Access, meter: Meter, encryption: Encryption) -> None:
    """Upload one file, in parts when it is large.

    Raises:
        LoaderError: SourceNotFound for a missing bucket, Unauthorized, SourceUnreachable, …
    """
    client = make_client(access, attempts=_ATTEMPTS)
    lock = threading.Lock()

    def count(transferred: int) -> None:
        # boto3 calls from its own threads.
        with lock:
            meter.advance(transferred)

    with s3_errors(str(destination), writing=True):
        try:
            client.upload_file(
                str(path), destination.bucket, destination.key, ExtraArgs=encryption.extra_arguments, Callback=count
            )
        except S3UploadFailedError as error:
            if isinstance(error.__context__, ClientError):
                raise error.__context__ from error
            raise
