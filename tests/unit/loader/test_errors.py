"""Foreign errors become the loader's, and say nothing that they should not."""

import errno
import logging
from pathlib import Path

import botocore.exceptions
import httpx2
import huggingface_hub.errors
import pytest

from whisper_contract.reasons import FAILURES, Reason
from whisper_contract.uris import HuggingFaceSource
from whisper_loader.errors import LoaderError, store_errors
from whisper_loader.sources.files import file_errors
from whisper_loader.sources.hub.client import hub_errors
from whisper_loader.sources.s3.errors import s3_errors
from whisper_loader.unexpected import as_loader_error

STORE = Path("/models")
SIGNED = "https://cdn/x?Signature=hunter2"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, Reason.OUT_OF_SPACE),
        (errno.EDQUOT, Reason.OUT_OF_SPACE),
        (errno.EACCES, Reason.CLAIM_NOT_WRITABLE),
        (errno.EPERM, Reason.CLAIM_NOT_WRITABLE),
        (errno.EROFS, Reason.CLAIM_NOT_WRITABLE),
        (errno.EIO, Reason.VOLUME_FAILED),
        (errno.ESTALE, Reason.VOLUME_FAILED),
    ],
)
def test_errors_of_the_volume_have_reasons(number: int, reason: Reason) -> None:
    with pytest.raises(LoaderError) as raised, store_errors(STORE):
        raise OSError(number, "as the system says")
    assert raised.value.reason is reason
    assert "/models" in raised.value.message


def test_what_a_message_quotes_stays_one_short_line_that_no_terminal_obeys() -> None:
    error = LoaderError(Reason.UNSUPPORTED_FORMAT, "found model\n\x1b[31m.bin\u202e, größer\udc80")
    assert error.message == str(error) == "found model\\n\\x1b[31m.bin\\u202e, größer\\udc80"
    assert len(LoaderError(Reason.UNSUPPORTED_FORMAT, "x" * 1_000_000).message) == 1_001


def test_other_errors_of_the_system_stay_what_they_are() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"), store_errors(STORE):
        raise OSError(errno.EBADF, "Bad file descriptor")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOENT, Reason.SOURCE_NOT_FOUND),
        (errno.EACCES, Reason.UNAUTHORIZED),
        (errno.EIO, Reason.SOURCE_UNREACHABLE),
        (errno.ESTALE, Reason.SOURCE_UNREACHABLE),
    ],
)
def test_errors_of_a_source_on_a_volume_have_reasons_of_their_own(number: int, reason: Reason) -> None:
    with pytest.raises(LoaderError) as raised, file_errors(Path("/volumes/x")):
        raise OSError(number, "as the system says")
    assert raised.value.reason is reason


def test_of_a_folder_the_file_that_may_not_be_read_is_named() -> None:
    with pytest.raises(LoaderError) as raised, file_errors(Path("/volumes/x")):
        raise PermissionError(errno.EACCES, "Permission denied", "/volumes/x/model.bin")
    assert raised.value.message.startswith("/volumes/x/model.bin may not be read by user")


def _made(kind: type[Exception]) -> Exception:
    """Make an exception without its constructor, whose arguments are as many as there are kinds."""
    made = kind.__new__(kind)
    Exception.__init__(made, SIGNED)
    return made


def _kinds(module: object, base: type[Exception]) -> list[type[Exception]]:
    return [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, base)]


@pytest.mark.parametrize("kind", _kinds(botocore.exceptions, botocore.exceptions.BotoCoreError))
def test_no_error_of_boto3_gets_past_the_border(kind: type[Exception]) -> None:
    with pytest.raises(LoaderError) as raised, s3_errors("s3://bucket/key"):
        raise _made(kind)
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "AuthorizationHeaderMalformed", Reason.SOURCE_NOT_FOUND),
        (301, "PermanentRedirect", Reason.SOURCE_NOT_FOUND),
        (400, "ExpiredToken", Reason.UNAUTHORIZED),
        (403, "SomethingNew", Reason.UNAUTHORIZED),
        (404, "SomethingNew", Reason.SOURCE_NOT_FOUND),
        (412, "PreconditionFailed", Reason.SOURCE_CHANGED),
        (429, "SomethingNew", Reason.SOURCE_UNREACHABLE),
        (500, "InternalError", Reason.SOURCE_UNREACHABLE),
        (503, "SlowDown", Reason.SOURCE_UNREACHABLE),
        (400, "SomethingNew", Reason.SPEC_INVALID),
    ],
)
def test_answers_of_s3_have_reasons(status: int, code: str, reason: Reason) -> None:
    response = {"Error": {"Code": code, "Message": SIGNED}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(LoaderError) as raised, s3_errors("s3://bucket/key"):
        raise botocore.exceptions.ClientError(response, "GetObject")  # type: ignore[arg-type]  # a part of the whole
    assert raised.value.reason is reason
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize(
    "kind", _kinds(httpx2, httpx2.HTTPError) + _kinds(huggingface_hub.errors, huggingface_hub.errors.HfHubHTTPError)
)
def test_no_error_of_the_hub_client_gets_past_the_border(kind: type[Exception]) -> None:
    error = _made(kind)
    vars(error)["response"] = httpx2.Response(418, request=httpx2.Request("GET", SIGNED))
    with pytest.raises(LoaderError) as raised, hub_errors(HuggingFaceSource("org/name")):
        raise error
    assert "hunter2" not in raised.value.message


def test_what_nobody_has_foreseen_is_an_internal_error_whose_text_is_kept_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("whisper_loader")
    logger.addHandler(caplog.handler)
    with pytest.raises(KeyError) as raised:
        dict[str, str]()[SIGNED]
    mapped = as_loader_error(raised.value)
    logger.removeHandler(caplog.handler)
    assert (mapped.reason, mapped.message) == (Reason.INTERNAL_ERROR, "unexpected KeyError")
    assert "test_errors.py" in caplog.text
    assert "hunter2" not in caplog.text


def test_too_little_memory_has_a_reason() -> None:
    assert as_loader_error(MemoryError()).reason is Reason.OUT_OF_MEMORY


def test_an_error_of_the_system_without_a_reason_keeps_its_number() -> None:
    assert "errno 5" in as_loader_error(OSError(errno.EIO, "Input/output error")).message


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_raised_and_knows_its_row(reason: Reason) -> None:
    assert LoaderError(reason, "x").failure is FAILURES[reason]
