"""The examples for clients' authors: every command of docs/clients.md as it is typed, and what the examples promise."""

import asyncio
import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from tests.cluster.certificates import Authority
from tests.support.client_examples import EXAMPLES, PAGE, ROOT, SPOKEN_FILE, Command, calls, environment, prepared_clone
from tests.support.models import RECORDINGS, spoken_text
from tests.support.pages import fenced, rows, sections
from tests.unit.server.audio_files import tone, wav
from tests.unit.server.conftest import Serve
from tests.unit.server.http_server import serving_http
from tests.unit.server.process import ServerProcess
from tests.unit.server.waiting import until
from whisper_server.http import errors as errors_of_http
from whisper_server.rpc import calls as calls_of_grpc

pytestmark = pytest.mark.slow

#: What is said in SPOKEN_FILE.
SPOKEN = "en-02.flac"
PYTHON = EXAMPLES / "python"
#: Starting a client takes long where much else runs.
PATIENCE_SECONDS = 240

#: How each library's example is called, its flags' dashes left out.
GRPC_CLIENTS = {
    "riva": f"python3 {PYTHON}/riva_recording.py",
    "stubs": f"python3 {PYTHON}/transcribe.py",
    "go": f"{EXAMPLES}/go/transcribe",
    "node": f"node {EXAMPLES}/node/transcribe.js",
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the repository as the page leaves it."""
    folder, prepared = tmp_path_factory.mktemp("clone"), prepared_clone()
    (folder / "tests" / "fixtures").mkdir(parents=True)
    (folder / "tests" / "fixtures" / "recordings").symlink_to(RECORDINGS)
    for part in ("examples", "server", "bin"):
        (folder / part).symlink_to(prepared / part)
    (folder / SPOKEN_FILE).write_bytes(wav(samples(SPOKEN)))
    return folder


def samples(recording: str) -> np.ndarray:
    return np.asarray(decode_audio(str(RECORDINGS / recording)) * 32_767, np.int16)


@pytest.fixture(scope="module")
def server(published_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The real server with the real model, called as the quick start's."""
    folder = tmp_path_factory.mktemp("server")
    arguments = ("--model", str(published_artifact), "--model-name", "whisper-tiny", "--device", "cpu")
    with ServerProcess(folder, *arguments) as process:
        yield process


def typed(clone: Path, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return what becomes of a line typed in the clone."""
    shell = ["bash", "-c", line]
    variables = {**environment(clone), **variables}
    return subprocess.run(shell, cwd=clone, env=variables, capture_output=True, text=True, check=False)


def directed(line: str, server: ServerProcess) -> str:
    """Return a line of the page with the addresses of `server`."""
    ready = server.line("ready")
    at_grpc = line.replace("localhost:50051", f"127.0.0.1:{ready['grpc_port']}")
    return at_grpc.replace("localhost:8000", f"127.0.0.1:{ready['http_port']}")


#: A microphone needs one; see below.
TYPED = [call for call in calls() if not call.line.endswith("microphone.py localhost:50051")]


@pytest.mark.parametrize("command", TYPED, ids=lambda command: command.line)
def test_a_command_of_the_page_does_what_the_page_says(command: Command, clone: Path, server: ServerProcess) -> None:
    done = typed(clone, directed(command.line, server))
    assert done.returncode == 0, done.stderr
    if recording := re.search(r"recordings/(\S+)", command.line):
        assert spoken_text(recording[1]) in done.stdout
    if SPOKEN_FILE in command.line or "arecord" in command.line:
        assert spoken_text(SPOKEN) in done.stdout
    printed = done.stdout.splitlines()
    # What is told meanwhile depends on the machine.
    assert [line for line in command.shown if line not in printed and not line.startswith("... ")] == []
    assert done.stdout


@pytest.mark.parametrize("program", ["whisper-client", "curl"])
def test_the_quick_starts_commands_hear_what_is_said(program: str, clone: Path, server: ServerProcess) -> None:
    consoles = fenced(sections("quick-start.md")["A transcript"], "console")
    (line,) = re.findall(rf"^\$ ({program} .*)$", "".join(consoles), re.MULTILINE)
    done = typed(clone, directed(line, server), WHISPER_CLIENT_SERVER=server.address)
    assert done.returncode == 0, done.stderr
    assert spoken_text(SPOKEN) in done.stdout


def test_the_page_has_every_example_called() -> None:
    programs = {path for path in (ROOT / EXAMPLES).glob("*/*") if path.suffix in {".py", ".js", ".sh"}}
    called = " ".join(call.line for call in calls())
    assert {path.name for path in programs if str(path.relative_to(ROOT)) not in called} == set()


def test_the_page_shows_what_the_examples_tell_grpc_about_tries() -> None:
    (shown,) = fenced(PAGE.read_text(), "json")
    go = re.search(r"const serviceConfig = `(.*?)`", (ROOT / EXAMPLES / "go" / "main.go").read_text(), re.DOTALL)
    assert go is not None
    assert json.loads(go[1]) == json.loads(shown)


def test_the_page_says_what_to_do_about_every_code_and_status_that_the_server_answers_with() -> None:
    told = rows(sections(PAGE.name)["Errors"])
    # Those that gRPC itself answers with among them.
    codes = grpc.StatusCode
    answers = {*calls_of_grpc.CODES.values(), codes.CANCELLED, codes.INTERNAL, codes.UNIMPLEMENTED}
    assert {row[0] for row in told} == {code.name for code in answers}
    statuses = {int(status) for row in told for status in re.findall(r"\d{3}", row[1])}
    # 403 is for browsers, of the page to try a model.
    assert statuses >= {status for status, _, _ in errors_of_http.KINDS.values()} - {403} | {405, 500}


def test_what_is_said_into_the_microphone_is_told_and_the_last_of_it_after_ctrl_c(
    clone: Path, server: ServerProcess, tmp_path: Path
) -> None:
    """ALSA's own file plug-in plays the microphone: a sentence, then silence for ever."""
    (tmp_path / "speech.raw").write_bytes(samples(SPOKEN).tobytes())
    device = f'type file\nslave.pcm "null"\nfile "/dev/null"\ninfile "{tmp_path}/speech.raw"\nformat "raw"\n'
    (tmp_path / "alsa.conf").write_text(f"</usr/share/alsa/alsa.conf>\npcm.!default {{\n{device}}}\n")
    (line,) = (call.line for call in calls() if call not in TYPED)
    # Whoever starts the tests in the background has Ctrl-C ignored in all that they start.
    command = ["env", "--default-signal=INT", *shlex.split(directed(line, server))]
    variables = {**environment(clone), "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")}
    with subprocess.Popen(command, cwd=clone, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        finals = (told for told in process.stdout if not told.startswith("..."))
        assert next(finals).endswith(f"[en] {spoken_text(SPOKEN)}\n")
        process.send_signal(signal.SIGINT)
        assert list(finals) == []
    assert process.returncode == 0


@dataclass(frozen=True, slots=True)
class Secured:
    """What a server that speaks TLS and asks for a token is given, and its callers."""

    settings: dict[str, Any]
    ca: Path
    token: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Secured:
    folder = tmp_path_factory.mktemp("secured")
    company = Authority(folder / "ca")
    pair = company.issue("server", addresses=("127.0.0.1",))
    (folder / "token").write_text("secret-of-ada\n")
    (folder / "tokens").write_text("ada:secret-of-ada\n")
    certificate = {"tls_certificate_file": pair.certificate, "tls_key_file": pair.key}
    return Secured({**certificate, "tokens_file": folder / "tokens"}, company.certificate, folder / "token")


async def ended(clone: Path, line: str) -> tuple[int, str, str]:
    """Return the exit code, the output and the errors of a line typed in the clone, while servers here run on."""
    done = await asyncio.to_thread(typed, clone, line)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("client", GRPC_CLIENTS)
async def test_a_busy_server_is_asked_again_over_tls_with_the_token(
    client: str, clone: Path, serve: Serve, secured: Secured, tmp_path: Path
) -> None:
    recording = tmp_path / "long.wav"
    recording.write_bytes(wav(tone(seconds=20)))  # More than gRPC keeps by itself, to send it again.
    served = await serve(**secured.settings)
    served.engine.is_full = True
    line = f"{GRPC_CLIENTS[client]} --ca {secured.ca} --token-file {secured.token} 127.0.0.1:{served.port} {recording}"
    running = asyncio.create_task(ended(clone, line))
    refusal = {"method": "Recognize" if client == "riva" else "Transcribe", "code": "RESOURCE_EXHAUSTED"}
    await until(lambda: running.done() or served.metric("whisper_server_requests_total", **refusal), PATIENCE_SECONDS)
    served.engine.is_full = False
    code, output, errors = await running
    assert code == 0, errors
    assert "Hello there." in output
    (heard,) = served.engine.requests
    assert len(heard.samples) == 20 * 16_000, "no piece is lost"


@pytest.mark.parametrize("live", ["riva_live.py {server} spoken.wav", "microphone.py {server} --wav spoken.wav"])
async def test_live_speech_goes_over_tls_with_the_token(live: str, clone: Path, serve: Serve, secured: Secured) -> None:
    served = await serve(**secured.settings)
    called = live.format(server=f"127.0.0.1:{served.port}")
    code, output, errors = await ended(
        clone, f"python3 {PYTHON}/{called} --ca {secured.ca} --token-file {secured.token}"
    )
    assert code == 0, errors
    assert "Hello there." in output


async def test_speech_goes_on_in_a_new_stream_when_its_server_ends(
    clone: Path, serve: Serve, unused_tcp_port: int
) -> None:
    first = await serve(grpc_port=unused_tcp_port)
    line = f"python3 {PYTHON}/microphone.py 127.0.0.1:{unused_tcp_port} --wav spoken.wav"
    running = asyncio.create_task(ended(clone, line))
    await until(lambda: running.done() or first.metric("whisper_server_active_streams"), PATIENCE_SECONDS)
    await first.server.stop(0)
    second = await serve(grpc_port=unused_tcp_port)
    code, _, errors = await running
    assert code == 0, errors
    assert "a new stream in 1 s" in errors
    assert second.metric("whisper_server_requests_total", method="StreamTranscribe", code="OK") == 1


async def test_the_shell_calls_over_tls_with_the_token(clone: Path, serve: Serve, secured: Secured) -> None:
    served = await serve(**secured.settings)
    flags = f'-cacert {secured.ca} -H "authorization: Bearer $(cat {secured.token})"'
    code, output, errors = await ended(clone, f"{EXAMPLES}/shell/grpcurl.sh 127.0.0.1:{served.port} spoken.wav {flags}")
    assert code == 0, errors
    assert "Hello there." in output


async def test_http_is_called_over_tls_with_the_token(clone: Path, secured: Secured) -> None:
    async with serving_http(**secured.settings) as served:
        server = f"https://127.0.0.1:{served.port}"
        flags = f'--cacert {secured.ca} --oauth2-bearer "$(cat {secured.token})"'
        openai = f"SSL_CERT_FILE={secured.ca} python3 {PYTHON}/openai_transcribe.py"
        for line in (
            f"{EXAMPLES}/shell/curl.sh {server} spoken.wav {flags}",
            f"{openai} {server}/v1 spoken.wav --token-file {secured.token}",
        ):
            code, output, errors = await ended(clone, line)
            assert code == 0, errors
            assert "Hello there." in output


async def test_a_server_that_is_not_there_is_said_in_words_after_some_tries(clone: Path, unused_tcp_port: int) -> None:
    grpc_server, http_server = f"127.0.0.1:{unused_tcp_port}", f"http://127.0.0.1:{unused_tcp_port}"
    lines = [f"{client} {grpc_server} spoken.wav" for name, client in GRPC_CLIENTS.items() if name != "riva"]
    lines.append(f"{EXAMPLES}/shell/grpcurl.sh {grpc_server} spoken.wav")
    lines.append(f"{EXAMPLES}/shell/curl.sh {http_server} spoken.wav")
    lines.append(f"python3 {PYTHON}/openai_transcribe.py {http_server}/v1 spoken.wav")
    for code, output, errors in await asyncio.gather(*(ended(clone, line) for line in lines)):
        assert (code != 0, output) == (True, "")
        assert "Is a server running there, and has it loaded its model?" in errors
        assert "Traceback" not in errors


@pytest.mark.parametrize("client", GRPC_CLIENTS)
def test_what_the_server_says_of_a_file_is_passed_on(client: str, clone: Path, server: ServerProcess) -> None:
    line = f"{GRPC_CLIENTS[client]} {server.address} tests/fixtures/recordings/recordings.json"
    done = typed(clone, line)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "the audio is in no container known here" in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"python3 {PYTHON}/microphone.py 127.0.0.1:1 --wav examples/clients/shell/curl.sh", "curl.sh is no WAV file"),
        (f"{EXAMPLES}/shell/curl.sh http://127.0.0.1:1 nowhere.wav", "nowhere.wav cannot be read"),
        (
            f"{GRPC_CLIENTS['node']} --proto /nowhere 127.0.0.1:1 spoken.wav",
            "say with --proto which folder has whisper/",
        ),
    ],
    ids=["microphone", "curl", "proto"],
)
def test_a_file_that_cannot_be_used_is_named(line: str, said: str, clone: Path) -> None:
    done = typed(clone, line)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_is_sent_over_tls_only(clone: Path) -> None:
    for client in ("go", "node"):
        done = typed(clone, f"{GRPC_CLIENTS[client]} --token-file /dev/null 127.0.0.1:1 spoken.wav")
        assert done.returncode == 1
        assert "else anybody on the way could read the token" in done.stderr
