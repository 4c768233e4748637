"""Settings: flags over environment over defaults; a wrong one is one sentence that names it."""

from pathlib import Path

import pytest

from whisper_server.settings import Settings, SettingsError, describe_settings, parse_settings

MODEL = ["--model", "/models/artifacts/ab"]


def test_only_the_model_is_required() -> None:
    assert parse_settings(MODEL, {}) == Settings(model=Path("/models/artifacts/ab"))


def test_the_environment_gives_what_no_flag_does() -> None:
    environment = {
        "WHISPER_SERVER_GRPC_PORT": "6000",
        "WHISPER_SERVER_PROBE_PORT": "6001",
        "WHISPER_SERVER_MODEL": "/m",
    }
    settings = parse_settings(["--grpc-port", "7000"], environment)
    assert (settings.model, settings.grpc_port, settings.probe_port) == (Path("/m"), 7000, 6001)


def test_lists_keep_their_order() -> None:
    settings = parse_settings([*MODEL, "--compute-type", "int8_float16, int8", "--model-name", "a,b"], {})
    assert settings.compute_type == ("int8_float16", "int8")
    assert settings.model_name == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--model (or WHISPER_SERVER_MODEL) is required: directory of the published artifact to serve"),
        ([*MODEL, "--grpc-port", "70000"], "--grpc-port: '70000' is not a whole number from 0 to 65535"),
        ([*MODEL, "--grpc-port", "²"], "--grpc-port: '²' is not a whole number from 0 to 65535"),
        ([*MODEL, "--device", "tpu"], "--device: 'tpu' is not one of auto, cuda, cpu"),
        ([*MODEL, "--model-name", " , "], "--model-name: the list is empty"),
        ([*MODEL, "--log-level", "LOUD"], "--log-level: 'LOUD' is not one of debug, info, warning, error"),
        ([*MODEL, "--port", "1"], "unrecognized arguments: --port 1"),
        ([*MODEL, "--grpc-p", "1"], "unrecognized arguments: --grpc-p 1"),
    ],
)
def test_a_wrong_setting_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(arguments, {})
    assert str(caught.value) == sentence


def test_a_wrong_variable_is_named_as_such() -> None:
    with pytest.raises(SettingsError, match=r"^WHISPER_SERVER_COMPUTE_TYPE: 'int4' is not one of default, auto, int8"):
        parse_settings(MODEL, {"WHISPER_SERVER_COMPUTE_TYPE": "int8,int4"})


def test_every_default_is_a_value_that_could_be_given() -> None:
    given = [part for setting in describe_settings() if setting.default for part in (setting.flag, setting.default)]
    assert parse_settings([*MODEL, *given], {}) == parse_settings(MODEL, {})


def test_help_shows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_settings(["--help"], {})
    assert ended.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    for setting in describe_settings():
        assert setting.flag in words
        assert setting.variable in words.replace(" ", "")
