"""What teams write today to bring a model from S3 to a disk, as programs of a few lines each: the peers of `pull`.

python -m benchmarks.pull_peers download-extract ENDPOINT BUCKET KEY TARGET
python -m benchmarks.pull_peers stream           ENDPOINT BUCKET KEY TARGET
"""

import sys
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import boto3
from backports import zstd

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def download_extract(client: "S3Client", bucket: str, key: str, target: Path) -> None:
    """boto3's parallel download to a file, extractall, unlink."""
    archive = target / key
    client.download_file(bucket, key, str(archive))
    with archive.open("rb") as file, _open_tar(file, key, "r:") as tar:
        tar.extractall(target, filter="data")
    archive.unlink()


def stream(client: "S3Client", bucket: str, key: str, target: Path) -> None:
    """boto3's body straight into tarfile."""
    body = cast("IO[bytes]", client.get_object(Bucket=bucket, Key=key)["Body"])
    with _open_tar(body, key, "r|") as tar:
        tar.extractall(target, filter="data")


def _open_tar(file: IO[bytes], key: str, mode: str) -> tarfile.TarFile:
    # tarfile knows no zstd before Python 3.14.
    source = cast("IO[bytes]", zstd.ZstdFile(file)) if key.endswith(".zst") else file
    plain = "r|" if key.endswith(".zst") else mode
    options: dict[str, Any] = {"mode": plain + ("gz" if key.endswith(".gz") else "")}
    return tarfile.TarFile.open(fileobj=source, **options)


def main(kind: str, endpoint: str, bucket: str, key: str, target: str) -> None:
    """Run one peer."""
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    Path(target).mkdir(parents=True)
    {"download-extract": download_extract, "stream": stream}[kind](client, bucket, key, Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
