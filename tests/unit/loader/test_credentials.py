"""Credentials that somebody wrote where none belong are in nothing that a command says, nor in what it leaves."""

from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.loader import Done, Job, whisper_model
from tests.support.models import SPEECH_MODEL

USER, SECRET = "hunter-user", "hunter2-secret"
PAIR = f"{USER}:{SECRET}"
WRITTEN = [
    f"s3://{PAIR}@models/key#x",
    f"s3://{PAIR}@models/key",
    f"s3:/{PAIR}@models/key",
    f"s3://{PAIR}/models/key",
    f"s3://models/key?X-Amz-Signature={SECRET}",
    f"gs://{PAIR}@models/key",
    f"gs://models/key?Signature={SECRET}",
    f"gdrive://{PAIR}@1AbC_d-EfGhIj",
    f"hf://{PAIR}@org/name",
    f"oci://{PAIR}@registry.example/name:tag",
    f"oci://{PAIR}@registry.example/name#x",
    f"oci:{PAIR}@registry.example/name",
    f"https://{PAIR}@host.example/a.tar",
    f"https://host.example/a b?Signature={SECRET}",
    f"https://{PAIR}/a.tar",
    f"file://{PAIR}@host/a.tar",
    f"ftp://{PAIR}@host/a.tar",
    f"{PAIR}@host:/a.tar",
    f" s3://{PAIR}@models/key",
]


def says_nothing(done: Done, *left: Path) -> None:
    said = done.output + done.errors + "".join(path.read_text() for path in left if path.exists())
    assert done.exit_code == 2, said
    assert "SpecInvalid" in said or "usage:" in said
    assert not [word for word in ("hunter", "Traceback") if word in said]


@pytest.mark.parametrize("uri", WRITTEN)
def test_a_pull_repeats_no_credentials_of_a_source(uri: str, job: Job) -> None:
    says_nothing(job.step("pull", uri), job.log)


@pytest.mark.parametrize("uri", WRITTEN[:2])
def test_no_command_repeats_credentials_of_a_uri(uri: str, store: Path) -> None:
    says_nothing(whisper_model("pull", uri, "--store", store, "--json"))
    says_nothing(whisper_model("push", SPEECH_MODEL, uri))


SOURCES = ["s3://models/key", "gs://models/key", "gdrive://1AbC_d-EfGhIj", "hf://org/name", "oci://r.example/name"]
ENDPOINTS = [f"https://host.example?key={SECRET}", f"https://{PAIR}/", f"{PAIR}@host"]
CASES = [(source, f"https://{PAIR}@host.example") for source in SOURCES] + [(SOURCES[0], one) for one in ENDPOINTS]


@pytest.mark.parametrize(("source", "endpoint"), CASES)
def test_a_pull_repeats_no_credentials_of_an_endpoint(source: str, endpoint: str, job: Job) -> None:
    says_nothing(job.step("pull", source, "--endpoint", endpoint), job.log)


@pytest.mark.parametrize("command", ["pull", "push", "job"])
def test_what_a_command_does_not_understand_is_not_repeated_with_credentials(command: str) -> None:
    says_nothing(whisper_model(command, f"s3://{PAIR}@models/key", f"--endpoit=https://{PAIR}@host", PAIR + "@host"))


@pytest.mark.parametrize("proxy", [f"http://{PAIR}@", f"http://{PAIR}@host:port", f"gopher://{PAIR}@host"])
def test_a_proxy_that_is_none_is_told_without_its_credentials(proxy: str, job: Job, archives: Archives) -> None:
    says_nothing(job.step("pull", "https://host.example/a.tar", env={"HTTPS_PROXY": proxy}), job.log)
