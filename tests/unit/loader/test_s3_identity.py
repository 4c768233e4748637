"""S3 without a Secret: a pod's web identity (IRSA) and its agent's credentials (EKS, ECS), as boto3 finds them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.aws_identity import Identity
from tests.support.loader import Job
from tests.support.s3 import S3Server
from tests.support.tls import Authority
from tests.support.web import Page, Web
from whisper_contract.reasons import Reason

KEY = "identity/whisper.tar"
URI = f"s3://models/{KEY}"
TOKEN = "token-of-the-pod-hunter2"


@pytest.fixture(autouse=True)
def _archive(s3: S3Server, archives: Archives) -> None:
    s3.put("models", KEY, archives.whole(".tar"))


@pytest.fixture
def identity(s3: S3Server) -> Identity:
    return Identity(s3.access_key, s3.secret_key, TOKEN)


@pytest.fixture
def sts(identity: Identity, authority: Authority) -> Iterator[Identity]:
    with identity.start(authority.server("127.0.0.1")) as running:
        yield running


def web_identity(sts: Identity, folder: Path, token: str = TOKEN, role: str | None = None) -> dict[str, str]:
    """Return what EKS sets in a pod whose ServiceAccount has a role."""
    file = folder / "web-identity-token"
    file.write_text(token)
    return {
        "AWS_ROLE_ARN": role or sts.role,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_STS": sts.url,
    }


def test_a_pods_web_identity_is_exchanged_at_sts_whose_authority_the_ca_bundle_names(
    job: Job, s3: S3Server, sts: Identity, authority: Authority, tmp_path: Path
) -> None:
    arguments = (URI, "--endpoint", s3.endpoint, "--ca-bundle", authority.file)
    done = job.step("pull", *arguments, env=web_identity(sts, tmp_path))
    assert done.exit_code == 0, done.errors
    assert sts.asked == ["AssumeRoleWithWebIdentity"]
    assert "hunter2" not in done.errors + done.output


def test_an_sts_that_nobody_vouches_for_gets_no_token(job: Job, s3: S3Server, sts: Identity, tmp_path: Path) -> None:
    env = web_identity(sts, tmp_path)
    job.fails(Reason.SOURCE_UNREACHABLE, "pull", URI, "--endpoint", s3.endpoint, env=env)
    assert sts.asked == []


@pytest.mark.parametrize("wrong", [{"token": "of-another-cluster"}, {"role": "arn:aws:iam::1:role/other"}])
def test_a_role_that_may_not_be_assumed_is_unauthorized(
    wrong: dict[str, str], job: Job, s3: S3Server, sts: Identity, authority: Authority, tmp_path: Path
) -> None:
    job.fails(
        *(Reason.UNAUTHORIZED, "pull", URI, "--endpoint", s3.endpoint, "--ca-bundle", authority.file),
        env=web_identity(sts, tmp_path, **wrong),
        never_told=("hunter2", "of-another-cluster"),
    )


def test_the_agent_of_a_pod_gives_its_credentials(job: Job, s3: S3Server, identity: Identity, tmp_path: Path) -> None:
    token_file = tmp_path / "eks-pod-identity-token"
    token_file.write_text(TOKEN)
    with identity.start() as agent:
        env = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{agent.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
        }
        done = job.step("pull", URI, "--endpoint", s3.endpoint, "--region", "us-east-1", env=env)
    assert done.exit_code == 0, done.errors
    assert agent.asked == ["/v1/credentials"]
    assert "hunter2" not in done.errors + done.output


def test_an_agent_that_refuses_is_named(job: Job, s3: S3Server, identity: Identity) -> None:
    with identity.start() as agent:
        env = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{agent.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "of-another-pod",
        }
        reach = ("--endpoint", s3.endpoint, "--region", "us-east-1")
        message = job.fails(Reason.SOURCE_UNREACHABLE, "pull", URI, *reach, env=env, never_told=("of-another-pod",))
    assert "check the pod's identity" in message


@pytest.mark.parametrize("session_token", ["session-token-hunter2", ""])
def test_the_secrets_session_token_is_sent_with_its_keys(
    session_token: str, job: Job, archives: Archives, tmp_path: Path
) -> None:
    # versitygw knows no session tokens, so that a web server that writes down what it is asked stands in.
    folder = tmp_path / "secret"
    folder.mkdir()
    for name, value in (("aws_access_key_id", "key"), ("aws_secret_access_key", "hunter2"), *_session(session_token)):
        (folder / name).write_text(value)
    with Web.start() as web:
        web.serve(f"/models/{KEY}", Page(archives.whole(".tar").read_bytes()))
        done = job.step("pull", URI, "--endpoint", web.url, "--secret-dir", folder)
    assert done.exit_code == 0, done.errors
    assert {request.headers.get("x-amz-security-token", "") for request in web.requests} == {session_token}
    assert "hunter2" not in done.errors + done.output


def _session(token: str) -> tuple[tuple[str, str], ...]:
    return (("aws_session_token", token),) if token else ()
