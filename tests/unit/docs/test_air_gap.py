"""The air gap's page, walked from one real registry to another: what arrives is what was sent."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chart import ROOT, helm
from tests.support.documents import read_yaml, read_yamls
from tests.support.loader import whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.pages import commands, sections
from tests.support.registry import LAYER, Layer, Registry
from tests.support.release import VERSION

PAGE = sections("air-gap.md")
OPEN = {"copy": ["--src-tls-verify=false", "--dest-tls-verify=false"], "inspect": ["--tls-verify=false"]}


@pytest.fixture(scope="module")
def mirror() -> Iterator[Registry]:
    with Registry.start() as mirror:
        yield mirror


def skopeo(arguments: list[str], folder: Path) -> str:
    command = ["skopeo", *arguments[:1], *OPEN[arguments[0]], *arguments[1:]]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_images_of_all_architectures_keep_their_digest(mirror: Registry, tmp_path: Path) -> None:
    with Registry.start() as outside:
        at = {"registry.example.com": outside.host, "mirror.example.com": mirror.host}
        for name in ("whisper-operator", "whisper-server"):
            parts = {
                f"linux/{machine}": outside.push(f"speech/{name}", machine, [Layer(machine.encode(), media_type=LAYER)])
                for machine in ("amd64", "arm64")
            }
            sent = outside.push_index(f"speech/{name}", VERSION, parts)
            calls = [call for call in commands(PAGE["The images"], "skopeo") if name in " ".join(call)]
            assert calls
            for call in calls:
                said = skopeo([replaced(word, at) for word in call], tmp_path)
                assert call[0] != "inspect" or said == sent
            arrived = mirror.blob(sent).read_bytes()
            assert [one["digest"] for one in json.loads(arrived)["manifests"]] == list(parts.values())


def test_the_chart_goes_through_the_mirror_and_names_it(mirror: Registry, tmp_path: Path) -> None:
    at = {"mirror.example.com/charts": f"{mirror.host}/charts"}
    package, push, install = ([replaced(word, at) for word in call] for call in commands(PAGE["The chart"], "helm"))
    helm("package", str(ROOT / package[1]), f"--destination={tmp_path}")
    helm("push", str(tmp_path / push[1]), *push[2:], "--plain-http")
    install[install.index("--values") + 1] = str(ROOT / "examples" / "values-air-gap.yaml")
    install.remove("--create-namespace")
    rendered = helm("template", *install[1:], "--plain-http")
    values = read_yaml((ROOT / "examples" / "values-air-gap.yaml").read_text())["images"]
    operator = next(one for one in read_yamls(rendered) if one and one["kind"] == "Deployment")
    pod = operator["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "mirror-login"}]
    named = [pod["containers"][0]["image"], *(one.get("value") for one in pod["containers"][0]["env"])]
    for part in ("operator", "loader", "server"):
        assert f"mirror.example.com/speech/whisper-{part}@{values[part]['digest']}" in named


def test_a_model_is_packed_out_of_a_store_and_pulled_from_the_mirror(mirror: Registry, tmp_path: Path) -> None:
    pull, pack, push = commands(PAGE["The model"], "whisper-model")
    pull[1], pull[pull.index("--store") + 1] = str(SPEECH_MODEL), str(tmp_path / "store")
    digest, path = whisper_model(*pull).output.split()
    assert f"store/artifacts/{digest.removeprefix('sha256:')}" in path
    assert pack[1] == "./store/artifacts/DIGEST"
    packed = whisper_model("pack", path, "-o", tmp_path / pack[3])
    resource = whisper_model("push", tmp_path / push[1], replaced(push[2], {"mirror.example.com": mirror.host}))
    spec = read_yaml(resource.output)["spec"]
    assert spec["sha256"] == packed.output.split()[0]
    arrived = whisper_model("pull", f"oci://{spec['source']['oci']['reference']}", "--store", tmp_path / "inside")
    assert arrived.output.split()[0] == digest


def replaced(word: str, names: dict[str, str]) -> str:
    """The word with this machine's addresses in place of the page's."""
    for name, address in names.items():
        word = word.replace(name, address)
    return word
