"""Bearer tokens: what the file may hold, what a caller must send, what changes while the server runs."""

import logging
import os
from pathlib import Path

import pytest

from whisper_server.errors import UnauthenticatedError
from whisper_server.operations.metrics import Metrics
from whisper_server.security.mounted import MountedFileError
from whisper_server.security.tokens import Tokens

FILE = "# people\nada:first-token\n\n  second.token~with/all+kinds_==  \n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text(FILE)
    return file


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def tokens(path: Path, metrics: Metrics) -> Tokens:
    return Tokens(path, metrics)


@pytest.mark.parametrize(
    ("authorization", "name"),
    [("Bearer first-token", "ada"), ("bearer  first-token", "ada"), ("BEARER second.token~with/all+kinds_==", "")],
)
def test_a_known_token_names_its_holder(tokens: Tokens, authorization: str, name: str) -> None:
    assert tokens.check(authorization) == name


@pytest.mark.parametrize(
    ("authorization", "sentence"),
    [
        (None, "a token is needed: send it as `authorization: Bearer TOKEN`"),
        ("", "a token is needed: send it as `authorization: Bearer TOKEN`"),
        ("Basic YWRhOmZpcnN0", "the authorization is no bearer token: send `authorization: Bearer TOKEN`"),
        ("first-token", "the authorization is no bearer token: send `authorization: Bearer TOKEN`"),
        ("Bearer", "the token is not known here: it may have been replaced"),
        ("Bearer first-toke", "the token is not known here: it may have been replaced"),
        ("Bearer ada:first-token", "the token is not known here: it may have been replaced"),
        ("Bearer # people", "the token is not known here: it may have been replaced"),
        ("Bearer \udcff", "the token is not known here: it may have been replaced"),
    ],
)
def test_anything_else_is_refused_with_a_sentence_that_repeats_nothing(
    tokens: Tokens, authorization: str | None, sentence: str
) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        tokens.check(authorization)
    assert str(refused.value) == sentence


def test_a_file_that_is_replaced_holds_from_the_next_call_on(tokens: Tokens, path: Path) -> None:
    new = path.with_name("new")
    new.write_text("third-token\n")
    new.rename(path)
    assert tokens.check("Bearer third-token") == ""
    with pytest.raises(UnauthenticatedError):
        tokens.check("Bearer first-token")


def test_a_link_that_is_swapped_is_noticed_as_kubelet_does_it(tmp_path: Path, metrics: Metrics) -> None:
    for name, token in (("..one", "old-token"), ("..two", "new-token")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokens").write_text(token)
        os.utime(tmp_path / name / "tokens", (1, 1))
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "tokens").symlink_to("..data/tokens")
    tokens = Tokens(tmp_path / "tokens", metrics)
    assert tokens.check("Bearer old-token") == ""
    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert tokens.check("Bearer new-token") == ""


@pytest.mark.parametrize("content", [None, "", "not a token at all!\n", "tök\n"])
def test_a_file_that_became_wrong_changes_nothing_and_is_told(
    tokens: Tokens, path: Path, metrics: Metrics, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    for _ in range(3):
        assert tokens.check("Bearer first-token") == "ada"
    assert metrics.registry.get_sample_value("whisper_server_reload_failures_total", {"what": "tokens"}) == 1
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(path) in record.message
    assert record.message.endswith("the tokens read before still hold")
    path.write_text("later-token")
    assert tokens.check("Bearer later-token") == ""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"# nobody\n", "holds no token: write one a line, as TOKEN or NAME:TOKEN"),
        (b"good-token\nse cret\n", "line 2 of {path} is neither TOKEN nor NAME:TOKEN"),
        (b"a:b:secret\n", "line 1 of {path} is neither TOKEN nor NAME:TOKEN"),
        (b"\xff\xfe\n", "holds something else than tokens"),
        (b"a" * 1_048_577, "is larger than 1048576 bytes"),
    ],
)
def test_a_wrong_file_at_start_is_one_sentence_without_its_secrets(
    path: Path, metrics: Metrics, content: bytes, sentence: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(MountedFileError) as refused:
        Tokens(path, metrics)
    assert sentence.format(path=path) in str(refused.value)
    assert "cret" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path, metrics: Metrics) -> None:
    with pytest.raises(MountedFileError, match=r"/none cannot be read: No such file or directory$"):
        Tokens(tmp_path / "none", metrics)


def test_no_secret_shows_in_a_description(tokens: Tokens) -> None:
    assert "first" not in repr(vars(tokens))
