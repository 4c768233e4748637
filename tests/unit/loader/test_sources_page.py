"""docs/sources.md: its commands are run, its snippets fit the resource, its table of reasons is the code's."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.gcs import Bucket, Gcs
from tests.support.google_drive import Drive, File
from tests.support.hub import Hub
from tests.support.loader import whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.pages import commands, fenced, rows, sections
from tests.support.registry import Registry
from tests.support.s3 import S3Server
from tests.support.web import Page, Web
from tests.support.whispermodels import schema
from whisper_contract.reasons import FAILURES
from whisper_loader.cli import build_parser

pytestmark = pytest.mark.slow

PAGE = sections("sources.md")
KINDS = list(schema()["properties"]["spec"]["properties"]["source"]["properties"])
CALLS = [call for text in PAGE.values() for call in commands(text, "whisper-model")]


def snippet(kind: str) -> dict[str, Any]:
    """The WhisperModel that a kind's section shows."""
    (text,) = fenced(PAGE[kind], "yaml")
    model: dict[str, Any] = yaml.safe_load(text)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the page's commands are typed: a model's folder, its archive, and a login lie there."""
    (tmp_path / "my-whisper").symlink_to(SPEECH_MODEL)
    assert whisper_model("pack", SPEECH_MODEL, "-o", tmp_path / "my-whisper.tar.zst").exit_code == 0
    return tmp_path


def run(folder: Path, kind: str, replaced: dict[str, str], **env: str) -> None:
    """Run the commands of a section one after the other, with this machine's addresses in place of the page's."""
    calls = commands(PAGE[kind], "whisper-model")
    assert calls
    for call in calls:
        text = "\0".join(call)
        for shown, here in replaced.items():
            text = text.replace(shown, here)
        done = whisper_model(*text.split("\0"), cwd=folder, env=env)
        assert done.exit_code == 0, f"{' '.join(call)}\n{done.errors}"
        assert "Traceback" not in done.errors
    assert list((folder / "store" / "artifacts").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_section_with_a_resource_that_is_of_it(kind: str) -> None:
    model = snippet(kind)
    jsonschema.validate(json.loads(json.dumps(model)), schema())
    assert list(model["spec"]["source"]) == [kind]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_every_command_is_understood(call: list[str]) -> None:
    build_parser().parse_args(call)


def test_the_table_of_reasons_is_what_the_code_says() -> None:
    of_pull = [failure for failure in FAILURES.values() if "pull" in failure.raised_by]
    expected = [[str(failure.reason), failure.when, failure.next_step] for failure in of_pull]
    assert rows(PAGE["When it fails"]) == expected


def test_packing_and_pulling_by_hand(folder: Path) -> None:
    (folder / "my-whisper.tar.zst").unlink()
    run(folder, "Formats", {})


def test_a_directory(folder: Path) -> None:
    run(folder, "volume", {})


def test_http(folder: Path) -> None:
    (folder / "login").mkdir()
    (folder / "login" / "token").write_text("a-token\n")
    with Web.start() as web:
        web.serve("/models/my-whisper.tar.zst", Page(wants={"Authorization": "Bearer a-token"}))
        run(folder, "http", {"https://artifacts.example.com": web.url})


def test_huggingface(folder: Path, hub: Hub) -> None:
    run(folder, "huggingFace", {}, HF_ENDPOINT=hub.endpoint, HF_TOKEN=hub.token)
    assert hub.repositories["my-org/my-whisper"].private


def at(uri: str, endpoint: str) -> dict[str, str]:
    """Let the page's commands ask a server here, where only --endpoint could name it."""
    return {uri: f"{uri}\0--endpoint\0{endpoint}"}


def test_gcs(folder: Path) -> None:
    with Gcs.start() as gcs:
        gcs.buckets["models"] = Bucket()
        (folder / "key.json").write_text(gcs.tokens.key_json(gcs.endpoint))
        here = at("gs://models/my-whisper.tar.zst", gcs.endpoint)
        run(folder, "gcs", here, GOOGLE_APPLICATION_CREDENTIALS=str(folder / "key.json"))


def test_google_drive(folder: Path) -> None:
    (call,) = commands(PAGE["googleDrive"], "whisper-model")
    uri = next(word for word in call if word.startswith("gdrive://"))
    assert uri == f"gdrive://{snippet('googleDrive')['spec']['source']['googleDrive']['fileId']}"
    with Drive.start() as drive:
        drive.files[uri.removeprefix("gdrive://")] = File((folder / "my-whisper.tar.zst").read_bytes(), form=True)
        run(folder, "googleDrive", at(uri, drive.endpoint))


def test_oci(folder: Path) -> None:
    with Registry.start() as registry:
        run(folder, "oci", {"registry.example.com": registry.host})


@pytest.mark.parametrize("kind", KINDS)
def test_the_commands_of_every_kind_are_run_by_a_test(kind: str) -> None:
    assert f'run(folder, "{kind}"' in Path(__file__).read_text()


def test_baked(folder: Path, s3: S3Server) -> None:
    s3.create_bucket("models")
    s3.put("models", "my-whisper.tar.zst", folder / "my-whisper.tar.zst")
    run(folder, "baked", {"https://s3.example.com": s3.endpoint}, **s3.environment)


def test_s3(folder: Path, s3: S3Server) -> None:
    run(folder, "s3", {"https://s3.example.com": s3.endpoint}, **s3.environment)
