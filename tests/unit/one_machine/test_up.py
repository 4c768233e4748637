"""`whisper-operator up` with the small model: from a file to a server, through its changes, to Ctrl-C."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.support.models import COMMANDS, RECORDINGS
from tests.support.up import Up, free_ports, write_model

pytestmark = pytest.mark.slow

ENGLISH = {"device": "cpu", "modelNames": ["english"]}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    write_model(folder / "model.yaml", cache={"size": "5Gi"})
    with Up(folder, "--ports=smal=50051,8000,8001") as running:
        running.wait_for("ServersReady")
        yield running


def test_ports_of_a_name_that_the_file_does_not_have_are_told_of(up: Up) -> None:
    assert "of no effect: --ports smal=…: the file has no WhisperModel of this name\n" in up.log


def test_the_model_is_pulled_and_served_on_its_ports(up: Up) -> None:
    clip = RECORDINGS / "en-02.flac"
    address = f"127.0.0.1:{up.ports[0]}"
    command = [str(COMMANDS / "whisper-client"), "transcribe", str(clip), "--server", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "radio" in done.stdout.lower()
    assert [reason for reason in ("Pulling", "Converting", "Publishing", "Published") if f"{reason}: " in up.log] == [
        "Pulling",
        "Converting",
        "Publishing",
        "Published",
    ]
    assert "small: of no effect on one machine: spec.cache.size" in up.log


def test_the_page_to_try_it_is_told_and_is_there(up: Up) -> None:
    up.wait_for(f"small: try it in a browser: http://127.0.0.1:{up.ports[1]}/\n")
    assert "<title>Try it" in up.get("/")


def test_a_file_that_is_wrong_is_told_of_and_the_server_stays(up: Up) -> None:
    before = up.log.count("ServersReady")
    write_model(up.file, server={"device": "tpu"})
    up.wait_for("cannot be used: what ran before runs on")
    assert 'spec.server.device: Unsupported value: "tpu"' in up.log
    assert '"small"' in up.get("/v1/models")
    assert up.log.count("ServersReady") == before


def test_a_change_of_the_server_replaces_it_on_the_same_ports_while_it_serves(up: Up) -> None:
    write_model(up.file, server=ENGLISH)
    with grpc.insecure_channel(f"127.0.0.1:{up.ports[0]}") as channel:
        while '"english"' not in (models := up.get("/v1/models")):
            assert '"small"' in models
        grpc.channel_ready_future(channel).result(240)
    up.wait_for("ServersReady", 2)
    assert up.log.count("Pulling:") == 1


def test_a_server_that_ends_by_itself_is_started_again(up: Up) -> None:
    ready = up.log.count("ServersReady")
    up.kill_server()
    up.wait_for("SIGKILL. Read what it said above. It is started again.")
    up.wait_for("ServersReady", ready + 1)
    assert '"english"' in up.get("/v1/models")


def test_a_model_that_is_none_is_told_of_and_the_old_one_serves_on(up: Up) -> None:
    write_model(up.file, "recordings", server=ENGLISH)
    up.wait_for("Next attempt in 60 s, or when the file changes.")
    assert "small: UnsupportedFormat: " in up.log or "small: InvalidModel: " in up.log
    assert '"english"' in up.get("/v1/models")


def test_a_server_that_does_not_start_leaves_the_old_one_serving(up: Up) -> None:
    before = up.log.count("WarmUpFailed")
    write_model(up.file, server=ENGLISH | {"computeType": ["bfloat16"]})
    up.wait_for("What served before serves on.")
    assert up.log.count("WarmUpFailed") > before
    assert '"english"' in up.get("/v1/models")


def test_ctrl_c_drains_a_second_one_does_not_and_a_start_serves_at_once_what_is_known(tmp_path: Path) -> None:
    write_model(tmp_path / "model.yaml")
    ports = free_ports()
    with Up(tmp_path, ports=ports) as first:
        first.wait_for("ServersReady")
        second = subprocess.run(
            [COMMANDS / "whisper-operator", "up", first.file, "--data", tmp_path / "data"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (second.returncode, "another whisper-operator up runs" in second.stderr) == (2, True)
        assert first.interrupt() == 0
        assert "small: ended" in first.log
    with Up(tmp_path, ports=ports) as again:
        again.wait_for("what served last is served")
        again.wait_for("ServersReady", 2)
        again.wait_for("Published", 2)
        with again.unfinished_upload():
            again.press_ctrl_c()
            again.wait_for("ending: new calls", 2)
            assert again.process.poll() is None, "a call is in flight"
            assert again.interrupt() == 0
        assert again.log.count("ServersReady") == 2, "the source holds what it held"


def test_once_pulls_prints_and_tells_the_loaders_exit_code(tmp_path: Path) -> None:
    def once() -> "subprocess.CompletedProcess[str]":
        command = [str(COMMANDS / "whisper-operator"), "up", "model.yaml", "--once", "--data", "data"]
        option = f"--volume=fixtures={RECORDINGS.parent}"
        return subprocess.run([*command, option], cwd=tmp_path, capture_output=True, text=True, check=False)

    write_model(tmp_path / "model.yaml")
    done = once()
    name, digest, path = done.stdout.split()
    assert (done.returncode, name, digest[:7]) == (0, "small", "sha256:")
    assert Path(path, "manifest.json").is_file()
    write_model(tmp_path / "model.yaml", "nowhere")
    missing = once()
    assert missing.returncode == 64
    assert "small: SourceNotFound: " in missing.stderr
    write_model(tmp_path / "model.yaml", paused=True)
    paused = once()
    assert (paused.returncode, paused.stdout) == (0, "")
    assert "small: nothing is pulled: the file pauses it" in paused.stderr
    s3 = {"bucket": "models", "key": "small.tar", "secretRef": {"name": "keys"}}
    write_model(tmp_path / "model.yaml", source={"s3": s3})
    without = once()
    assert without.returncode == 66
    assert "small: SecretNotFound: " in without.stderr
    assert "as a folder of that name below --secrets." in without.stderr
    assert "Without secretRef your own login is used" in without.stderr
    write_model(tmp_path / "model.yaml", source={"http": {"url": "http://127.0.0.1:1/small.tar"}})
    away = once()
    assert away.returncode == 1
    assert "Check the endpoint, DNS and the proxy (HTTPS_PROXY, or pull.proxy)." in away.stderr


def test_neither_kopf_nor_the_kubernetes_client_is_imported() -> None:
    code = (
        "import sys; from whisper_operator import cli; from whisper_operator.local import supervisor;"
        "print([name for name in sys.modules if name.partition('.')[0] in ('kopf', 'kubernetes', 'whisper_server',"
        " 'whisper_loader')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_server_ends_when_up_is_killed(up: Up) -> None:
    up.process.kill()
    up.process.wait()
    up.wait_until_nobody_listens()


@pytest.mark.parametrize(
    ("library", "command", "extra"),
    [("kopf", "['run', '--loader-image', 'a', '--server-image', 'b']", "operator"), ("yaml", "['up', 'a']", "local")],
)
def test_a_library_that_is_missing_is_told_of_with_what_to_install(library: str, command: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules['{library}'] = None; from whisper_operator.cli import main; sys.exit(main({command}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(f"{library} is not installed: pip install 'whisper-operator[{extra}]'\n")


def test_without_a_surge_the_old_server_comes_back_when_the_new_one_does_not_start(tmp_path: Path) -> None:
    in_place = {"device": "cpu", "rollout": {"strategy": "InPlace"}}
    write_model(tmp_path / "model.yaml", server=in_place)
    with Up(tmp_path) as up:
        up.wait_for("ServersReady")
        write_model(up.file, server=in_place | {"computeType": ["bfloat16"]})
        up.wait_for("WarmUpFailed")
        up.wait_for("ServersReady", 2)
        assert '"small"' in up.get("/v1/models")
