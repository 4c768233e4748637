"""The Hub across networks as companies have them, in parts, and written to."""

import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.hub import Hub
from tests.support.loader import Job, whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.proxy import ForwardProxy
from tests.support.tls import Authority
from tests.support.web import Page, Web
from whisper_contract.reasons import Reason
from whisper_contract.uris import HuggingFaceSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.source import SourceFile
from whisper_loader.sources.hub import source as hub_source

FILES = {path.name: path.read_bytes() for path in SPEECH_MODEL.iterdir()}
WEIGHTS = FILES["model.safetensors"]


@pytest.fixture(autouse=True)
def repository(hub: Hub) -> None:
    hub.add("org/whisper", FILES)


@pytest.fixture
def secure_hub(authority: Authority) -> Iterator[Hub]:
    tls: ssl.SSLContext = authority.server("127.0.0.1")
    with Hub.start(tls) as hub:
        hub.add("org/whisper", FILES)
        yield hub


def weights(hub: Hub) -> SourceFile:
    resolved = hub_source.resolve(HuggingFaceSource("org/whisper"), Access(endpoint=hub.endpoint, anonymous=True))
    return next(file for file in resolved.files if file.name == "model.safetensors")


def read(file: SourceFile, start: int, stop: int) -> bytes:
    content = b""
    with closing(file.open(start, stop)) as stream:
        while data := stream.read(stop - start):
            content += data
    return content


def resolves(hub: Hub) -> int:
    return sum("/resolve/" in request for request in hub.requests)


def test_parts_come_from_storage_and_the_hub_is_asked_once(hub: Hub) -> None:
    file = weights(hub)
    assert read(file, 0, 1000) + read(file, 1000, 5000) == WEIGHTS[:5000]
    assert resolves(hub) == 1


def test_a_signed_address_that_has_expired_is_asked_of_the_hub_again(hub: Hub) -> None:
    file = weights(hub)
    read(file, 0, 1000)
    hub.signature = "renewed"
    assert read(file, 1000, 5000) == WEIGHTS[1000:5000]
    assert resolves(hub) == 2


def test_an_address_that_storage_refuses_at_once_is_worth_another_try(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = weights(hub)
    monkeypatch.setattr("tests.support.hub._CdnHandler._check_signature", _refuse)
    with pytest.raises(LoaderError, match="that the Hub has just signed") as raised:
        file.open(0, 1000)
    assert raised.value.reason is Reason.SOURCE_UNREACHABLE


def _refuse(handler: object) -> str:
    from tests.support.hub import _RefusalError  # noqa: PLC0415  (nobody else's business)

    raise _RefusalError(403, None, f"{handler} has expired")


def test_small_files_are_read_as_a_whole(hub: Hub) -> None:
    resolved = hub_source.resolve(HuggingFaceSource("org/whisper"), Access(endpoint=hub.endpoint, anonymous=True))
    assert {file.name for file in resolved.files if not file.ranged} >= {"config.json"}


def test_a_hub_with_a_certificate_of_the_companys_own(job: Job, secure_hub: Hub, authority: Authority) -> None:
    arguments = ("hf://org/whisper", "--endpoint", secure_hub.endpoint)
    assert "not trusted" in job.fails(Reason.SOURCE_UNREACHABLE, "pull", *arguments)
    done = job.step("pull", *arguments, "--ca-bundle", authority.file)
    assert done.exit_code == 0, done.errors


@pytest.mark.parametrize("credentials", [None, "user:p@ss"])
def test_all_requests_go_through_the_proxy(job: Job, hub: Hub, credentials: str | None) -> None:
    user = "" if credentials is None else "user:p%40ss@"
    with ForwardProxy.start(credentials) as proxy:
        arguments = ("hf://org/whisper", "--endpoint", hub.endpoint)
        done = job.step("pull", *arguments, env={"HTTP_PROXY": f"http://{user}{proxy.address}"})
    assert done.exit_code == 0, done.errors
    assert len(proxy.asked) == len(hub.requests)
    assert any(hub.cdn in asked for asked in proxy.asked)


def test_a_proxy_that_wants_credentials_is_told(job: Job, secure_hub: Hub, authority: Authority) -> None:
    arguments = ("hf://org/whisper", "--endpoint", secure_hub.endpoint, "--ca-bundle", authority.file)
    with ForwardProxy.start("user:pass") as proxy:
        variables = {"HTTPS_PROXY": f"http://user:hunter2@{proxy.address}"}
        message = job.fails(Reason.SPEC_INVALID, "pull", *arguments, env=variables, never_told=["hunter2"])
    assert "the proxy wants other credentials" in message


def test_a_host_of_no_proxy_is_asked_itself(job: Job, hub: Hub) -> None:
    variables = {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.0/8"}
    done = job.step("pull", "hf://org/whisper", "--endpoint", hub.endpoint, env=variables)
    assert done.exit_code == 0, done.errors


def push(hub: Hub, uri: str, token: str, *arguments: str) -> tuple[int, str]:
    done = whisper_model("push", SPEECH_MODEL, uri, "--endpoint", hub.endpoint, *arguments, env={"HF_TOKEN": token})
    said = done.output + done.errors
    assert token not in said
    assert hub.signature not in said
    assert "Traceback" not in said
    return done.exit_code, said


def test_what_push_commits_to_a_new_private_repository_can_be_pulled(job: Job, hub: Hub) -> None:
    code, said = push(hub, "hf://org/mine", hub.token)
    assert code == 0, said
    assert hub.repositories["org/mine"].private
    total = sum(len(FILES[name]) for name in FILES if name != "tokenizer_config.json")
    assert f"percent=100 bytes={total} total={total}" in said
    done = job.step("pull", "hf://org/mine", "--endpoint", hub.endpoint, env={"HF_TOKEN": hub.token})
    assert done.exit_code == 0, done.errors


def test_push_keeps_what_else_a_repository_holds_and_who_may_see_it(hub: Hub) -> None:
    hub.add("org/there", {"README.md": b"# Mine"})
    code, said = push(hub, "hf://org/there@wip", hub.token)
    assert code == 0, said
    repository = hub.repositories["org/there"]
    assert not repository.private
    assert {"README.md", "model.safetensors"} <= set(repository.commits[repository.references["wip"]])
    assert set(repository.commits[repository.references["main"]]) == {"README.md"}


@pytest.mark.parametrize("token", ["stranger", "hf_unknown"])
def test_push_without_the_right_to_write_is_unauthorized(token: str, hub: Hub) -> None:
    code, said = push(hub, "hf://org/mine", hub.stranger_token if token == "stranger" else token)
    assert code == 65, said
    assert "Unauthorized" in said


@pytest.mark.parametrize("sha", ["", ', "sha": null', ', "sha": "main"', ', "sha": "../../../x"', ', "sha": 7'])
def test_a_server_that_names_no_commit_is_not_taken_for_a_hub(sha: str, job: Job) -> None:
    with Web.start() as web:
        page = f'{{"id": "org/whisper"{sha}, "siblings": [{{"rfilename": "model.bin"}}]}}'
        web.serve("/api/models/org/whisper/revision/main", Page(page.encode(), ranges=False))
        message = job.fails(Reason.SPEC_INVALID, "pull", "hf://org/whisper@main", "--endpoint", web.url)
    assert "does not speak the Hub's protocol" in message
