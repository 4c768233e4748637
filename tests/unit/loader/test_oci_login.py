"""Logging in to a registry: docker configs, passwords, and tokens that the registry verifies."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.loader import Job
from tests.support.registry import PASSWORD, USER, Layer, Registry, docker_config
from tests.support.tokens import TokenServer
from whisper_contract.reasons import Reason
from whisper_contract.uris import OCISource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.secrets import SecretFolder
from whisper_loader.source import SourceFile
from whisper_loader.sources.oci import source as oci
from whisper_loader.sources.oci.challenge import Challenge, parse_challenge
from whisper_loader.sources.oci.credentials import Credentials, credentials_for

NAME = "speech/tiny"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
IDENTITY = "hunter2-identity-token"


@pytest.fixture(scope="module")
def blobs(archives: Archives) -> Iterator[Path]:
    """The small model as `NAME`:1, in a folder that other registries show."""
    with Registry.start() as registry:
        registry.push(NAME, "1", [Layer(archives.whole().read_bytes(), "whole.tar.zst")])
        yield registry.data


@pytest.fixture(scope="module")
def behind_password(blobs: Path) -> Iterator[Registry]:
    with Registry.start(password=True, data=blobs) as registry:
        yield registry


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with TokenServer.start(tmp_path) as tokens:
        yield tokens


@pytest.fixture
def behind_tokens(blobs: Path, tokens: TokenServer) -> Iterator[Registry]:
    with Registry.start(tokens=tokens, data=blobs) as registry:
        yield registry


def secret(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir(parents=True)
    (folder / ".dockerconfigjson").write_text(text)
    return folder


def access(folder: Path) -> Access:
    return Access(secret=SecretFolder(folder))


def pulled(job: Job, registry: Registry, *arguments: str | Path, **environment: str) -> None:
    done = job.step("pull", registry.reference(f"{NAME}:1"), *arguments, env=environment)
    assert done.exit_code == 0, done.errors
    told = done.errors + done.output + "".join(path.read_text() for path in job.staging.rglob("*.json"))
    assert not [word for word in (PASSWORD, IDENTITY, BASIC.removeprefix("Basic ")) if word in told]


FORMS = {
    "auth": {"auth": BASIC.removeprefix("Basic ")},
    "username and password": {"username": USER, "password": PASSWORD, "auth": ""},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_registry_behind_a_password(form: str, job: Job, behind_password: Registry, tmp_path: Path) -> None:
    folder = secret(tmp_path, docker_config(behind_password.host, **FORMS[form]))
    pulled(job, behind_password, "--secret-dir", folder)


def test_the_machines_own_docker_config_is_used_where_no_secret_is_named(
    job: Job, behind_password: Registry, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(docker_config(behind_password.host, auth=BASIC.removeprefix("Basic ")))
    pulled(job, behind_password, DOCKER_CONFIG=str(tmp_path))


def test_anonymous_asks_without_the_machines_docker_config(job: Job, behind_password: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(docker_config(behind_password.host, auth=BASIC.removeprefix("Basic ")))
    arguments = (behind_password.reference(f"{NAME}:1"), "--anonymous")
    message = job.fails(Reason.UNAUTHORIZED, "pull", *arguments, env={"DOCKER_CONFIG": str(tmp_path)})
    assert "wants credentials and none were given" in message


def test_a_wrong_password_is_told_and_not_shown(job: Job, behind_password: Registry, tmp_path: Path) -> None:
    folder = secret(tmp_path, docker_config(behind_password.host, username=USER, password="hunter3"))
    arguments = (behind_password.reference(f"{NAME}:1"), "--secret-dir", folder)
    message = job.fails(Reason.UNAUTHORIZED, "pull", *arguments, never_told=["hunter3"])
    assert "the registry refused the credentials, or they may not read this repository (UNAUTHORIZED)" in message


def test_tokens_are_asked_for_with_the_password(
    job: Job, behind_tokens: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    tokens.basic.add(BASIC)
    folder = secret(tmp_path, docker_config(behind_tokens.host, username=USER, password=PASSWORD))
    pulled(job, behind_tokens, "--secret-dir", folder)
    assert set(tokens.asked) == {f"repository:{NAME}:pull"}
    assert len(tokens.issued) == 1, "one token serves all requests"


def test_a_public_repository_behind_tokens_is_read_anonymously(
    job: Job, behind_tokens: Registry, tokens: TokenServer
) -> None:
    tokens.anonymous = True
    pulled(job, behind_tokens)


def test_an_identity_token_is_exchanged(job: Job, behind_tokens: Registry, tokens: TokenServer, tmp_path: Path) -> None:
    tokens.refresh_tokens.add(IDENTITY)
    entry = {"auth": base64.b64encode(b"00000000-0000-0000-0000-000000000000:").decode(), "identitytoken": IDENTITY}
    pulled(job, behind_tokens, "--secret-dir", secret(tmp_path, docker_config(behind_tokens.host, **entry)))


def test_a_registry_token_is_sent_as_it_is(
    job: Job, behind_tokens: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    token = tokens.token([f"repository:{NAME}:pull"])
    folder = secret(tmp_path, docker_config(behind_tokens.host, registrytoken=token))
    pulled(job, behind_tokens, "--secret-dir", folder)
    assert not tokens.asked


def test_a_token_that_runs_out_on_the_way_is_asked_for_anew(behind_tokens: Registry, tokens: TokenServer) -> None:
    tokens.anonymous = True
    tokens.seconds = 2
    source = OCISource(behind_tokens.host, NAME, "1")
    (file,) = oci.resolve(source, Access()).files
    first = len(tokens.issued)
    time.sleep(tokens.seconds + 1.5)
    assert len(read(file)) == file.size
    assert len(tokens.issued) == first + 1


def read(file: SourceFile) -> bytes:
    stream = file.open(0, None)
    content = b""
    while data := stream.read(1 << 20):
        content += data
    stream.close()
    return content


@pytest.mark.parametrize(
    ("status", "reason", "sentence"),
    [
        (None, Reason.UNAUTHORIZED, "the registry's token server: the registry refused the credentials"),
        (403, Reason.UNAUTHORIZED, "the registry's token server"),
        (500, Reason.SOURCE_UNREACHABLE, "the registry's token server"),
    ],
)
def test_what_a_token_server_refuses_is_told(
    status: int | None,
    reason: Reason,
    sentence: str,
    job: Job,
    behind_tokens: Registry,
    tokens: TokenServer,
    tmp_path: Path,
) -> None:
    tokens.status = status
    folder = secret(tmp_path, docker_config(behind_tokens.host, username=USER, password="hunter3"))
    arguments = (behind_tokens.reference(f"{NAME}:1"), "--secret-dir", folder)
    assert sentence in job.fails(reason, "pull", *arguments, never_told=["hunter3"])


UNUSABLE = {
    "another key": ("token", "x", "the Secret needs .dockerconfigjson"),
    "no JSON": (".dockerconfigjson", "hunter2", "is no docker config: expected a JSON object"),
    "a list": (".dockerconfigjson", "[]", "is no docker config: expected a JSON object"),
    "auths is a list": (".dockerconfigjson", '{"auths": []}x', "is no docker config"),
    "auths is a word": (".dockerconfigjson", '{"auths": "hunter2"}', "auths and credHelpers must be objects"),
    "another registry": (
        ".dockerconfigjson",
        docker_config("other.example", username="u", password="hunter2"),
        "has no entry for registry.example; it has other.example",
    ),
    "no base64": (".dockerconfigjson", docker_config("registry.example", auth="hunter2!"), "is not base64 of"),
    "no colon": (".dockerconfigjson", docker_config("registry.example", auth="aHVudGVyMg=="), "is not base64 of"),
    "an entry without any": (".dockerconfigjson", docker_config("registry.example", email="x"), "without a password"),
    "an entry that is a word": (".dockerconfigjson", '{"auths": {"registry.example": "hunter2"}}', "is not base64 of"),
    "a helper": (
        ".dockerconfigjson",
        '{"credHelpers": {"registry.example": "ecr-login"}}',
        "leaves the credentials of registry.example to the helper ecr-login, which is not run here",
    ),
    "a store": (
        ".dockerconfigjson",
        '{"auths": {"registry.example": {}}, "credsStore": "desktop"}',
        "to the helper desktop",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_secret_that_cannot_be_used_is_told_and_not_shown(case: str, tmp_path: Path) -> None:
    key, text, sentence = UNUSABLE[case]
    (tmp_path / key).write_text(text)
    with pytest.raises(LoaderError) as raised:
        credentials_for("registry.example", NAME, access(tmp_path), required=True)
    assert raised.value.reason is Reason.SECRET_KEY_MISSING
    assert sentence in raised.value.message
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize(
    ("key", "registry", "name", "matches"),
    [
        ("registry.example", "registry.example", NAME, True),
        ("https://registry.example", "registry.example", NAME, True),
        ("https://registry.example/v2/", "registry.example", NAME, True),
        ("registry.example:5000", "registry.example:5000", NAME, True),
        ("registry.example", "registry.example:5000", NAME, False),
        ("*.example", "registry.example", NAME, True),
        ("*.example", "deep.registry.example", NAME, False),
        ("registry.example/speech", "registry.example", NAME, True),
        ("registry.example/spee", "registry.example", NAME, False),
        ("https://index.docker.io/v1/", "docker.io", "library/tiny", True),
        ("docker.io", "registry-1.docker.io", "library/tiny", True),
    ],
)
def test_an_entry_names_registries_as_it_does_for_kubelet(
    key: str, registry: str, name: str, tmp_path: Path, *, matches: bool
) -> None:
    folder = secret(tmp_path, docker_config(key, username=USER, password=PASSWORD))
    found = credentials_for(registry, name, access(folder), required=False)
    assert found == (Credentials(USER, PASSWORD) if matches else None)


def test_the_entry_that_says_most_is_taken(tmp_path: Path) -> None:
    entries = {host: {"username": host, "password": "x"} for host in ("*.example", "a.example", "a.example/speech")}
    folder = secret(tmp_path, json.dumps({"auths": entries}))
    found = credentials_for("a.example", NAME, access(folder), required=True)
    assert found is not None
    assert found.username == "a.example/speech"


def test_credentials_do_not_show_themselves() -> None:
    assert PASSWORD not in repr(Credentials(USER, PASSWORD, IDENTITY))


CHALLENGES = {
    'Basic realm="models"': Challenge("basic"),
    'Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"': Challenge(
        "bearer", "https://a/t", "s", "repository:a/b:pull,push"
    ),
    'bearer realm="https://a/t"': Challenge("bearer", "https://a/t"),
    "Bearer realm=https://a/t, service=s": Challenge("bearer", "https://a/t", "s"),
    'Basic realm="x", Bearer realm="https://a/t",service="s"': Challenge("bearer", "https://a/t", "s"),
    "Negotiate": None,
    "": None,
    # Longer would not fit into a header; each takes no more than one look at every letter.
    "Bearer " + "a" * 65_000: Challenge("bearer"),
    'Bearer realm="' + "a" * 65_000: Challenge("bearer"),
    "Bearer realm" + " " * 65_000: Challenge("bearer"),
}


@pytest.mark.parametrize("header", CHALLENGES, ids=lambda header: header[:40])
def test_a_challenge_is_understood(header: str) -> None:
    assert parse_challenge(header) == CHALLENGES[header]


def test_a_token_is_asked_for_by_service_and_each_scope() -> None:
    challenge = Challenge("bearer", "https://a/t?x=1", "s", "repository:a:pull repository:b:pull")
    assert challenge.token_url == "https://a/t?x=1&service=s&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull"
