"""Google Drive as a source: what is read, what it is called, and each way in which it fails."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import Archives
from tests.support.google_drive import API_KEY, Drive, File
from tests.support.loader import Job
from tests.support.relay import cut_off
from whisper_contract.reasons import Reason

FILE_ID = "1a2B3c4D5e6F7g8H"
URI = f"gdrive://{FILE_ID}"
SECRETS = ("api key", "service account")


@pytest.fixture
def drive(archives: Archives) -> Iterator[Drive]:
    with Drive.start() as drive:
        drive.files[FILE_ID] = File(archives.whole().read_bytes())
        yield drive


def reach(drive: Drive, tmp_path: Path, secret: str | None, endpoint: str | None = None) -> list[str | Path]:
    """The arguments of a pull with one of the secrets, or with none."""
    arguments: list[str | Path] = ["--endpoint", endpoint or drive.endpoint]
    if secret is None:
        return arguments
    name, value = ("apiKey", API_KEY) if secret == "api key" else ("key.json", drive.tokens.key_json(drive.endpoint))
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / name).write_text(value)
    return [*arguments, "--secret-dir", folder]


def never_told(drive: Drive) -> list[str]:
    return [API_KEY, "hunter2", "PRIVATE KEY", "alt=media", "uuid", "confirm=", "export=", *drive.tokens.valid]


def pulls(job: Job, drive: Drive, *arguments: str | Path) -> str:
    """Pull and publish; return what the source is called then."""
    done = job.step("pull", URI, *arguments)
    assert done.exit_code == 0, done.errors
    assert not [secret for secret in never_told(drive) if secret in done.errors + done.output]
    assert job.step("convert").exit_code == 0
    assert job.step("publish").exit_code == 0
    source = job.message().source
    assert source is not None
    return source


def fails(job: Job, drive: Drive, reason: Reason, *arguments: str | Path) -> str:
    return job.fails(reason, "pull", URI, *arguments, never_told=never_told(drive))


@pytest.mark.parametrize("secret", SECRETS)
def test_an_archive_is_pulled_and_known_by_its_digest(secret: str, job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.files[FILE_ID].public = secret == "api key"
    digest = hashlib.sha256(drive.files[FILE_ID].content).hexdigest()
    assert pulls(job, drive, *reach(drive, tmp_path, secret)) == f"{URI}#sha256={digest}"
    assert not [line for line in drive.requests if API_KEY in line], "addresses end up in logs"
    assert set(drive.tokens.valid.values()) <= {"https://www.googleapis.com/auth/drive.readonly"}


@pytest.mark.parametrize("form", [False, True])
def test_a_public_file_is_pulled_from_its_page(*, form: bool, job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.files[FILE_ID].form = form
    size = len(drive.files[FILE_ID].content)
    source = pulls(job, drive, *reach(drive, tmp_path, None))
    assert source == f"{URI}#modified=2024-01-01T00:00:01Z&size={size}"
    assert any("confirm=t" in line for line in drive.requests) is form


@pytest.mark.parametrize("secret", ["api key", None])
def test_a_busy_service_is_asked_again_when_it_says(secret: str | None, job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.faults.statuses, drive.faults.retry_after = [503, 429], "1"
    pulls(job, drive, *reach(drive, tmp_path, secret))
    assert drive.faults.statuses == []


@pytest.mark.parametrize("secret", ["api key", None])
def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(
    secret: str | None, job: Job, drive: Drive, tmp_path: Path
) -> None:
    drive.files[FILE_ID].form = True
    with cut_off(drive.address, after_bytes=len(drive.files[FILE_ID].content) // 3, times=2) as relay:
        pulls(job, drive, *reach(drive, tmp_path, secret, relay.endpoint))
    assert relay.cuts == 2


@pytest.mark.parametrize("secret", ["api key", None])
@pytest.mark.parametrize("same_size", [True, False])
def test_a_file_that_is_replaced_while_it_is_read_has_changed(
    *, secret: str | None, same_size: bool, job: Job, drive: Drive, tmp_path: Path
) -> None:
    size = len(drive.files[FILE_ID].content)

    def replace() -> None:
        drive.files[FILE_ID] = File(bytes(size if same_size else 100), revision=2)

    with cut_off(drive.address, after_bytes=size // 3, times=1, when_cut=replace) as relay:
        fails(job, drive, Reason.SOURCE_CHANGED, *reach(drive, tmp_path, secret, relay.endpoint))


NO_FILES: dict[str, tuple[dict[str, Any], Reason, str]] = {
    "folder": ({"mimeType": "application/vnd.google-apps.folder"}, Reason.UNSUPPORTED_FORMAT, "it is a folder"),
    "document": ({"mimeType": "application/vnd.google-apps.document"}, Reason.UNSUPPORTED_FORMAT, "(document)"),
    "shortcut": (
        {"mimeType": "application/vnd.google-apps.shortcut", "shortcutDetails": {"targetId": "theOtherOne"}},
        Reason.UNSUPPORTED_FORMAT,
        "name gdrive://theOtherOne",
    ),
    "trashed": ({"trashed": True}, Reason.SOURCE_NOT_FOUND, "in the trash"),
}


@pytest.mark.parametrize("case", NO_FILES)
def test_what_is_no_file_is_told_by_its_kind(case: str, job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.files[FILE_ID].about, reason, sentence = NO_FILES[case]
    assert sentence in fails(job, drive, reason, *reach(drive, tmp_path, "api key"))


REFUSALS = {
    "downloadQuotaExceeded": (Reason.SOURCE_QUOTA_EXCEEDED, "too many people"),
    "quotaExceeded": (Reason.SOURCE_QUOTA_EXCEEDED, "quota of requests"),
    "cannotDownloadAbusiveFile": (Reason.UNSAFE_ARCHIVE, "virus scan"),
    "cannotDownloadFile": (Reason.UNAUTHORIZED, "does not let these credentials download"),
    "insufficientFilePermissions": (Reason.UNAUTHORIZED, "share the file with them"),
    "accessNotConfigured": (Reason.UNAUTHORIZED, "not enabled"),
    "fileNotDownloadable": (Reason.UNSUPPORTED_FORMAT, "no bytes of its own"),
}


@pytest.mark.parametrize("word", REFUSALS)
def test_each_refusal_of_the_api_has_its_reason(word: str, job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.faults.reason = word
    reason, sentence = REFUSALS[word]
    assert sentence in fails(job, drive, reason, *reach(drive, tmp_path, "api key"))
    assert not [line for line in drive.requests if "acknowledgeAbuse" in line], "nobody asked for malware"


PAGES = {
    "<title>Google Drive - Quota exceeded</title>": (Reason.SOURCE_QUOTA_EXCEEDED, "too many people"),
    "<p>Too many users have viewed or downloaded this file recently.": (Reason.SOURCE_QUOTA_EXCEEDED, "too many"),
    "<p>Sorry, this file is infected with a virus.": (Reason.UNSAFE_ARCHIVE, "virus scan"),
    "<p>This file is infected with a virus.<form id='download-form' action='/download'></form>": (
        Reason.UNSAFE_ARCHIVE,
        "virus scan",
    ),
    "<title>Sign in - Google Accounts</title>": (Reason.UNAUTHORIZED, "not shared with everyone"),
    "<p>You need access": (Reason.UNAUTHORIZED, "not shared with everyone"),
    "<p>Something new": (Reason.UNSUPPORTED_FORMAT, "a web page came in place of the file"),
    "<form id='download-form' action='http://elsewhere.example/'></form>": (
        Reason.UNSUPPORTED_FORMAT,
        "another host",
    ),
    "<form id='download-form' action='http://['></form>": (Reason.UNSUPPORTED_FORMAT, "another host"),
    "<![<![" * 100_000: (Reason.UNSUPPORTED_FORMAT, "a web page came in place of the file"),
    "<a\0" * 2_000_000: (Reason.UNSUPPORTED_FORMAT, "a web page came in place of the file"),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page[:60])
def test_no_page_is_taken_for_the_file(page: str, job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.faults.page = page
    reason, sentence = PAGES[page]
    assert sentence in fails(job, drive, reason, *reach(drive, tmp_path, None))


def test_a_page_in_place_of_the_apis_bytes_is_refused(job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.faults.page = "<p>Log in to the network"
    assert "a web page" in fails(job, drive, Reason.UNSUPPORTED_FORMAT, *reach(drive, tmp_path, "api key"))


@pytest.mark.parametrize("secret", [*SECRETS, None])
def test_a_file_that_is_not_there_is_not_found(secret: str | None, job: Job, drive: Drive, tmp_path: Path) -> None:
    del drive.files[FILE_ID]
    assert "no such file" in fails(job, drive, Reason.SOURCE_NOT_FOUND, *reach(drive, tmp_path, secret))


def test_a_file_that_is_not_shared_leads_to_a_page_to_sign_in(job: Job, drive: Drive, tmp_path: Path) -> None:
    drive.files[FILE_ID].public = False
    message = fails(job, drive, Reason.UNAUTHORIZED, *reach(drive, tmp_path, None))
    assert "not shared with everyone" in message


@pytest.mark.parametrize(
    ("name", "value", "reason", "sentence"),
    [
        ("apiKey", "AIza-hunter2-another", Reason.UNAUTHORIZED, "the API key is not valid"),
        ("token", "hunter2", Reason.SECRET_KEY_MISSING, "apiKey; it has token"),
        ("key.json", "hunter2", Reason.SECRET_KEY_MISSING, "none of Google's credentials"),
    ],
)
def test_each_fault_of_a_secret_has_its_reason(
    name: str, value: str, reason: Reason, sentence: str, job: Job, drive: Drive, tmp_path: Path
) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / name).write_text(value)
    arguments = ("--endpoint", drive.endpoint, "--secret-dir", folder)
    assert sentence in fails(job, drive, reason, *arguments)
