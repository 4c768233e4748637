"""A model inside the server's image: built by the recipe, from a bucket that wants a key, and served with no volume."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.images import ROOT, build_images, buildah, image_name
from tests.support.archives import Archives
from tests.support.loader import whisper_model
from tests.support.s3 import S3Server

IMAGE = "localhost/whisper-server-baked:test"
# The image's program as its entry point starts it; ends well once the model has transcribed the bundled clip.
READY = """
import subprocess, sys, time, urllib.request
ports = ["--host=127.0.0.1", "--grpc-port=0", "--http-port=0", "--probe-port=18001"]
server = subprocess.Popen(["whisper-server", "--device=cpu", "--drain-delay-seconds=0", *ports])
for _ in range(300):
    time.sleep(0.2)
    try:
        urllib.request.urlopen("http://127.0.0.1:18001/health/ready")
    except OSError:
        if server.poll() is not None:
            sys.exit("the server ended")
    else:
        server.terminate()
        sys.exit(server.wait())
sys.exit("the server never was ready")
"""


@pytest.fixture(scope="module")
def bucket(archives: Archives) -> Iterator[S3Server]:
    """A bucket with the small model; builds have the machine's own network."""
    build_images()
    with S3Server.start() as server:
        server.create_bucket("models")
        server.put("models", "small.tar.zst", archives.whole())
        yield server


def build(bucket: S3Server, secrets: Path, **arguments: str) -> str:
    """Build the recipe as its head says."""
    (secrets / "id").write_text(bucket.access_key)
    (secrets / "key").write_text(bucket.secret_key)
    arguments = {
        "LOADER": image_name("loader"),
        "SERVER": image_name("server"),
        "SOURCE": "s3://models/small.tar.zst",
        "OPTIONS": f"--endpoint {bucket.endpoint} --quantization int8",
        **arguments,
    }
    keys = (("aws_access_key_id", "id"), ("aws_secret_access_key", "key"))
    return buildah(
        "build", "--isolation=chroot", f"--file={ROOT / 'images/baked.Dockerfile'}", f"--tag={IMAGE}",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *(f"--secret=id={name},src={secrets / file}" for name, file in keys),
        str(ROOT / "images"), what="image with the model inside",
    )  # fmt: skip


def test_a_server_with_the_model_inside_is_built_and_serves(bucket: S3Server, tmp_path: Path) -> None:
    reach = ("--endpoint", bucket.endpoint, "--quantization", "int8", "--json")
    pulled = whisper_model("pull", "s3://models/small.tar.zst", "--store", tmp_path, *reach, env=bucket.environment)
    build(bucket, tmp_path, DIGEST=pulled.json["digest"])

    container = buildah("from", "--pull-never", IMAGE, what="container").split()[-1]
    try:
        run = ("run", "--isolation=chroot", container, "--")
        buildah(*run, "python", "-c", READY, what="server with the model inside")
        looked = (
            f"grep --recursive --files-with-matches --no-messages {bucket.secret_key} /model /etc /run /tmp /var; true"
        )
        assert buildah(*run, "sh", "-c", looked, what="files with the key") == "", "the key is not in the image"
    finally:
        buildah("rm", container, what="container")
        buildah("rmi", IMAGE, what="image")


def test_a_model_with_another_digest_ends_the_build(bucket: S3Server, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=rf"the model is sha256:[0-9a-f]{{64}}, not sha256:{'0' * 64}"):
        build(bucket, tmp_path, DIGEST="sha256:" + "0" * 64)
