"""Google's credentials: every kind that reads a bucket, and what is told of those that do not."""

import json
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.gcs import Gcs
from tests.support.gcs_pulls import KEY, URI, fails, fill, make_secret, pull
from tests.support.google_tokens import TOKEN_HOST, Tokens
from tests.support.loader import Job
from tests.support.proxy import ForwardProxy
from tests.support.tls import Authority
from whisper_contract.reasons import Reason


@pytest.mark.parametrize("impersonates", [True, False])
def test_a_pod_of_another_cloud_reads_by_workload_identity_federation(
    impersonates: bool,  # noqa: FBT001
    job: Job,
    gcs: Gcs,
    tmp_path: Path,
) -> None:
    subject = tmp_path / "token"
    subject.write_text(gcs.tokens.subject)
    key = gcs.tokens.federated_json(gcs.endpoint, subject, impersonates=impersonates)
    pull(job, gcs, URI, "--secret-dir", make_secret(tmp_path, {"key.json": key}))
    assert any(":generateAccessToken" in line for line in gcs.requests) is impersonates


def test_a_person_reads_with_the_login_of_gcloud_and_is_told_when_it_is_over(
    job: Job, tmp_path: Path, archives: Archives
) -> None:
    authority = Authority(tmp_path)
    with Gcs.start(authority.server("127.0.0.1", TOKEN_HOST)) as gcs, ForwardProxy.start() as proxy:
        fill(gcs, archives)
        proxy.leads[f"{TOKEN_HOST}:443"] = gcs.host
        login = make_secret(tmp_path, {"key.json": gcs.tokens.user_json()}) / "key.json"
        reach = ("pull", URI, "--endpoint", gcs.endpoint, "--ca-bundle", authority.file)
        through = {"HTTPS_PROXY": f"http://{proxy.address}", "NO_PROXY": "127.0.0.1"}
        done = job.step(*reach, env={**through, "GOOGLE_APPLICATION_CREDENTIALS": str(login)})
        assert done.exit_code == 0, done.errors
        assert proxy.asked == [f"CONNECT {TOKEN_HOST}:443"]
        job.staging.rename(tmp_path / "elsewhere")
        gcs.tokens.refresh = "1//another"
        message = job.fails(Reason.UNAUTHORIZED, *reach, "--secret-dir", login.parent, env=through)
        assert "can't be exchanged for a token (invalid_grant)" in message


def test_a_machine_in_googles_cloud_reads_as_what_it_is(job: Job, gcs: Gcs) -> None:
    pull(job, gcs, URI, env={"GCE_METADATA_HOST": gcs.host, "GCE_METADATA_IP": gcs.host})
    assert any("/computeMetadata/v1/" in line for line in gcs.requests)


def test_the_metadata_server_is_asked_past_the_proxy(job: Job, gcs: Gcs) -> None:
    env = {"GCE_METADATA_HOST": gcs.host, "GCE_METADATA_IP": gcs.host, "http_proxy": "http://127.0.0.1:1"}
    job.step("pull", URI, "--endpoint", gcs.endpoint, env=env)
    assert any("/token" in line for line in gcs.requests), "the token is there, whatever the proxy"
    assert not any("/storage/" in line for line in gcs.requests)


def test_googles_own_variable_names_a_key_file(job: Job, gcs: Gcs, tmp_path: Path) -> None:
    key = make_secret(tmp_path, {"key.json": gcs.tokens.key_json(gcs.endpoint)}) / "key.json"
    pull(job, gcs, URI, env={"GOOGLE_APPLICATION_CREDENTIALS": str(key)})


def test_an_emulator_is_asked_without_credentials(job: Job, gcs: Gcs) -> None:
    done = job.step("pull", f"gs://public/{KEY}", env={"STORAGE_EMULATOR_HOST": gcs.host})
    assert done.exit_code == 0, done.errors


def _federated(gcs: Gcs, **source: object) -> str:
    key = json.loads(gcs.tokens.federated_json(gcs.endpoint, Path("/absent"), impersonates=False))
    return json.dumps({**key, "credential_source": source})


def _keys(gcs: Gcs) -> dict[str, dict[str, str]]:
    whole = json.loads(gcs.tokens.key_json(gcs.endpoint))
    return {
        "other": {"token": "hunter2"},
        "no json": {"key.json": "hunter2"},
        "no key": {"key.json": json.dumps({"type": "hunter2"})},
        "half": {"key.json": json.dumps({key: whole[key] for key in ("type", "client_email")})},
        "cut": {"key.json": json.dumps({**whole, "private_key": whole["private_key"][:300]})},
        "strange": {"key.json": Tokens().key_json(gcs.endpoint)},
        "unreachable": {"key.json": json.dumps({**whole, "token_uri": "http://127.0.0.1:1/token"})},
        "cut in type": {"key.json": json.dumps({"type": "external_account", "credential_source": "hunter2"})},
        "AWS": {"key.json": _federated(gcs, environment_id="aws1", regional_cred_verification_url="https://sts")},
        "program": {"key.json": _federated(gcs, executable={"command": "/bin/hunter2"})},
        "certificate": {"key.json": _federated(gcs, certificate={"use_default_certificate_config": True})},
        "acts as another": {"key.json": json.dumps({"type": "impersonated_service_account"})},
        "no subject": {"key.json": gcs.tokens.federated_json(gcs.endpoint, Path("/absent"), impersonates=False)},
        "strange subject": {"key.json": gcs.tokens.federated_json(gcs.endpoint, Path(__file__), impersonates=True)},
    }


@pytest.mark.parametrize(
    ("name", "reason", "sentence"),
    [
        ("other", Reason.SECRET_KEY_MISSING, "needs key.json; it has token"),
        ("no json", Reason.SECRET_KEY_MISSING, "none of Google's credentials"),
        ("no key", Reason.SECRET_KEY_MISSING, "none of Google's credentials"),
        ("half", Reason.SECRET_KEY_MISSING, "none of Google's credentials"),
        ("cut", Reason.SECRET_KEY_MISSING, "none of Google's credentials"),
        ("cut in type", Reason.SECRET_KEY_MISSING, "none of Google's credentials"),
        ("AWS", Reason.SECRET_KEY_MISSING, "an external_account that takes AWS's own keys"),
        ("program", Reason.SECRET_KEY_MISSING, "takes a program that is run"),
        ("certificate", Reason.SECRET_KEY_MISSING, "takes a client certificate"),
        ("acts as another", Reason.SECRET_KEY_MISSING, "of the type impersonated_service_account, not read here: give"),
        ("strange", Reason.UNAUTHORIZED, "invalid_grant"),
        ("unreachable", Reason.SOURCE_UNREACHABLE, "the server of tokens"),
        ("no subject", Reason.UNAUTHORIZED, "can't be exchanged for a token"),
        ("strange subject", Reason.UNAUTHORIZED, "can't be exchanged for a token"),
    ],
)
def test_each_fault_of_a_key_has_its_reason(
    name: str, reason: Reason, sentence: str, job: Job, gcs: Gcs, tmp_path: Path
) -> None:
    message = fails(job, gcs, reason, URI, "--secret-dir", make_secret(tmp_path, _keys(gcs)[name]))
    assert sentence in message
    assert "hunter2" not in message


def test_no_credentials_at_all_are_told(job: Job, gcs: Gcs) -> None:
    assert "no credentials were given" in fails(job, gcs, Reason.UNAUTHORIZED, URI)


def test_asking_anonymously_for_what_is_not_public_is_refused(job: Job, gcs: Gcs) -> None:
    assert "not public" in fails(job, gcs, Reason.UNAUTHORIZED, URI, "--anonymous")
