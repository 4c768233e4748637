"""A model inside the server's image: built by the recipe, from a bucket that wants a key, and served with no volume."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.images import ROOT, build_images, buildah, image_name
from tests.e2e.place import SMALL, Place
from tests.support.archives import Archives
from tests.support.loader import whisper_model
from tests.support.s3 import S3Server

pytestmark = pytest.mark.slow

IMAGE = "localhost/whisper-server-baked:test"


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


def test_a_model_inside_the_servers_image_is_served_without_a_volume(
    place: Place, bucket: S3Server, tmp_path: Path
) -> None:
    reach = ("--endpoint", bucket.endpoint, "--quantization", "int8", "--json")
    pulled = whisper_model("pull", "s3://models/small.tar.zst", "--store", tmp_path, *reach, env=bucket.environment)
    build(bucket, tmp_path, DIGEST=pulled.json["digest"])
    container = buildah("from", "--pull-never", IMAGE, what="container").split()[-1]
    try:
        run = ("run", "--isolation=chroot", container, "--")
        looked = (
            f"grep --recursive --files-with-matches --no-messages {bucket.secret_key} /model /etc /run /tmp /var; true"
        )
        assert buildah(*run, "sh", "-c", looked, what="files with the key") == "", "the key is not in the image"
        archive = tmp_path / "baked.tar"
        buildah("push", "--quiet", IMAGE, f"docker-archive:{archive}:{IMAGE}", what="image")
    finally:
        buildah("rm", container, what="container")
        buildah("rmi", IMAGE, what="image")
    place.cluster.load_image(archive)
    archive.unlink()

    server = {"device": "cpu", "resources": SMALL, "image": IMAGE}
    place.apply("small", {"baked": {"path": "/model"}}, server=server, cache=None, pull=None)
    place.wait_ready("small")
    assert place.transcribe("small", "en-01.flac") == ["Hello."]
    assert place.names("jobs,persistentvolumeclaims") == set()


def test_a_model_with_another_digest_ends_the_build(bucket: S3Server, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=rf"the model is sha256:[0-9a-f]{{64}}, not sha256:{'0' * 64}"):
        build(bucket, tmp_path, DIGEST="sha256:" + "0" * 64)
