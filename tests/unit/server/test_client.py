"""whisper-client as a function, a fake engine behind a real server: options, troubles, trying again."""

import asyncio
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.cluster.certificates import Authority
from tests.support.models import RECORDINGS
from tests.unit.server.audio_files import tone
from tests.unit.server.conftest import MODEL, RECORDING, Serve, Served, loopback_settings, serving
from tests.unit.server.waiting import until
from whisper_server.api import transcription_pb2 as pb
from whisper_server.client.cli import main
from whisper_server.client.connection import Connection, Target, pause_before_retry
from whisper_server.client.documents import document_file
from whisper_server.client.errors import ClientError, ExitCode, as_client_error, retry_hint
from whisper_server.client.screen import Screen, fitting_tail
from whisper_server.client.sources import Source, bytes_per_second
from whisper_server.client.uploads import pieces, progress_of
from whisper_server.engine.options import Context, Task
from whisper_server.operations.lifecycle import Lifecycle
from whisper_server.operations.metrics import Metrics
from whisper_server.operations.probes import probe_application, serving_probes

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def recording(tmp_path: Path) -> str:
    file = tmp_path / "tone.wav"
    file.write_bytes(RECORDING)
    return str(file)


async def client(served: Served | int, *arguments: str) -> int:
    """Run the command in a thread, and return its exit code."""
    port = served if isinstance(served, int) else served.port
    return int(await asyncio.to_thread(main, [*arguments, "--server", f"127.0.0.1:{port}"]))


class Failed(grpc.RpcError):  # type: ignore[misc]  # gRPC ships no types
    """A call that failed, as gRPC tells it."""

    def __init__(self, code: grpc.StatusCode, details: str = "why", metadata: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__()
        self._status = code, details, metadata

    def code(self) -> grpc.StatusCode:
        return self._status[0]

    def details(self) -> str:
        return self._status[1]

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._status[2]


async def test_text_comes_on_standard_output_and_nothing_else(served: Served, recording: str, capsys: Capture) -> None:
    assert await client(served, "transcribe", recording) == 0
    assert tuple(capsys.readouterr()) == ("Hello there.\nAnd bye.\n", "")


async def test_words_are_a_line_each_with_times_and_probability(
    served: Served, recording: str, capsys: Capture
) -> None:
    assert await client(served, "transcribe", recording, "--words") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["0.500\t0.750\t0.900\tHello", "0.800\t1.250\t0.700\tthere."]
    assert len(lines) == 4
    assert served.engine.requests[0].instructions.word_times


async def test_options_reach_the_engine(served: Served, tmp_path: Path) -> None:
    raw = tmp_path / "tone.raw"
    raw.write_bytes(tone(8_000).tobytes())
    options = ("--language", "ko-KR", "--translate", "--prompt", "Glossary.", "--hotwords", "Riva", "--rate", "8000")
    assert await client(served, "transcribe", str(raw), *options, "--model", "whisper-1") == 0
    (heard,) = served.engine.requests
    assert (heard.instructions.language, heard.instructions.task) == ("ko", Task.TRANSLATE)
    assert heard.instructions.context == Context(initial_prompt="Glossary.", hotwords="Riva")
    assert len(heard.samples) == pytest.approx(2 * 16_000, abs=16)


async def test_files_that_fail_do_not_keep_the_others_and_leave_nothing(
    served: Served, recording: str, tmp_path: Path, capsys: Capture
) -> None:
    broken, output = tmp_path / "broken.wav", tmp_path / "new" / "folder"
    broken.write_bytes(RECORDING[:9_000])
    files = (str(broken), str(tmp_path / "missing.wav"), recording)
    assert await client(served, "transcribe", *files, "--format", "srt", "--output", str(output)) == ExitCode.REFUSED
    assert [file.name for file in output.iterdir()] == ["tone.srt"]
    assert (output / "tone.srt").read_text().startswith("1\n00:00:00,500 --> ")
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{broken}: the audio is cut short" in told.err
    assert "missing.wav: it cannot be read: No such file or directory: check its name" in told.err


async def test_a_busy_server_is_asked_again_when_it_says_so(served: Served, recording: str, capsys: Capture) -> None:
    served.engine.is_full = True
    running = asyncio.create_task(client(served, "transcribe", recording, "--retries", "1"))
    refused = {"method": "Transcribe", "code": "RESOURCE_EXHAUSTED"}
    await until(lambda: served.metric("whisper_server_requests_total", **refused))
    served.engine.is_full = False
    assert await running == 0
    told = capsys.readouterr()
    assert told.out == "Hello there.\nAnd bye.\n"
    assert "as much to do as may wait: try again later: trying again in " in told.err


async def test_a_server_that_stays_busy_ends_it(served: Served, recording: str, capsys: Capture) -> None:
    served.engine.is_full = True
    assert await client(served, "transcribe", recording, recording, "--retries", "0") == ExitCode.RETRY
    assert capsys.readouterr().err.count("try again later") == 1, "the next file would meet it too"


async def test_a_server_that_is_not_there_is_one_sentence(
    unused_tcp_port: int, recording: str, capsys: Capture
) -> None:
    for command in (("transcribe", recording), ("detect", recording), ("model",)):
        assert await client(unused_tcp_port, *command, "--retries", "0") == ExitCode.RETRY
        assert "is a whisper-server running there, and does it want TLS" in capsys.readouterr().err


def test_text_that_breaks_off_is_said_to_be_unfinished() -> None:
    def work(_: object) -> None:
        raise Failed(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    connection = Connection(Target("speech:50051", retries=3), pytest.fail, None, None)
    said = r"the connection to speech:50051 broke off \(Socket closed\): what has been written of it is not all"
    with pytest.raises(ClientError, match=said) as failed:
        connection.attempt(work, may_repeat=lambda: False)
    assert failed.value.exit_code is ExitCode.RETRY


async def test_the_http_port_is_told_from_grpcs(recording: str, capsys: Capture) -> None:
    async with serving_probes(probe_application(Lifecycle(), Metrics()), "127.0.0.1", 0) as port:
        assert await client(port, "transcribe", recording, "--retries", "0") == ExitCode.RETRY
    assert f"127.0.0.1:{port} cannot be reached" in (told := capsys.readouterr().err)
    assert "it speaks HTTP, not gRPC: is another port of this server meant" in told


async def test_a_server_that_starts_late_is_waited_for(unused_tcp_port: int, recording: str, capsys: Capture) -> None:
    running = asyncio.create_task(client(unused_tcp_port, "transcribe", recording, "--retries", "9"))
    told = ""
    while "trying again in 1 s" not in told:
        await asyncio.sleep(0.02)
        told += capsys.readouterr().err
    async with serving(MODEL, loopback_settings(grpc_port=unused_tcp_port)):
        assert await running == 0
    assert capsys.readouterr().out == "Hello there.\nAnd bye.\n"


def test_it_needs_nothing_of_the_servers_libraries() -> None:
    needless = {"numpy", "av", "ctranslate2", "faster_whisper", "aiohttp", "riva", "prometheus_client"}
    program = f"import sys, whisper_server.client.cli; print({needless} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"


async def test_another_model_is_refused_with_the_way_to_the_names(
    served: Served, recording: str, capsys: Capture
) -> None:
    assert await client(served, "transcribe", recording, "--model", "large") == ExitCode.REFUSED
    assert "only small, whisper-1; `whisper-client model` tells the names" in capsys.readouterr().err


async def test_the_model_is_told_in_lines_and_as_json(served: Served, capsys: Capture) -> None:
    assert await client(served, "model") == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if "word" not in line)
    assert (lines["names"], lines["device"]) == ("small, whisper-1", "cpu, int8")
    assert await client(served, "model", "--json") == 0
    assert '"max_context_characters": 1000' in capsys.readouterr().out


async def test_languages_are_told_likeliest_first(served: Served, recording: str, capsys: Capture) -> None:
    assert await client(served, "detect", recording) == 0
    assert capsys.readouterr().out == "en\t0.9000\nko\t0.1000\n"
    assert await client(served, "detect", recording, "--json") == 0
    assert '"probabilities"' in capsys.readouterr().out


async def test_a_token_is_sent_from_its_file_and_asked_for_where_it_is_missing(
    serve: Serve, recording: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "tokens").write_text("ada:secret-of-ada\n")
    (tmp_path / "mine").write_text("secret-of-ada\n")
    served = await serve(tokens_file=tmp_path / "tokens", allow_tokens_without_tls=True)
    assert await client(served, "transcribe", recording, "--token-file", str(tmp_path / "mine")) == 0
    assert await client(served, "transcribe", recording) == ExitCode.REFUSED
    assert "give a token that the server knows with --token-file" in capsys.readouterr().err


async def test_tls_is_spoken_with_a_companys_own_authority_and_a_clients_certificate(
    serve: Serve, recording: str, tmp_path: Path, capsys: Capture
) -> None:
    company = Authority(tmp_path / "ca")
    server, person = company.issue("server", addresses=("127.0.0.1",)), company.issue("ada")
    served = await serve(
        tls_certificate_file=server.certificate, tls_key_file=server.key, tls_client_ca_file=company.certificate
    )
    own = ("--ca", str(company.certificate), "--cert", str(person.certificate), "--key", str(person.key))
    assert await client(served, "transcribe", recording, *own) == 0
    assert capsys.readouterr().out.startswith("Hello there.")
    assert await client(served, "transcribe", recording, "--ca", str(company.certificate), "--retries", "0") == 1
    assert await client(served, "transcribe", recording, "--retries", "0") == ExitCode.RETRY
    capsys.readouterr()
    for wrong, advice in (
        (("--tls",), "name its authority with --ca"),
        ((*own, "--server-name", "other.example"), "its certificate is for another name"),
        (("--ca", recording), "--ca, --cert or --key is no PEM file"),
    ):
        assert await client(served, "transcribe", recording, *wrong, "--retries", "0") == ExitCode.RETRY
        assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["transcribe"], "FILE"),
        (["transcribe", "a", "--server", "nowhere"], "'nowhere' is not HOST:PORT"),
        (["transcribe", "a", "b", "--format", "srt"], "several files as srt need --output DIR"),
        (["transcribe", "x/a.wav", "y/a.mp3", "--output", "z"], "two files would be a.txt"),
        (["transcribe", "-", "-"], "standard input can be read only once"),
        (["transcribe", "a", "--cert", "c"], "--cert and --key go together"),
        (["transcribe", "a", "--rate", "0"], "'0' is not a whole number above 0"),
        (["transcribe", "a", "--timeout", "nan"], "'nan' is not a number of seconds above 0"),
        (["transcribe", "a", "--retries", "-1"], "--retries"),
        (["transcribe", "a", "--format", "docx"], "docx"),
        (["listen"], "listen"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_two(
    arguments: list[str], words: str, capsys: Capture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == ExitCode.USAGE
    told = capsys.readouterr().err
    assert words in told
    assert "--help" in told


def test_a_token_is_never_sent_for_all_to_read(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "token").write_text("secret")
    arguments = ["model", "--server", "example.com:50051", "--token-file", str(tmp_path / "token")]
    assert main(arguments) == ExitCode.USAGE
    assert "add --tls" in capsys.readouterr().err
    assert main([*arguments[:3], "--tls", "--token-file", str(tmp_path / "none")]) == ExitCode.USAGE
    assert "none cannot be read" in capsys.readouterr().err
    (tmp_path / "token").write_text("\n")
    assert main([*arguments, "--tls"]) == ExitCode.USAGE
    assert "holds no token" in capsys.readouterr().err


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_failure_has_a_sentence_with_a_next_step_or_the_servers_own(code: grpc.StatusCode) -> None:
    error = as_client_error(Failed(code), "host:1", "the-id")
    assert error.exit_code in {ExitCode.RETRY, ExitCode.REFUSED}
    assert "why" in str(error)
    if code in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}:
        assert "the-id" in str(error)


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, metadata=(("grpc-retry-pushback-ms", "2500"),)), [2.5, 2.5]),
        (Failed(grpc.StatusCode.UNAVAILABLE, metadata=(("grpc-retry-pushback-ms", "700"),)), [0.7, 0.7]),
        (Failed(grpc.StatusCode.UNAVAILABLE), [1.0, 2.0, 4.0, 8.0, 16.0, 16.0]),
        (Failed(grpc.StatusCode.RESOURCE_EXHAUSTED), [None]),
        (Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, metadata=(("grpc-retry-pushback-ms", "-1"),)), [None]),
        (Failed(grpc.StatusCode.INVALID_ARGUMENT), [None]),
    ],
)
def test_it_waits_as_long_as_the_server_says_else_longer_each_time(error: Failed, pauses: list[float | None]) -> None:
    assert [pause_before_retry(error, tried) for tried in range(len(pauses))] == pauses


def test_a_hint_that_is_no_number_is_none() -> None:
    assert retry_hint(Failed(grpc.StatusCode.UNAVAILABLE, metadata=(("grpc-retry-pushback-ms", "soon"),))) is None


def test_a_document_is_in_its_place_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    with pytest.raises(ValueError, match="lost"):
        _write_half(path)
    assert list(tmp_path.iterdir()) == []
    with document_file(path) as document:
        document.write("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    with pytest.raises(ClientError, match="another folder with --output"), document_file(path / "below.srt"):
        pass


def _write_half(path: Path) -> None:
    with document_file(path) as document:
        document.write("half")
        raise ValueError("lost")


def test_the_pace_of_wav_and_flac_is_that_of_the_recording(tmp_path: Path) -> None:
    wav_file = tmp_path / "tone.wav"
    wav_file.write_bytes(RECORDING)
    assert bytes_per_second(Source(str(wav_file))) == 32_000
    flac = RECORDINGS / "en-00.flac"
    assert bytes_per_second(Source(str(flac))) == pytest.approx(flac.stat().st_size / 1.53, rel=0.01)
    (tmp_path / "talk.mp3").write_bytes(b"ID3" + bytes(100))
    with pytest.raises(ClientError, match="neither WAV nor FLAC"):
        bytes_per_second(Source(str(tmp_path / "talk.mp3")))


def test_progress_is_the_transcribed_share_of_what_the_bytes_will_come_to() -> None:
    half_sent = pb.Progress(decoded_seconds=60, transcribed_seconds=30)
    assert progress_of(half_sent, sent=500, size=1_000) == (0.25, "50% sent, 0:30 of 1:00")
    assert progress_of(half_sent, sent=500, size=None) == (0.0, "0:30 of 1:00")
    assert progress_of(pb.Progress(), sent=0, size=10)[0] == 0


def test_words_are_written_without_their_spaces() -> None:
    word = pb.Word(text=" So,", start=61.5, end=62.0, probability=0.25)
    assert list(pieces(pb.TranscribeResponse(segment=pb.Segment(words=[word])))) == ["61.500\t62.000\t0.250\tSo,\n"]


class Terminal(io.StringIO):
    """A stream that says that a person sees it."""

    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_on_a_terminal_only() -> None:
    drawn: dict[bool, Any] = {}
    for stream in (Terminal(), io.StringIO()):
        screen = Screen(stream)
        screen.begin("talk.wav")
        screen.progress(0.25, "50% sent")
        screen.end()
        screen.interim(" so far")
        screen.clear()
        drawn[stream.isatty()] = stream.getvalue()
    assert "talk.wav  25%|" in drawn[True]
    assert ", 50% sent" in drawn[True]
    assert "\r\x1b[Kso far\r\x1b[K" in drawn[True]
    assert drawn[False] == ""


def test_nothing_that_a_server_says_commands_the_terminal() -> None:
    stream = Terminal()
    screen = Screen(stream)
    screen.say("no \x1b[31m model\nhere")
    screen.interim("so \x07far")
    assert stream.getvalue() == "whisper-client: no [31m model here\n\r\x1b[Kso far"


def test_an_interim_shows_its_last_words_on_one_line() -> None:
    assert fitting_tail("one two three", 20) == "one two three"
    assert fitting_tail("one two three", 5) == "three"
    assert fitting_tail("한국어", 4) == "국어"
