"""Pushing to a registry: what arrives there can be pulled, by us and by others."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import Archives
from tests.support.loader import whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.registry import PASSWORD, USER, Registry, docker_config


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry.start() as registry:
        yield registry


def push(path: Path, uri: str, *arguments: str | Path) -> str:
    done = whisper_model("push", path, uri, *arguments)
    assert done.exit_code == 0, done.errors
    return done.output


def uploads(registry: Registry) -> int:
    log = (registry.folder / "log").read_text()
    return log.count("PUT /v2/") - log.count("PUT /v2/speech/pushed/manifests")


def skopeo(registry: Registry, name: str, target: Path) -> dict[str, Any]:
    """Let skopeo pull; return the manifest. skopeo checks each blob against its digest."""
    source = f"docker://{registry.host}/{name}"
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", source, f"dir:{target}"], check=True)
    manifest: dict[str, Any] = json.loads((target / "manifest.json").read_bytes())
    return manifest


def test_a_folder_becomes_a_layer_for_each_file(registry: Registry, store: Path, tmp_path: Path) -> None:
    uri = registry.reference("speech/pushed:folder")
    assert f'reference: "{registry.host}/speech/pushed:folder"' in push(SPEECH_MODEL, uri)
    pulled = whisper_model("pull", uri, "--store", store)
    assert pulled.exit_code == 0, pulled.errors
    manifest = skopeo(registry, "speech/pushed:folder", tmp_path / "copy")
    titles = {layer["annotations"]["org.opencontainers.image.title"]: layer["digest"] for layer in manifest["layers"]}
    assert manifest["artifactType"] == "application/vnd.whisper-operator.model.v1"
    for name in ("config.json", "model.safetensors"):
        copied = tmp_path / "copy" / titles[name].removeprefix("sha256:")
        assert copied.read_bytes() == (SPEECH_MODEL / name).read_bytes()


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_an_archive_becomes_one_layer(
    suffix: str, registry: Registry, archives: Archives, store: Path, tmp_path: Path
) -> None:
    name = f"speech/pushed:a{suffix}"
    printed = push(archives.whole(suffix), registry.reference(name))
    (layer,) = skopeo(registry, name, tmp_path / "copy")["layers"]
    compression = {".tar": "", ".tar.gz": "+gzip", ".tar.zst": "+zstd"}[suffix]
    assert layer["mediaType"] == f"application/vnd.oci.image.layer.v1.tar{compression}"
    sha256 = layer["digest"].removeprefix("sha256:")
    assert f'sha256: "{sha256}"' in printed
    pulled = whisper_model("pull", registry.reference(name), "--store", store, "--sha256", sha256)
    assert pulled.exit_code == 0, pulled.errors


def test_what_the_registry_has_is_not_uploaded_again(registry: Registry, archives: Archives) -> None:
    push(archives.whole(), registry.reference("speech/pushed:once"))
    before = uploads(registry)
    done = whisper_model("push", archives.whole(), registry.reference("speech/pushed:twice"))
    assert uploads(registry) == before
    assert "percent=100" in done.errors


def test_a_push_logs_in_with_the_docker_config_of_the_machine(archives: Archives, tmp_path: Path) -> None:
    with Registry.start(password=True) as registry:
        uri = registry.reference("speech/pushed:1")
        (tmp_path / "config.json").write_text(docker_config(registry.host, username=USER, password=PASSWORD))
        environment = {"DOCKER_CONFIG": str(tmp_path)}
        refused = whisper_model("push", archives.whole(), uri)
        assert refused.exit_code == 65, refused.errors
        pushed = whisper_model("push", archives.whole(), uri, env=environment)
        assert pushed.exit_code == 0, pushed.errors
        assert PASSWORD not in pushed.errors + pushed.output


@pytest.mark.parametrize("name", [f"speech/pushed@sha256:{'0' * 64}", "speech/pushed:1#models"])
def test_a_push_names_a_tag(name: str, registry: Registry, archives: Archives) -> None:
    done = whisper_model("push", archives.whole(), registry.reference(name))
    assert done.exit_code == 2
    assert "a push names a tag" in done.errors
