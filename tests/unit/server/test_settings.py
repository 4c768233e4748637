"""Settings: flags over environment over a file over defaults; a wrong one is one sentence that names it."""

from pathlib import Path

import pytest

from whisper_server.configuration.reading import describe_settings, misspelt_variables, parse_settings
from whisper_server.configuration.settings import Settings
from whisper_server.configuration.values import SettingsError

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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "server.toml"


def test_a_file_gives_what_neither_flag_nor_environment_does(file: Path) -> None:
    file.write_text(
        'model = "/file"\ngrpc_port = 1\nprobe_port = 2\nmax_audio_seconds = 3\n'
        'model_name = ["a", "b"]\nallow_tokens_without_tls = true\n'
    )
    environment = {"WHISPER_SERVER_GRPC_PORT": "10", "WHISPER_SERVER_PROBE_PORT": "20"}
    settings = parse_settings(["--config", str(file), "--grpc-port", "100"], environment)
    assert settings == Settings(
        model=Path("/file"),
        grpc_port=100,
        probe_port=20,
        max_audio_seconds=3,
        model_name=("a", "b"),
        allow_tokens_without_tls=True,
    )


def test_the_environment_can_name_the_file(file: Path) -> None:
    file.write_text('model = "/file"')
    assert parse_settings([], {"WHISPER_SERVER_CONFIG": str(file)}).model == Path("/file")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("max_audio_secs = 1", "{file}: 'max_audio_secs' is no setting: do you mean max_audio_seconds?"),
        ("max-audio-seconds = 1", "{file}: 'max-audio-seconds' is no setting: do you mean max_audio_seconds?"),
        ("zzz = 1", "{file}: 'zzz' is no setting; whisper-server --help lists them"),
        ("grpc_port = 70000", "{file}: grpc_port: '70000' is not a whole number from 0 to 65535"),
        (
            "grpc_port = 1.5",
            "{file}: grpc_port: 1.5 is neither a text, a whole number, true, false nor a list of texts",
        ),
        ("[grpc_port]", "{file}: grpc_port: {{}} is neither a text, a whole number, true, false nor a list of texts"),
        ("grpc_port", "{file} is not TOML: "),
        ("log_level = '\xff'", "{file} is not TOML: "),
        (None, "{file} cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_file_is_one_sentence(file: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        file.write_text(content, encoding="latin-1")
    with pytest.raises(SettingsError) as caught:
        parse_settings([*MODEL, "--config", str(file)], {})
    assert str(caught.value).startswith(sentence.format(file=file))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tokens-file", "/t"], "--tokens-file without TLS would send secrets in the clear"),
        (["--tls-key-file", "/k"], "--tls-certificate-file and --tls-key-file are given together"),
        (["--tls-certificate-file", "/c"], "--tls-certificate-file and --tls-key-file are given together"),
        (["--tls-client-ca-file", "/a"], "--tls-client-ca-file needs --tls-certificate-file"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings([*MODEL, *arguments], {})
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tokens-file", "/t", "--allow-tokens-without-tls"],
        ["--tokens-file", "/t", "--allow-tokens-without-tls", "true"],
        ["--tokens-file", "/t", "--tls-certificate-file", "/c", "--tls-key-file", "/k"],
    ],
)
def test_tokens_are_taken_with_tls_or_when_told_so(arguments: list[str]) -> None:
    assert parse_settings([*MODEL, *arguments], {}).tokens_file == Path("/t")


def test_a_variable_that_is_nearly_a_settings_is_told_of() -> None:
    kubernetes = {
        "PORT": "tcp://10.0.0.1:80",
        "SERVICE_PORT": "80",
        "PORT_8000_TCP_PORT": "8000",
        "SERVICE_HOST": "10.0.0.1",
    }
    environment = {f"WHISPER_SERVER_{name}": value for name, value in kubernetes.items()}
    environment |= {"WHISPER_SERVER_MAX_REQUESTS": "3", "MAX_REQUEST": "3", "WHISPER_SERVER_CONFIG": "a.toml"}
    assert misspelt_variables(environment) == []
    assert misspelt_variables(environment | {"WHISPER_SERVER_MAX_REQUEST": "3"}) == [
        "WHISPER_SERVER_MAX_REQUEST is no setting: do you mean WHISPER_SERVER_MAX_REQUESTS?"
    ]
