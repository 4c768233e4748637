"""Google Cloud Storage as a source: what is read, what it is called, and each way in which it fails."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.gcs import Bucket, Gcs
from tests.support.google_tokens import TOKEN_HOST, Tokens
from tests.support.loader import Done, Job, whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.proxy import ForwardProxy
from tests.support.relay import cut_off
from tests.support.tls import Authority
from whisper_contract.reasons import Reason

KEY = "small.tar.zst"
URI = f"gs://models/{KEY}"
NOT_ON_GCE = {"NO_GCE_CHECK": "true"}


@pytest.fixture
def gcs(archives: Archives) -> Iterator[Gcs]:
    with Gcs.start() as gcs:
        fill(gcs, archives)
        yield gcs


def fill(gcs: Gcs, archives: Archives) -> None:
    gcs.put("models", KEY, archives.whole().read_bytes())
    for path in SPEECH_MODEL.iterdir():
        gcs.put("models", f"checkpoints/small/{path.name}", path.read_bytes())
    gcs.put("models", "checkpoints/readme.txt", b"x")
    gcs.put("closed", KEY, b"x")
    gcs.buckets["paid"] = Bucket(requester_pays=True)
    gcs.buckets["public"] = Bucket(public=True)
    gcs.put("public", KEY, archives.whole().read_bytes())


@pytest.fixture
def secret(gcs: Gcs, tmp_path: Path) -> Path:
    return make_secret(tmp_path, {"key.json": gcs.tokens.key_json(gcs.endpoint)})


def make_secret(tmp_path: Path, keys: dict[str, str]) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    for key, value in keys.items():
        (folder / key).write_text(value)
    return folder


def check_nothing_told(gcs: Gcs, text: str) -> None:
    secrets = [
        *gcs.tokens.valid,
        gcs.tokens.subject,
        gcs.tokens.refresh,
        "PRIVATE KEY",
        "alt=media",
        "upload_id",
        *gcs.uploads,
    ]
    assert not [secret for secret in secrets if secret in text]


def pull(
    job: Job,
    gcs: Gcs,
    uri: str,
    *arguments: str | Path,
    endpoint: str | None = None,
    env: dict[str, str] | None = None,
) -> Done:
    done = job.step("pull", uri, "--endpoint", endpoint or gcs.endpoint, *arguments, env=env)
    assert done.exit_code == 0, done.errors
    check_nothing_told(gcs, done.errors + done.output)
    return done


def fails(job: Job, gcs: Gcs, reason: Reason, uri: str, *arguments: str | Path, endpoint: str | None = None) -> str:
    never = ["PRIVATE KEY", "alt=media", *gcs.tokens.valid]
    where = endpoint or gcs.endpoint
    return job.fails(reason, "pull", uri, "--endpoint", where, *arguments, never_told=never, env=NOT_ON_GCE)


def published_source(job: Job) -> str:
    assert job.step("convert").exit_code == 0
    assert job.step("publish").exit_code == 0
    source = job.message().source
    assert source is not None
    return source


def test_an_archive_is_pulled_with_a_service_account_and_known_by_its_generation(
    job: Job, gcs: Gcs, secret: Path
) -> None:
    pull(job, gcs, URI, "--secret-dir", secret)
    generation = gcs.buckets["models"].objects[KEY][0].generation
    assert published_source(job) == f"{URI}#{generation}"
    assert set(gcs.tokens.valid.values()) == {"https://www.googleapis.com/auth/devstorage.read_only"}


def test_a_prefix_holds_the_files_of_a_model(job: Job, gcs: Gcs, secret: Path) -> None:
    pull(job, gcs, "gs://models/checkpoints/small/", "--secret-dir", secret)
    assert published_source(job).startswith("gs://models/checkpoints/small/#files=")


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


def test_googles_own_variable_names_a_key_file(job: Job, gcs: Gcs, secret: Path) -> None:
    pull(job, gcs, URI, env={"GOOGLE_APPLICATION_CREDENTIALS": str(secret / "key.json")})


def test_an_emulator_is_asked_without_credentials(job: Job, gcs: Gcs) -> None:
    done = job.step("pull", f"gs://public/{KEY}", env={"STORAGE_EMULATOR_HOST": gcs.host})
    assert done.exit_code == 0, done.errors


def test_what_is_public_is_read_anonymously(job: Job, gcs: Gcs, secret: Path) -> None:
    pull(job, gcs, f"gs://public/{KEY}", "--anonymous", "--secret-dir", secret)
    assert set(gcs.authorizations) == {None}


def test_an_old_generation_can_be_read(job: Job, gcs: Gcs, secret: Path, archives: Archives) -> None:
    gcs.buckets["kept"] = Bucket(versioned=True)
    old = gcs.put("kept", "m", archives.whole().read_bytes())
    gcs.put("kept", "m", b"no archive")
    pull(job, gcs, f"gs://kept/m#{old}", "--secret-dir", secret)
    fails(job, gcs, Reason.UNSUPPORTED_FORMAT, "gs://kept/m", "--secret-dir", secret)


def test_an_archive_that_is_stored_compressed_is_read_as_stored(
    job: Job, gcs: Gcs, secret: Path, archives: Archives
) -> None:
    gcs.put("models", "z.tar", gzip.compress(archives.whole(".tar").read_bytes(), 1), encoding="gzip")
    pull(job, gcs, "gs://models/z.tar", "--secret-dir", secret)


def test_a_busy_service_is_asked_again_when_it_says(job: Job, gcs: Gcs, secret: Path) -> None:
    gcs.faults.statuses, gcs.faults.retry_after = [503, 429, 500], "1"
    pull(job, gcs, URI, "--secret-dir", secret)


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(
    job: Job, gcs: Gcs, secret: Path, archives: Archives
) -> None:
    host, _, port = gcs.host.partition(":")
    size = archives.whole().stat().st_size
    with cut_off((host, int(port)), after_bytes=size // 3, times=2) as relay:
        pull(job, gcs, URI, "--secret-dir", secret, endpoint=relay.endpoint)
    assert relay.cuts == 2


def test_an_object_that_is_replaced_while_it_is_read_has_changed(
    job: Job, gcs: Gcs, secret: Path, archives: Archives
) -> None:
    host, _, port = gcs.host.partition(":")
    size = archives.whole().stat().st_size

    def replace() -> None:
        gcs.put("models", KEY, b"something else")

    with cut_off((host, int(port)), after_bytes=size // 3, times=1, when_cut=replace) as relay:
        fails(job, gcs, Reason.SOURCE_CHANGED, URI, "--secret-dir", secret, endpoint=relay.endpoint)


FAULTS = {
    "no such bucket": ("gs://absent/x.tar", Reason.SOURCE_NOT_FOUND, "no such bucket"),
    "no such object": ("gs://models/absent.tar", Reason.SOURCE_NOT_FOUND, "no such object"),
    "no such generation": (f"{URI}#1", Reason.SOURCE_NOT_FOUND, "generation"),
    "nothing below the prefix": ("gs://models/absent/", Reason.SOURCE_NOT_FOUND, "no objects below this prefix"),
    "no model below the prefix": ("gs://models/checkpoints/", Reason.UNSUPPORTED_FORMAT, "found readme.txt"),
    "requester pays": (f"gs://paid/{KEY}", Reason.UNAUTHORIZED, "pays for it (requester pays)"),
    "requester pays for a prefix": ("gs://paid/x/", Reason.UNAUTHORIZED, "copy it to a bucket of yours"),
    "not allowed": (f"gs://closed/{KEY}", Reason.UNAUTHORIZED, "storage.objects.get"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_has_its_reason(case: str, job: Job, gcs: Gcs, secret: Path) -> None:
    uri, reason, sentence = FAULTS[case]
    assert sentence in fails(job, gcs, reason, uri, "--secret-dir", secret)


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


def test_a_web_page_is_never_taken_for_the_object(job: Job, gcs: Gcs, secret: Path) -> None:
    gcs.faults.page = b"<html>Log in to the network</html>"
    assert "not Google's API" in fails(job, gcs, Reason.SOURCE_UNREACHABLE, URI, "--secret-dir", secret)


@pytest.mark.parametrize("lie", [-7, 7])
def test_a_length_that_is_not_true_is_noticed(lie: int, job: Job, gcs: Gcs, secret: Path) -> None:
    gcs.faults.lying_length = lie
    done = job.step("pull", URI, "--endpoint", gcs.endpoint, "--secret-dir", secret)
    assert done.exit_code == 1, done.errors
    assert job.message().reason in (Reason.SOURCE_CHANGED, Reason.SOURCE_UNREACHABLE)


def test_a_service_that_does_not_answer_is_given_up_at_the_deadline(job: Job, gcs: Gcs, secret: Path) -> None:
    gcs.faults.silence_seconds = 5
    fails(job, gcs, Reason.DEADLINE_EXCEEDED, URI, "--secret-dir", secret, "--timeout", "1")


def test_only_who_is_trusted_is_asked(job: Job, tmp_path: Path, archives: Archives) -> None:
    authority = Authority(tmp_path)
    with Gcs.start(authority.server("127.0.0.1")) as gcs:
        fill(gcs, archives)
        secret = make_secret(tmp_path, {"key.json": gcs.tokens.key_json(gcs.endpoint)})
        arguments = (URI, "--secret-dir", secret)
        assert "not trusted" in fails(job, gcs, Reason.SOURCE_UNREACHABLE, *arguments)
        pull(job, gcs, *arguments, "--ca-bundle", authority.file)


@pytest.mark.parametrize("lost", [0, 2])
def test_what_push_uploads_can_be_pulled_however_often_chunks_get_lost(
    lost: int, gcs: Gcs, secret: Path, store: Path, tmp_path: Path, archives: Archives
) -> None:
    gcs.faults.lose_chunks = lost
    reach = ("--endpoint", gcs.endpoint, "--secret-dir", secret)
    archive = archives.whole(".tar")
    done = whisper_model("push", archive, "gs://models/up/", *reach, "--json")
    assert done.exit_code == 0, done.errors
    check_nothing_told(gcs, done.errors + done.output)
    assert gcs.buckets["models"].objects["up/whole.tar"][0].content == archive.read_bytes()
    pulled = whisper_model("pull", done.json["destination"], *reach, "--store", store)
    assert pulled.exit_code == 0, pulled.errors


def test_a_token_is_not_sent_on_unencrypted_with_an_upload(tmp_path: Path, archives: Archives) -> None:
    authority = Authority(tmp_path)
    with Gcs.start(authority.server("127.0.0.1")) as gcs:
        gcs.buckets["models"], gcs.faults.upload_scheme = Bucket(), "http"
        secret = make_secret(tmp_path, {"key.json": gcs.tokens.key_json(gcs.endpoint)})
        reach = ("--endpoint", gcs.endpoint, "--secret-dir", secret, "--ca-bundle", authority.file)
        done = whisper_model("push", archives.whole(), "gs://models/m.tar", *reach)
        assert (done.exit_code, "the upload unencrypted, at http://" in done.errors) == (2, True), done.errors
        assert not [line for line in gcs.requests if line.startswith("PUT")]


@pytest.mark.parametrize(
    ("uri", "code", "sentence"),
    [
        ("gs://absent/m.tar", 64, "no such bucket"),
        ("gs://closed/m.tar", 65, "may not write"),
        ("gs://paid/m.tar", 65, "requester pays"),
    ],
)
def test_a_push_that_cannot_be_says_why(
    uri: str, code: int, sentence: str, gcs: Gcs, secret: Path, archives: Archives
) -> None:
    done = whisper_model("push", archives.whole(), uri, "--endpoint", gcs.endpoint, "--secret-dir", secret)
    assert done.exit_code == code, done.errors
    assert sentence in done.errors
