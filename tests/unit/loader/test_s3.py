"""S3 as a source: what is read, what it is called, and each way in which it fails, against a real server."""

from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.loader import Done, Job, whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.proxy import ForwardProxy
from tests.support.relay import cut_off
from tests.support.s3 import S3Server
from tests.support.tars import archive, member
from whisper_contract.manifest import Manifest
from whisper_contract.reasons import Reason
from whisper_contract.uris import S3Source, parse_source
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.secrets import SecretFolder
from whisper_loader.source import Resolved
from whisper_loader.sources.s3 import source as s3_source
from whisper_loader.sources.s3.source import make_client
from whisper_loader.transfer.parts import PartsReader

KEY = "small.tar.zst"


@pytest.fixture(scope="module", autouse=True)
def objects(s3: S3Server, archives: Archives) -> None:
    s3.put("models", KEY, archives.whole())
    s3.put("models", "odd key+ü %.tar", archive(member("model.bin", b"x")))
    for path in SPEECH_MODEL.iterdir():
        s3.put("models", f"checkpoints/small/{path.name}", path)
    s3.put("models", "checkpoints/small/nested/ignored.bin", b"x")
    s3.put("models", "checkpoints/readme.txt", b"x")
    s3.create_bucket("versioned")
    s3.client().put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture
def secret(s3: S3Server, tmp_path: Path) -> Path:
    return make_secret(tmp_path, aws_access_key_id=s3.access_key, aws_secret_access_key=s3.secret_key)


def make_secret(tmp_path: Path, **keys: str) -> Path:
    """Write a folder as kubelet mounts a Secret: links into a hidden folder."""
    folder = tmp_path / "secret"
    data = folder / "..2026_01_01"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to(data.name)
    for key, value in keys.items():
        (data / key).write_text(value)
        (folder / key).symlink_to(Path("..data", key))
    return folder


def pull(job: Job, s3: S3Server, uri: str, *arguments: str | Path, endpoint: str | None = None) -> Done:
    done = job.step("pull", uri, "--endpoint", endpoint or s3.endpoint, *arguments)
    assert done.exit_code == 0, done.errors
    return done


def resolve(s3: S3Server, uri: str, secret: Path) -> Resolved:
    source = parse_source(uri)
    assert isinstance(source, S3Source)
    return s3_source.resolve(source, Access(endpoint=s3.endpoint, secret=SecretFolder(secret)))


def read(resolved: Resolved) -> bytes:
    stream = PartsReader(resolved.files[0], Deadline())
    content = b""
    while data := stream.read(1000):
        content += data
    stream.close()
    return content


def test_an_archive_is_pulled_with_the_keys_of_the_secret(job: Job, s3: S3Server, secret: Path) -> None:
    pull(job, s3, f"s3://models/{KEY}", "--secret-dir", secret)


def test_an_archive_is_pulled_with_a_profile_file_of_the_secret(job: Job, s3: S3Server, tmp_path: Path) -> None:
    profile = f"[default]\naws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n"
    folder = make_secret(tmp_path, credentials=profile)
    done = job.step(
        *("pull", f"s3://models/{KEY}", "--endpoint", s3.endpoint, "--secret-dir", folder),
        env={"AWS_ACCESS_KEY_ID": "of-somebody-else", "AWS_SECRET_ACCESS_KEY": "x"},
    )
    assert done.exit_code == 0, done.errors


def test_an_archive_is_pulled_with_boto3s_own_chain_when_there_is_no_secret(job: Job, s3: S3Server) -> None:
    arguments = (f"s3://models/{KEY}", "--endpoint", s3.endpoint, "--region", "us-east-1")
    done = job.step("pull", *arguments, env=s3.environment)
    assert done.exit_code == 0, done.errors


def test_the_region_is_what_is_signed_for(job: Job, s3: S3Server) -> None:
    with cut_off((s3.host, s3.port), after_bytes=0, times=0) as relay:
        # boto3 asks again in the region that the service names.
        reach = (f"s3://models/{KEY}", "--endpoint", relay.endpoint, "--region", "eu-central-1")
        assert job.step("pull", *reach, env=s3.environment).exit_code == 0
    assert b"/eu-central-1/s3/aws4_request" in relay.heard


def test_without_an_endpoint_aws_is_asked_in_its_region() -> None:
    client = make_client(Access(region="eu-central-1", anonymous=True))
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"


def test_a_prefix_holds_the_files_of_a_model(job: Job, s3: S3Server, secret: Path) -> None:
    pull(job, s3, "s3://models/checkpoints/small/", "--secret-dir", secret)
    assert job.step("convert").exit_code == 0
    assert job.step("publish").exit_code == 0
    (path,) = (job.store / "artifacts").iterdir()
    source = Manifest.from_json((path / "manifest.json").read_bytes()).provenance.source
    assert source.startswith("s3://models/checkpoints/small/#files=")


def test_a_key_may_hold_anything(s3: S3Server, secret: Path) -> None:
    resolved = resolve(s3, "s3://models/odd%20key%2B%C3%BC%20%25.tar", secret)
    assert read(resolved) == archive(member("model.bin", b"x"))


def test_an_object_without_versions_is_known_by_its_etag(s3: S3Server, secret: Path) -> None:
    etag = s3.client().head_object(Bucket="models", Key=KEY)["ETag"].strip('"')
    assert resolve(s3, f"s3://models/{KEY}", secret).identity == f"s3://models/{KEY}#etag={etag}"


def test_an_object_with_versions_is_known_by_its_version_and_old_ones_can_be_read(s3: S3Server, secret: Path) -> None:
    client = s3.client()
    versions = [client.put_object(Bucket="versioned", Key="m", Body=body)["VersionId"] for body in (b"old", b"new")]
    newest = resolve(s3, "s3://versioned/m", secret)
    oldest = resolve(s3, f"s3://versioned/m?versionId={versions[0]}", secret)
    assert (newest.identity, read(newest)) == (f"s3://versioned/m?versionId={versions[1]}", b"new")
    assert (oldest.identity, read(oldest)) == (f"s3://versioned/m?versionId={versions[0]}", b"old")


def test_an_object_that_is_replaced_before_it_is_read_has_changed(s3: S3Server, secret: Path) -> None:
    s3.put("models", "moving", b"first")
    resolved = resolve(s3, "s3://models/moving", secret)
    s3.put("models", "moving", b"other")
    with pytest.raises(LoaderError) as raised:
        read(resolved)
    assert raised.value.reason is Reason.SOURCE_CHANGED


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(
    s3: S3Server, secret: Path, job: Job, archives: Archives
) -> None:
    size = archives.whole().stat().st_size
    with cut_off((s3.host, s3.port), after_bytes=size // 3, times=3) as relay:
        done = pull(job, s3, f"s3://models/{KEY}", "--secret-dir", secret, endpoint=relay.endpoint)
    assert relay.cuts == 3
    assert done.progress[-1].bytes_done == size, "nothing was read twice"


def test_an_object_that_is_replaced_while_it_is_read_has_changed(
    job: Job, s3: S3Server, secret: Path, archives: Archives
) -> None:
    s3.put("models", "replaced.tar", archives.whole(".tar"))

    def replace() -> None:
        s3.put("models", "replaced.tar", b"something else")

    with cut_off((s3.host, s3.port), after_bytes=3_000_000, times=1, when_cut=replace) as relay:
        arguments = ("s3://models/replaced.tar", "--endpoint", relay.endpoint, "--secret-dir", secret)
        job.fails(Reason.SOURCE_CHANGED, "pull", *arguments)


def test_a_connection_that_always_breaks_off_is_given_up(job: Job, s3: S3Server, secret: Path) -> None:
    with cut_off((s3.host, s3.port), after_bytes=100, times=1000) as relay:
        arguments = (f"s3://models/{KEY}", "--endpoint", relay.endpoint, "--secret-dir", secret)
        job.fails(Reason.SOURCE_UNREACHABLE, "pull", *arguments)


FAULTS = {
    "no such bucket": ("s3://absent/x.tar", Reason.SOURCE_NOT_FOUND, "there is no such bucket"),
    "no such object": (
        "s3://models/absent.tar",
        Reason.SOURCE_NOT_FOUND,
        "no such object in the bucket; files below a prefix are named by the prefix and a /",
    ),
    "no such version": (f"s3://models/{KEY}?versionId=absent", Reason.SOURCE_NOT_FOUND, "no such version"),
    "nothing below the prefix": ("s3://models/absent/", Reason.SOURCE_NOT_FOUND, "no objects below this prefix"),
    "no bucket for the prefix": ("s3://absent/prefix/", Reason.SOURCE_NOT_FOUND, "there is no such bucket"),
    "no model below the prefix": ("s3://models/checkpoints/", Reason.UNSUPPORTED_FORMAT, "found readme.txt"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_not_there_is_named(case: str, job: Job, s3: S3Server, secret: Path) -> None:
    uri, reason, sentence = FAULTS[case]
    assert sentence in job.fails(reason, "pull", uri, "--endpoint", s3.endpoint, "--secret-dir", secret)


@pytest.fixture
def secrets(s3: S3Server, tmp_path: Path) -> dict[str, Path]:
    return {
        "empty": make_secret(tmp_path / "empty"),
        "half": make_secret(tmp_path / "half", aws_access_key_id=s3.access_key),
        "other": make_secret(tmp_path / "other", token="x"),
        "blank": make_secret(tmp_path / "blank", aws_access_key_id="", aws_secret_access_key="\n"),
        "wrong key": make_secret(tmp_path / "w", aws_access_key_id=s3.access_key, aws_secret_access_key="hunter2"),
        "unknown key": make_secret(tmp_path / "u", aws_access_key_id="nobody", aws_secret_access_key="hunter2"),
        "no profile": make_secret(tmp_path / "p", credentials="[other]\naws_access_key_id = hunter2\n"),
        "no ini file": make_secret(tmp_path / "i", credentials="aws_secret_access_key: hunter2"),
        "absent": tmp_path / "absent",
    }


@pytest.mark.parametrize(
    ("name", "reason", "sentence"),
    [
        ("empty", Reason.SECRET_NOT_FOUND, "does not exist"),
        ("absent", Reason.SECRET_NOT_FOUND, "does not exist"),
        ("half", Reason.SECRET_KEY_MISSING, "it has aws_access_key_id"),
        ("other", Reason.SECRET_KEY_MISSING, "it has token"),
        ("blank", Reason.SECRET_KEY_MISSING, "needs aws_access_key_id and aws_secret_access_key"),
        ("no profile", Reason.SECRET_KEY_MISSING, "no [default] profile"),
        ("no ini file", Reason.SECRET_KEY_MISSING, "no [default] profile"),
        ("wrong key", Reason.UNAUTHORIZED, "the secret access key is wrong (SignatureDoesNotMatch)"),
        ("unknown key", Reason.UNAUTHORIZED, "the access key is not known there"),
    ],
)
def test_each_fault_of_a_secret_has_its_reason_and_tells_no_secret(
    name: str, reason: Reason, sentence: str, job: Job, s3: S3Server, secrets: dict[str, Path]
) -> None:
    arguments = (f"s3://models/{KEY}", "--endpoint", s3.endpoint, "--secret-dir", secrets[name])
    assert sentence in job.fails(reason, "pull", *arguments, never_told=["hunter2", s3.secret_key])


def test_no_credentials_at_all_are_told(job: Job, s3: S3Server) -> None:
    message = job.fails(Reason.UNAUTHORIZED, "pull", f"s3://models/{KEY}", "--endpoint", s3.endpoint)
    assert "no credentials were given and none were found" in message


def test_asking_anonymously_for_what_is_not_public_is_refused(job: Job, s3: S3Server) -> None:
    arguments = (f"s3://models/{KEY}", "--endpoint", s3.endpoint, "--anonymous")
    assert "may not read it" in job.fails(Reason.UNAUTHORIZED, "pull", *arguments)


def test_what_is_public_is_read_anonymously(job: Job, s3: S3Server, archives: Archives) -> None:
    s3.create_bucket("public")
    s3.client().put_bucket_policy(
        Bucket="public",
        Policy='{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",'
        ' "Resource": "arn:aws:s3:::public/*"}]}',
    )
    s3.put("public", KEY, archives.whole())
    pull(job, s3, f"s3://public/{KEY}", "--anonymous")


def test_a_server_that_does_not_answer_is_unreachable_after_some_patience(job: Job, secret: Path) -> None:
    arguments = (f"s3://models/{KEY}", "--endpoint", "http://127.0.0.1:1", "--secret-dir", secret)
    job.fails(Reason.SOURCE_UNREACHABLE, "pull", *arguments)


def test_what_push_uploads_can_be_pulled(s3: S3Server, archives: Archives, store: Path) -> None:
    destination = ("s3://models/pushed/", "--endpoint", s3.endpoint)
    done = whisper_model("push", archives.whole(), *destination, env=s3.environment)
    assert done.exit_code == 0, done.errors
    assert 'key: "pushed/whole.tar.zst"' in done.output
    done = whisper_model("push", archives.whole(), *destination, "--json", env=s3.environment)
    arguments = (done.json["destination"], "--sha256", done.json["sha256"], "--endpoint", s3.endpoint, "--store", store)
    pulled = whisper_model("pull", *arguments, env=s3.environment)
    assert pulled.exit_code == 0, pulled.errors


@pytest.mark.parametrize("key", ["folder.tar", "folder/"])
def test_push_takes_a_folder_as_an_archive_or_file_by_file(key: str, s3: S3Server, store: Path) -> None:
    reach = ("--endpoint", s3.endpoint, "--json")
    pushed = whisper_model("push", SPEECH_MODEL, f"s3://models/pushed-{key}", *reach, env=s3.environment)
    assert pushed.exit_code == 0, pushed.errors
    pulled = whisper_model("pull", pushed.json["destination"], *reach, "--store", store, env=s3.environment)
    assert pulled.exit_code == 0, pulled.errors


@pytest.mark.parametrize(
    ("path", "uri", "code"),
    [
        (SPEECH_MODEL, "s3://absent/model.tar", 64),
        (SPEECH_MODEL, "s3://models/model.zip", 2),
        (SPEECH_MODEL, "gdrive://1AbC_d-EfGhIj", 2),
        (SPEECH_MODEL / "absent.tar", "s3://models/model.tar", 64),
    ],
)
def test_a_push_that_cannot_be_says_why(path: Path, uri: str, code: int, s3: S3Server) -> None:
    done = whisper_model("push", path, uri, "--endpoint", s3.endpoint, env=s3.environment)
    assert done.exit_code == code, done.errors
    assert "Traceback" not in done.errors
    assert s3.secret_key not in done.errors


@pytest.mark.parametrize("user", ["", "user:p%40ss@"])
def test_a_proxy_of_the_environment_leads_there(user: str, job: Job, s3: S3Server) -> None:
    with ForwardProxy.start("user:p@ss" if user else None) as proxy:
        variables = {**s3.environment, "HTTP_PROXY": f"http://{user}{proxy.address}"}
        done = job.step("pull", f"s3://models/{KEY}", "--endpoint", s3.endpoint, env=variables)
    assert done.exit_code == 0, done.errors
    assert any(asked.startswith(f"GET {s3.endpoint}/models/{KEY}") for asked in proxy.asked)


def test_an_endpoint_in_a_network_of_no_proxy_is_asked_itself(job: Job, s3: S3Server) -> None:
    variables = {**s3.environment, "HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "10.0.0.0/8,127.0.0.0/8"}
    done = job.step("pull", f"s3://models/{KEY}", "--endpoint", s3.endpoint, env=variables)
    assert done.exit_code == 0, done.errors
