"""The command whisper-client, a process of its own, against the real server with the real model."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
import webvtt

from tests.support.models import COMMANDS, RECORDINGS, spoken_text
from tests.unit.server.audio_files import tone, wav
from tests.unit.server.process import ServerProcess
from tests.unit.server.test_cues import SCHEMA
from tests.unit.server.test_riva_stream import speech
from whisper_server.client.cli import build_parser
from whisper_server.client.errors import ExitCode

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "server.md"
PROGRAM = str(COMMANDS / "whisper-client")
ENGLISH, KOREAN = RECORDINGS / "en-02.flac", RECORDINGS / "ko-00.flac"


@pytest.fixture(scope="module")
def server(published_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    with ServerProcess(folder, "--model", str(published_artifact), "--device", "cpu") as process:
        yield process


def run(server: ServerProcess, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "WHISPER_CLIENT_SERVER": server.address}
    return subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, check=False, env=environment)


def test_files_of_two_languages_are_written_down_below_their_names(server: ServerProcess) -> None:
    done = run(server, "transcribe", str(ENGLISH), str(KOREAN))
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "".join(f"==> {file} <==\n{spoken_text(file.name)}\n" for file in (ENGLISH, KOREAN))
    assert done.stderr == b""


def test_subtitles_come_from_word_times(server: ServerProcess, tmp_path: Path) -> None:
    done = run(server, "transcribe", str(ENGLISH), "--format", "vtt", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (cue,) = webvtt.from_buffer(StringIO((tmp_path / "en-02.vtt").read_text()), "vtt").captions
    assert cue.text == spoken_text(ENGLISH.name)
    assert 0 <= cue.start_in_seconds < cue.end_in_seconds <= 3


def test_json_from_standard_input_is_as_its_schema_says(server: ServerProcess) -> None:
    done = run(server, "transcribe", "-", "--words", "--format", "json", stdin=ENGLISH.read_bytes())
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    words = [word for segment in document["segments"] for word in segment["words"]]
    assert [word["text"].strip() for word in words] == spoken_text(ENGLISH.name).split()
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= document["duration"] + 0.1
    assert all(0 < word["probability"] <= 1 for word in words)
    assert document["language"] == "en"
    assert document["language_probability"] > 0.5


def test_a_stream_takes_its_time_shows_interims_on_one_line_and_finals_on_their_own(
    server: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(speech()))
    controller, terminal = pty.openpty()
    began = time.monotonic()
    command = [PROGRAM, "transcribe", "--stream", str(file), "--server", server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal) as process:
        os.close(terminal)
        shown = _read_all(controller)
        assert process.stdout is not None
        output = process.stdout.read().decode()
    assert process.returncode == 0, shown
    assert time.monotonic() - began > len(speech()) / 16_000 - 0.2
    assert output == f"{spoken_text(ENGLISH.name)}\n"
    interims = [line for line in re.split(r"\r\x1b\[K", shown) if line]
    assert interims
    assert all("\n" not in line for line in interims)


def _read_all(controller: int) -> str:
    """Return what is written to a terminal until nobody holds it any more."""
    read = b""
    try:
        while piece := os.read(controller, 4096):
            read += piece
    except OSError:  # How Linux tells of the end.
        pass
    finally:
        os.close(controller)
    return read.decode()


def test_a_stream_becomes_subtitles_too(server: ServerProcess) -> None:
    raw = speech().tobytes()
    done = run(server, "transcribe", "--stream", "--rate", "16000", "--format", "srt", "-", stdin=raw)
    assert done.returncode == 0, done.stderr
    (cue,) = webvtt.from_buffer(StringIO(done.stdout.decode()), "srt").captions
    assert cue.text.replace("\n", " ") == spoken_text(ENGLISH.name)


def test_every_documented_command_is_understood() -> None:
    commands = re.findall(r"^\$ whisper-client (.*?)(?: +#.*)?$", DOCUMENTATION.read_text(), re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        build_parser().parse_args(command.split())


def test_every_exit_code_is_documented() -> None:
    section = DOCUMENTATION.read_text().split("| its exit code | why |")[1].split("\n\n")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    assert documented == {code.value for code in ExitCode} - {ExitCode.BROKEN_PIPE}


def test_a_language_is_detected(server: ServerProcess) -> None:
    done = run(server, "detect", str(KOREAN))
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith("ko\t")


def test_korean_is_written_in_english_when_asked(server: ServerProcess) -> None:
    done = run(server, "transcribe", str(KOREAN), "--translate")
    assert done.stdout.decode() == f"{spoken_text(KOREAN.name, 'english')}\n"


def test_a_reader_that_goes_away_ends_it_quietly(server: ServerProcess) -> None:
    command = [PROGRAM, "transcribe", str(ENGLISH), "--server", server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == ExitCode.BROKEN_PIPE


def test_an_interrupted_upload_ends_at_once_and_is_let_go(server: ServerProcess) -> None:
    # Whoever starts the tests in the background has Ctrl-C ignored in all that they start.
    listening = ["env", "--default-signal=INT"]
    command = [*listening, PROGRAM, "transcribe", "-", "--rate", "16000", "--server", server.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(tone(seconds=1.0).tobytes())
        process.stdin.flush()
        server.wait_until_at_work_on(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(240) == 130
    assert process.returncode == 130
    server.wait_until_at_work_on(0)
