"""Push: what goes where, what is refused, and the WhisperModel that is printed for it."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.support.archives import Archives
from tests.support.loader import whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.relay import cut_off
from tests.support.s3 import S3Server
from tests.support.whispermodels import schema
from whisper_contract.uris import parse_source
from whisper_loader.access import Access
from whisper_loader.resource import serving_resource
from whisper_loader.secrets import SecretFolder

REFUSED = [
    (SPEECH_MODEL, "s3://models/model.tar?versionId=1", "an upload makes a version and can't name one"),
    (SPEECH_MODEL, "gs://models/model.tar#1", "an upload makes a version and can't name one"),
    (SPEECH_MODEL, f"oci://r.io/w@sha256:{'a' * 64}", "a push names a tag, no digest and no #path"),
    (SPEECH_MODEL, "oci://r.io/w:1#models", "a push names a tag, no digest and no #path"),
    (SPEECH_MODEL, "gdrive://1AbC_d-EfGhIj", "a push goes to s3://bucket/key, gs://"),
    (SPEECH_MODEL, "/srv/models/x.tar", "a push goes to s3://bucket/key, gs://"),
    (SPEECH_MODEL, "s3://models/model.zip", "a folder goes to a name that ends in .tar"),
    (SPEECH_MODEL, "https://host/models/?signature=secret", "a folder goes to a name that ends in .tar"),
    (Path(__file__), "hf://org/name", "name the folder"),
]


@pytest.mark.parametrize(("path", "uri", "said"), REFUSED, ids=[uri for _, uri, _ in REFUSED])
def test_what_cannot_be_pushed_there_is_refused_before_anything_is_asked(path: Path, uri: str, said: str) -> None:
    done = whisper_model("push", path, uri)
    assert (done.exit_code, said in done.errors) == (2, True), done.errors
    assert "secret" not in done.errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gs://models/x.tar", "--sse", "AES256"), "--sse is an option of s3:// alone"),
        (("s3://models/x.tar", "--sse-kms-key-id", "key"), "--sse-kms-key-id belongs to --sse aws:kms"),
        (("s3://models/x.tar", "--sse", "AES256", "--sse-kms-key-id", "key"), "belongs to --sse aws:kms"),
    ],
    ids=str,
)
def test_options_of_encryption_that_do_nothing_are_refused(arguments: tuple[str, ...], said: str) -> None:
    done = whisper_model("push", SPEECH_MODEL, *arguments)
    assert (done.exit_code, said in done.errors) == (2, True), done.errors


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ((), ()),
        (("--sse", "AES256"), ("x-amz-server-side-encryption: aes256",)),
        (
            ("--sse", "aws:kms", "--sse-kms-key-id", "alias/models"),
            (
                "x-amz-server-side-encryption: aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id: alias/models",
            ),
        ),
    ],
    ids=["the bucket's default", "AES256", "KMS"],
)
def test_s3_is_asked_for_the_encryption_that_was_wanted(
    options: tuple[str, ...], headers: tuple[str, ...], s3: S3Server, archives: Archives
) -> None:
    """The server here encrypts nothing: what it is asked for is read on the way."""
    with cut_off((s3.host, s3.port), after_bytes=0, times=0) as relay:
        where = ("s3://models/encrypted.tar.zst", "--endpoint", relay.endpoint)
        done = whisper_model("push", archives.whole(), *where, *options, env=s3.environment)
    asked = bytes(relay.heard).decode("latin-1").lower()
    assert "put /models/encrypted.tar.zst" in asked
    assert [header for header in headers if header not in asked] == []
    assert ("server-side-encryption" in asked) == bool(headers), done.errors


def test_a_large_archive_goes_up_in_parts_and_comes_back_whole(s3: S3Server, store: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.tar"
    large.write_bytes(bytes(range(256)) * 80_000)
    reach = ("--endpoint", s3.endpoint)
    done = whisper_model("push", large, "s3://models/large.tar", *reach, "--json", env=s3.environment)
    assert done.exit_code == 0, done.errors
    assert "progress step=push percent=100 bytes=20480000" in done.errors
    stored = s3.client().get_object(Bucket="models", Key="large.tar")
    assert stored["ETag"].strip('"').rpartition("-")[2].isdecimal(), "an ETag with a number of parts"
    assert stored["Body"].read() == large.read_bytes()


@pytest.mark.parametrize("kind", ["an archive", "a folder"])
def test_what_is_written_to_while_it_is_sent_is_not_called_pushed(kind: str, s3: S3Server, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SPEECH_MODEL, folder)
    (tmp_path / "m.tar").write_bytes(bytes(10_000))
    path, key = (folder, "changed/") if kind == "a folder" else (tmp_path / "m.tar", "changed.tar")
    changing = folder / "tokenizer.json" if path == folder else path

    def change() -> None:
        with changing.open("ab") as file:
            file.write(b"more")

    with cut_off((s3.host, s3.port), after_bytes=0, times=1, when_cut=change) as relay:
        done = whisper_model("push", path, f"s3://models/{key}", "--endpoint", relay.endpoint, env=s3.environment)
    assert (done.exit_code, done.output) == (1, "")
    assert f"SourceChanged: {changing} was written to while it was being sent: push again" in done.errors


SHA256 = "0" * 64
NAMED = [
    ("s3://models/small.tar.zst", "small"),
    ("s3://models/Models/Größe%20XL (v1.2).tar.gz", "grosse-xl-v1-2"),
    ("s3://models/2024/03-09.tar", "whisper"),
    ("s3://models/whisper/" + "long-" * 20 + ".tar", ("long-" * 8).rstrip("-")),
    ("s3://models/a/b/", "b"),
    ("gs://models/turbo de.tar", "turbo-de"),
    ("gs://models/folder/", "folder"),
    ("hf://my-org/Whisper.Mine@v2", "whisper-mine"),
    ("oci://registry.example.com:5000/speech/turbo_de:1.2", "turbo-de"),
    ("https://artifacts.example.com/models/turbo.tar.zst?X-Amz-Signature=secret", "turbo"),
]
ACCESSES = {
    "usual": Access(),
    "own": Access(
        endpoint="https://minio.example:9000",
        region="eu-central-1",
        secret=SecretFolder(Path("/nonexistent")),
        ca_bundle=Path("/nonexistent"),
    ),
}


@pytest.mark.parametrize("reach", ACCESSES)
@pytest.mark.parametrize(("uri", "name"), NAMED, ids=[uri for uri, _ in NAMED])
def test_the_resource_that_is_printed_fits_the_custom_resource(uri: str, name: str, reach: str) -> None:
    sha256 = None if uri.endswith("/") or uri.startswith("hf") else SHA256
    text = serving_resource(parse_source(uri), ACCESSES[reach], sha256)
    resource = yaml.safe_load(text)
    jsonschema.validate(json.loads(json.dumps(resource)), schema())
    assert resource["metadata"]["name"] == name
    assert resource["spec"].get("sha256") == sha256
    assert ("caBundleRef" in text) == (reach == "own")
    assert ("the cluster asks registry.example.com:5000 itself" in text) == (reach == "own" and uri.startswith("oci:"))
    assert "X-Amz-Signature" not in text
