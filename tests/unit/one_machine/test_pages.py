"""docs/one-machine.md and examples/compose.yaml: their commands are understood, their scripts do what they say."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.documents import read_yaml
from tests.support.models import COMMANDS, SPEECH_MODEL
from tests.support.pages import DOCS, commands, fenced
from whisper_contract.digest import parse_digest
from whisper_operator.cli import build_parser
from whisper_operator.local.content import parse_content
from whisper_server.client.cli import build_parser as build_client_parser
from whisper_server.configuration.reading import parse_settings

PAGE = (DOCS / "one-machine.md").read_text()
CALLS = commands(PAGE, "whisper-operator")
ROOT = DOCS.parent
COMPOSE = read_yaml((ROOT / "examples" / "compose.yaml").read_text())
PULL, SERVER = COMPOSE["services"]["pull"], COMPOSE["services"]["server"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page's commands are typed."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "my-whisper").symlink_to(SPEECH_MODEL)
    (tmp_path / "model.yaml").write_text(fenced(PAGE, "yaml")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_every_command_is_understood(folder: Path, call: list[str]) -> None:
    assert build_parser().parse_args(call).file == Path("model.yaml")


def test_the_readmes_file_is_one_of_the_examples_that_are_understood() -> None:
    (call,) = commands((ROOT / "README.md").read_text(), "whisper-operator")
    examples = sorted((ROOT / "examples").glob("whispermodel-*.yaml"))
    assert ROOT / build_parser().parse_args(call).file in examples
    assert all(parse_content(file.read_text(), file.name).models for file in examples)


def test_the_client_is_called_as_it_takes_it() -> None:
    (call,) = commands(PAGE, "whisper-client")
    build_client_parser().parse_args(call)


def test_the_pages_model_is_pulled_by_its_command(folder: Path) -> None:
    (call,) = (call for call in CALLS if "--once" in call)
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / "data")}
    done = subprocess.run(
        [str(COMMANDS / "whisper-operator"), *call], env=environment, capture_output=True, text=True, check=True
    )
    name, _, path = done.stdout.split()
    assert name == parse_content(fenced(PAGE, "yaml")[0], "model.yaml").models[0].name
    assert Path(path).parent == folder / "data" / "whisper-operator" / "models" / "artifacts"


def script(service: dict[str, Any], store: Path) -> list[str]:
    """The command line of a service, with its volume at `store`; compose takes two dollars for one."""
    words = [*service["entrypoint"], *service["command"]]
    return [word.replace("$$", "$").replace("/models", str(store)) for word in words]


def test_compose_hands_on_from_the_loader_to_the_server(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{COMMANDS}:{os.environ['PATH']}", "SOURCE": str(SPEECH_MODEL)}
    subprocess.run(script(PULL, tmp_path), env=environment, capture_output=True, check=True)
    *shell, line = script(SERVER, tmp_path)
    said = subprocess.run(
        [*shell, line.replace("exec whisper-server", "printf '%s\\n'")], capture_output=True, text=True, check=True
    )
    settings = parse_settings(said.stdout.splitlines(), {})
    assert settings.model.is_dir()
    assert parse_digest(settings.model.name)


def test_compose_names_what_is_there() -> None:
    dockerfile = (ROOT / "images" / "Dockerfile").read_text()
    for service in (PULL, SERVER):
        target = service["image"].rpartition("/whisper-")[2].partition(":")[0]
        assert f" AS {target}\n" in dockerfile
        assert [volume.partition(":")[0] for volume in service["volumes"]] == list(COMPOSE["volumes"])
    assert SERVER["depends_on"] == {"pull": {"condition": "service_completed_successfully"}}
    inside = [int(port.rpartition(":")[2]) for port in SERVER["ports"]]
    settings = parse_settings(["--model", "/models"], {})
    assert inside == [settings.grpc_port, settings.http_port, settings.probe_port]
    assert int(SERVER["stop_grace_period"].removesuffix("s")) > settings.drain_delay_seconds + settings.grace_seconds
