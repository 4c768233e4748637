"""Registries as a source: what is read and what it is called, against a real registry."""

import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.certificates import Authority
from tests.support.archives import Archives
from tests.support.loader import Job, whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.registry import LAYER, PASSWORD, USER, Layer, Registry, docker_config
from tests.support.relay import cut_off
from tests.support.tars import archive, compressed, member
from tests.support.web import Page, Web
from whisper_contract.manifest import Manifest
from whisper_contract.reasons import Reason
from whisper_contract.uris import OCISource, parse_source
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.source import Resolved, SourceFile
from whisper_loader.sources.oci import source as oci

FILES = {path.name: path.read_bytes() for path in SPEECH_MODEL.iterdir()}
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
FOLDER = "opt/models/whisper"


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry.start() as registry:
        yield registry


@pytest.fixture(scope="module")
def artifact(registry: Registry) -> str:
    """The digest of the small model as ``speech/tiny:files``, file by file."""
    return registry.push("speech/tiny", "files", [Layer(content, name) for name, content in FILES.items()])


@pytest.fixture(scope="module")
def packed(registry: Registry, archives: Archives) -> str:
    """The digest of the small model as ``speech/tiny:packed``, one archive."""
    whole = archives.whole()
    return registry.push("speech/tiny", "packed", [Layer(whole.read_bytes(), whole.name)])


def resolve(registry: Registry, name: str) -> Resolved:
    source = parse_source(registry.reference(name))
    assert isinstance(source, OCISource)
    return oci.resolve(source, Access())


def read(file: SourceFile, start: int = 0, stop: int | None = None) -> bytes:
    stream = file.open(start, stop)
    content = b""
    while data := stream.read(100_000):
        content += data
    stream.close()
    return content


def pull(job: Job, uri: str, *arguments: str | Path) -> str:
    """Pull and publish; return the source that the artifact's manifest names."""
    done = job.step("pull", uri, *arguments)
    assert done.exit_code == 0, done.errors
    for step in ("convert", "publish"):
        assert job.step(step).exit_code == 0
    (path,) = (job.store / "artifacts").iterdir()
    return Manifest.from_json((path / "manifest.json").read_bytes()).provenance.source


def test_an_artifact_holds_a_models_files_and_is_known_by_its_digest(
    job: Job, registry: Registry, artifact: str
) -> None:
    assert pull(job, registry.reference("speech/tiny:files")) == registry.reference(f"speech/tiny@{artifact}")


def test_an_artifact_of_one_layer_is_an_archive(job: Job, registry: Registry, packed: str) -> None:
    assert pull(job, registry.reference("speech/tiny:packed")) == registry.reference(f"speech/tiny@{packed}")


def test_a_digest_names_what_no_tag_names_any_more(registry: Registry) -> None:
    first = registry.push("speech/moving", "1", [Layer(b"first")])
    before = resolve(registry, "speech/moving:1")
    registry.push("speech/moving", "1", [Layer(b"second")])
    assert read(before.files[0]) == b"first", "what was resolved is read, whatever the tag names by then"
    assert read(resolve(registry, f"speech/moving@{first}").files[0]) == b"first"
    assert read(resolve(registry, "speech/moving:1").files[0]) == b"second"
    assert before.identity == registry.reference(f"speech/moving@{first}")


def test_an_artifacts_files_may_lie_in_a_folder(registry: Registry) -> None:
    layers = [Layer(b"weights", "small/model.bin"), Layer(b"{}", "small/config.json"), Layer(b"x", "model.bin")]
    registry.push("speech/folders", "1", layers)
    files = {file.name: read(file) for file in resolve(registry, "speech/folders:1#small").files}
    assert files == {"model.bin": b"weights", "config.json": b"{}"}


def test_a_blob_is_read_from_and_to_anywhere(registry: Registry, packed: str, archives: Archives) -> None:
    (file,) = resolve(registry, "speech/tiny:packed").files
    content = archives.whole().read_bytes()
    assert file.ranged
    assert file.size == len(content)
    assert read(file, 1000, 3000) == content[1000:3000]
    assert read(file, 1000) == content[1000:]
    assert read(file, 0, 10) == content[:10]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_an_image_holds_a_model_below_a_path(suffix: str, job: Job, registry: Registry) -> None:
    weights = FILES["model.safetensors"]
    layers = [
        [member("bin/sh", b"#!"), member(f"{FOLDER}/README.md", b"# A model"), member(f"{FOLDER}/config.json", b"old")],
        [member(f"{FOLDER}/{name}", content) for name, content in FILES.items() if content is not weights],
        [],
        [member(f"{FOLDER}/model.safetensors", weights), member(f"{FOLDER}/.wh.README.md")],
    ]
    blobs = [Layer(compressed(archive(*layer), suffix), media_type=f"{LAYER}+any") for layer in layers]
    digest = registry.push("speech/image", suffix.replace(".", ""), blobs)
    uri = registry.reference(f"speech/image:{suffix.replace('.', '')}#{FOLDER}")
    assert pull(job, uri) == registry.reference(f"speech/image@{digest}#{FOLDER}")


def test_a_link_in_an_image_is_named(job: Job, registry: Registry) -> None:
    link = member(f"{FOLDER}/model.bin", kind=b"2", linkname="../blobs/1")
    registry.push("speech/links", "1", [Layer(archive(member("bin/sh", b"#!"))), Layer(archive(link))])
    message = job.fails(Reason.UNSAFE_ARCHIVE, "pull", registry.reference(f"speech/links:1#{FOLDER}"))
    assert f"'{FOLDER}/model.bin' is a symbolic link" in message


def test_an_image_of_several_layers_wants_a_path(registry: Registry) -> None:
    registry.push("speech/nopath", "1", [Layer(archive(member("a", b"x"))), Layer(archive(member("b", b"x")))])
    with pytest.raises(LoaderError, match="an image of 2 layers: say where in it the model is") as raised:
        resolve(registry, "speech/nopath:1")
    assert raised.value.reason is Reason.SPEC_INVALID


def test_of_an_index_this_machines_image_is_taken(registry: Registry) -> None:
    ours, others = (registry.push("speech/multi", name, [Layer(name.encode())]) for name in ("ours", "others"))
    platforms = {"linux/s390x": others, f"linux/{MACHINE}": ours, "unknown/unknown": others}
    registry.push_index("speech/multi", "all", platforms)
    resolved = resolve(registry, "speech/multi:all")
    assert resolved.identity == registry.reference(f"speech/multi@{ours}")
    assert read(resolved.files[0]) == b"ours"


def test_of_an_index_with_one_image_that_one_is_taken(registry: Registry) -> None:
    only = registry.push("speech/single", "only", [Layer(b"only")])
    digest = registry.push_index("speech/single", "index", {"linux/s390x": only, "unknown/unknown": only})
    assert resolve(registry, f"speech/single@{digest}").identity == registry.reference(f"speech/single@{only}")


def test_an_index_without_this_machines_platform_says_what_it_has(registry: Registry) -> None:
    other = registry.push("speech/foreign", "other", [Layer(b"other")])
    registry.push_index("speech/foreign", "all", {"linux/s390x": other, "windows/amd64": other})
    with pytest.raises(
        LoaderError, match=rf"no image for linux/{MACHINE}; it has linux/s390x, windows/amd64"
    ) as raised:
        resolve(registry, "speech/foreign:all")
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT


def test_what_skopeo_uploads_is_read(registry: Registry, archives: Archives, tmp_path: Path, packed: str) -> None:
    source, target = (f"docker://{registry.host}/speech/{name}" for name in ("tiny:packed", "skopeo:1"))
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    subprocess.run(["skopeo", "copy", "-q", *tls, source, f"oci:{tmp_path}/layout:1"], check=True)
    subprocess.run(["skopeo", "copy", "-q", *tls, f"oci:{tmp_path}/layout:1", target], check=True)
    (file,) = resolve(registry, "speech/skopeo:1").files
    assert read(file) == archives.whole().read_bytes()


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(
    job: Job, registry: Registry, packed: str, archives: Archives
) -> None:
    size = archives.whole().stat().st_size
    with cut_off(("127.0.0.1", registry.port), after_bytes=size // 3, times=3) as relay:
        done = job.step("pull", registry.reference("speech/tiny:packed"), "--endpoint", relay.endpoint)
    assert done.exit_code == 0, done.errors
    assert relay.cuts == 3
    assert done.progress[-1].bytes_done == size, "nothing was read twice"


def test_a_registry_over_tls_is_trusted_by_a_bundle(job: Job, registry: Registry, packed: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    keys = authority.issue("registry", addresses=["127.0.0.1"])
    with Registry.start(keys=keys, data=registry.data) as secure:
        arguments = (secure.reference("speech/tiny:packed"), "--endpoint", secure.endpoint)
        assert job.step("pull", *arguments, "--ca-bundle", authority.certificate).exit_code == 0
        job_without = Job(tmp_path / "other", tmp_path / "log")
        job_without.store.mkdir()
        message = job_without.fails(Reason.SOURCE_UNREACHABLE, "pull", *arguments, "--timeout", "30")
    assert "TLS certificate is not trusted" in message


def test_the_storage_behind_a_registry_gets_no_credentials_and_may_start_in_the_middle(
    registry: Registry, packed: str, archives: Archives, tmp_path: Path, job: Job
) -> None:
    content = archives.whole().read_bytes()
    with Web.start() as storage, Registry.start(password=True, data=registry.data, storage=storage.url) as front:
        for blob in registry.data.rglob("data"):
            path = f"/{blob.relative_to(registry.data)}"
            storage.serve(path, Page(blob.read_bytes()))
        secret = tmp_path / "secret"
        secret.mkdir()
        (secret / ".dockerconfigjson").write_text(docker_config(front.host, username=USER, password=PASSWORD))
        done = job.step("pull", front.reference("speech/tiny:packed"), "--secret-dir", secret)
        assert done.exit_code == 0, done.errors
        assert storage.requests, "the registry redirects"
        assert not [request for request in storage.requests if "authorization" in request.headers]
        assert len(content) == done.progress[-1].bytes_done


def corrupt(registry: Registry, layer: bytes) -> str:
    """Push an artifact of one layer and change a byte where the registry keeps it; return the digest."""
    digest = registry.push("speech/corrupt", "1", [Layer(layer)])
    manifest = json.loads(registry.blob(digest).read_bytes())
    blob = registry.blob(manifest["layers"][0]["digest"])
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    return digest


def test_a_layer_that_is_not_what_its_digest_says_is_refused(job: Job, registry: Registry, archives: Archives) -> None:
    corrupt(registry, archives.whole(".tar").read_bytes() + b"\0" * 512)
    message = job.fails(Reason.CHECKSUM_MISMATCH, "pull", registry.reference("speech/corrupt:1"))
    assert "was promised" in message


def test_a_layer_that_the_registry_lost_is_named(job: Job, registry: Registry) -> None:
    digest = registry.push("speech/lost", "1", [Layer(b"a layer that is lost")])
    manifest = json.loads(registry.blob(digest).read_bytes())
    registry.blob(manifest["layers"][0]["digest"]).unlink()
    message = job.fails(Reason.SOURCE_NOT_FOUND, "pull", registry.reference("speech/lost:1"))
    assert "the registry has lost a layer that the manifest names (BLOB_UNKNOWN)" in message


@pytest.mark.parametrize(
    ("name", "reason", "sentence"),
    [
        ("speech/absent:1", Reason.SOURCE_NOT_FOUND, "(MANIFEST_UNKNOWN)"),
        ("speech/tiny:absent", Reason.SOURCE_NOT_FOUND, "the repository has no such tag or digest (MANIFEST_UNKNOWN)"),
        (f"speech/tiny@sha256:{'0' * 64}", Reason.SOURCE_NOT_FOUND, "no such tag or digest"),
    ],
)
def test_what_is_not_there_is_named(
    name: str, reason: Reason, sentence: str, job: Job, registry: Registry, artifact: str
) -> None:
    assert sentence in job.fails(reason, "pull", registry.reference(name))


def test_what_a_pull_again_finds_published_is_not_pulled(registry: Registry, artifact: str, store: Path) -> None:
    arguments = ("pull", registry.reference("speech/tiny:files"), "--store", store)
    assert whisper_model(*arguments).exit_code == 0
    assert "is published already" in whisper_model(*arguments).errors
