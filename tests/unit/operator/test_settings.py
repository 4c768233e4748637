"""The command's settings: flags before environment, one sentence for what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from whisper_operator.settings import Settings, SettingsError, read_settings

IMAGES = {"WHISPER_OPERATOR_LOADER_IMAGE": "l:1", "WHISPER_OPERATOR_SERVER_IMAGE": "s:1"}
COMMAND = Path(sys.executable).with_name("whisper-operator")


def test_images_are_all_that_must_be_set() -> None:
    assert read_settings({}, IMAGES) == Settings(loader_image="l:1", server_image="s:1")


def test_a_flag_goes_before_the_environment() -> None:
    environment = IMAGES | {"WHISPER_OPERATOR_LOG_LEVEL": "error"}
    assert read_settings({"log_level": "debug"}, environment).log_level == "debug"
    assert read_settings({"log_level": None}, environment).log_level == "error"


def test_lists_are_separated_by_commas() -> None:
    settings = read_settings(
        {}, IMAGES | {"WHISPER_OPERATOR_NAMESPACES": " a, b,", "WHISPER_OPERATOR_IMAGE_PULL_SECRETS": ""}
    )
    assert settings.namespaces == ("a", "b")
    assert settings.image_pull_secrets == ()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"log_format": "xml"}, r"--log-format \(WHISPER_OPERATOR_LOG_FORMAT\) is 'xml': expected one of json, text"),
        ({"probe_port": "70000"}, "expected a whole number from 1 to 65535"),
        ({"probe_port": "http"}, "expected a whole number from 1 to 65535"),
        ({"server_defaults": '{"replicas": 2}'}, r"--server-defaults .* unknown field `replicas`"),
        ({"loader_image": ""}, "give --loader-image or WHISPER_OPERATOR_LOADER_IMAGE"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_sentence(flags: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings(flags, IMAGES)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def test_the_command_refuses_to_run_without_images() -> None:
    done = command("run")
    assert done.returncode == 2
    assert done.stderr.startswith("whisper-operator: no image is set: give --loader-image")


def test_the_help_names_flag_and_variable_of_every_setting() -> None:
    text = " ".join(command("run", "--help", COLUMNS="200").stdout.split())
    for name in Settings.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in text
        assert f"WHISPER_OPERATOR_{name.upper()}" in text


def test_the_check_needs_no_image_but_somebody_to_ask(tmp_path: Path) -> None:
    done = command("check", KUBECONFIG=str(tmp_path / "none"), HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(": run in a cluster, or set KUBECONFIG\n")


def test_with_nobody_to_talk_to_it_says_what_it_lacks(tmp_path: Path) -> None:
    done = command("run", **IMAGES, KUBECONFIG=str(tmp_path / "none"), HOME=str(tmp_path))
    assert done.returncode == 1
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["level"] == "CRITICAL"
    assert "run in a cluster, or set KUBECONFIG" in said["message"]
