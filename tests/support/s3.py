"""A real S3 server, versitygw, on a directory of its own."""

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.cluster.binaries import versitygw
from tests.cluster.certificates import Authority, KeyPair
from tests.cluster.ports import free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
_READY_SECONDS = 240
_STOP_SECONDS = 10


@dataclass(frozen=True)
class S3Server:
    """A server that runs, with its only user.

    Attributes:
        host: address that it listens on.
        port: port that it listens on.
        access_key: id of the user's key.
        secret_key: the user's key.
        log: what the server says: a line for each request.
        ca: the authority behind its certificate; None for plain HTTP.
    """

    host: str
    port: int
    access_key: str
    secret_key: str
    log: Path
    ca: Path | None = None

    @classmethod
    @contextmanager
    def start(
        cls, host: str = "127.0.0.1", port: int | None = None, authority: Authority | None = None
    ) -> Iterator["S3Server"]:
        """Start a server with versioned buckets at `host`, on a free port unless one is named; stop it at the end."""
        program = versitygw()
        with tempfile.TemporaryDirectory(prefix="whisper-s3-") as folder:
            port = port or free_port(host)
            ca = None if authority is None else authority.certificate
            server = cls(host, port, "test-access-key", secrets.token_hex(20), Path(folder, "log"), ca)
            keys = None if authority is None else authority.issue("s3", addresses=[host])
            process = server._launch(program, Path(folder), keys)
            try:
                server._wait_until_ready(process)
                yield server
            finally:
                process.terminate()
                _wait(process)

    @property
    def endpoint(self) -> str:
        return f"{'http' if self.ca is None else 'https'}://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead boto3, and so the loader, to the user's key."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def client(self) -> "S3Client":
        """Return a client of the server's user."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            verify=None if self.ca is None else str(self.ca),
            config=Config(connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 2}),
        )

    def create_bucket(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        try:
            self.client().create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    def put(self, bucket: str, key: str, content: bytes | Path) -> None:
        """Upload an object, in place of the one that is there."""
        body = content if isinstance(content, bytes) else content.read_bytes()
        self.client().put_object(Bucket=bucket, Key=key, Body=body)

    def _launch(self, program: Path, folder: Path, keys: KeyPair | None) -> subprocess.Popen[bytes]:
        buckets, versions = folder / "buckets", folder / "versions"
        buckets.mkdir()
        versions.mkdir()
        address = f"{self.host}:{self.port}"
        tls: list[str | Path] = [] if keys is None else ["--cert", keys.certificate, "--key", keys.key]
        command: list[str | Path] = [program, "--port", address, *tls, "posix", "--versioning-dir", versions, buckets]
        environment = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        with self.log.open("wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                self.client().list_buckets()
            except BotoCoreError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"versitygw did not become ready at {self.endpoint}:\n{self.log.read_text()}")


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
