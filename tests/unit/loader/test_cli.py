"""The command's face: help that teaches, results on standard output, errors in one sentence."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.loader import COMMAND, environment, whisper_model
from tests.support.models import SPEECH_MODEL
from whisper_contract.reasons import FAILURES, Reason

COMMANDS = ("pull", "pack", "push", "convert", "verify", "list", "gc", "job")


def test_help_lists_every_command_and_the_usual_way() -> None:
    done = whisper_model("--help")
    assert done.exit_code == 0
    assert all(f"\n    {command} " in done.output for command in COMMANDS)
    assert "whisper-model pack ./my-whisper -o my-whisper.tar.zst" in done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example_or_its_environment(command: str) -> None:
    done = whisper_model(command, "--help")
    assert done.exit_code == 0
    assert f"whisper-model {command}" in done.output.partition("options:")[2] or "WHISPER_JOB_UID" in done.output


def test_no_command_is_a_usage_error() -> None:
    assert whisper_model().exit_code == 2


def test_pull_prints_digest_and_path_and_nothing_else(store: Path) -> None:
    done = whisper_model("pull", SPEECH_MODEL, "--store", store)
    digest, path = done.output.split()
    assert done.exit_code == 0, done.errors
    assert path == str(store / "artifacts" / digest.removeprefix("sha256:"))
    assert "progress step=pull percent=100" in done.errors


def test_pull_makes_the_store_that_is_not_there(tmp_path: Path) -> None:
    done = whisper_model("pull", SPEECH_MODEL, "--store", tmp_path / "new" / "store", "--json")
    assert done.exit_code == 0, done.errors
    assert {"digest", "path", "source", "format", "quantization", "sizeBytes", "languages"} == set(done.json)


def test_an_error_is_one_sentence_a_next_step_and_json_when_asked_for(tmp_path: Path) -> None:
    done = whisper_model("pull", tmp_path / "absent", "--store", tmp_path / "store", "--json")
    failure = FAILURES[Reason.SOURCE_NOT_FOUND]
    message = f"{tmp_path}/absent does not exist"
    assert done.exit_code == failure.exit_code
    assert done.errors == f"SourceNotFound: {message}\n{failure.next_step}\n"
    assert done.json == {"reason": "SourceNotFound", "message": message, "nextStep": failure.next_step}
    assert not list((tmp_path / "store" / "staging").iterdir())


def test_a_reader_of_the_output_that_goes_away_is_no_defect(store: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as unheard:
        command = (COMMAND, "list", "--store", store)
        done = subprocess.run(command, env=environment(), stdout=unheard, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_names_that_are_no_text_are_read_and_shown(tmp_path: Path, archives: Archives) -> None:
    (tmp_path / "m\udcff.tar").symlink_to(archives.whole(".tar"))
    strict = {"PYTHONIOENCODING": "utf-8:strict"}
    done = whisper_model("pull", "m\udcff.tar", "--store", "st\udcfe", "--json", env=strict, cwd=tmp_path)
    assert done.exit_code == 0, done.errors
    assert done.json["source"].startswith(f"file://{tmp_path}/m%FF.tar#size=")
    assert done.json["path"].startswith(f"{tmp_path}/st\udcfe/artifacts/")


@pytest.mark.parametrize("content", ["file", "checkpoint"])
def test_convert_writes_only_into_an_empty_folder(content: str, tmp_path: Path) -> None:
    (tmp_path / content).write_text("x")
    done = whisper_model("convert", SPEECH_MODEL, "-o", tmp_path)
    assert (done.exit_code, "is not empty" in done.errors) == (2, True)


def test_convert_refuses_what_is_converted_already(published_artifact: Path, tmp_path: Path) -> None:
    done = whisper_model("convert", published_artifact, "-o", tmp_path / "out")
    assert (done.exit_code, "CTranslate2's format already" in done.errors) == (71, True)


@pytest.mark.parametrize(
    ("command", "option"), [(("pull", "--store"), "--store"), (("convert", "-o"), "--output")], ids=["pull", "convert"]
)
@pytest.mark.parametrize("place", ["file", "file/inside"])
def test_a_place_where_no_folder_can_be_made_is_named(
    command: tuple[str, str], option: str, place: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = whisper_model(command[0], SPEECH_MODEL, command[1], tmp_path / place)
    assert (done.exit_code, f"{option}: {tmp_path / place} can't be made" in done.errors) == (2, True)


def test_a_file_where_a_models_folder_is_wanted_is_not_said_to_be_absent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = whisper_model("convert", tmp_path / "file", "-o", tmp_path / "out")
    assert (done.exit_code, f"{tmp_path / 'file'} is no folder" in done.errors) == (64, True)
