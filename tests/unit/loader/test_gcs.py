"""Google Cloud Storage as a source: what is read, what it is called, and each way in which it fails."""

import gzip
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.gcs import Bucket, Gcs
from tests.support.gcs_pulls import KEY, URI, check_nothing_told, fails, fill, make_secret, pull
from tests.support.loader import Job, whisper_model
from tests.support.relay import cut_off
from tests.support.tls import Authority
from whisper_contract.reasons import Reason


@pytest.fixture
def secret(gcs: Gcs, tmp_path: Path) -> Path:
    return make_secret(tmp_path, {"key.json": gcs.tokens.key_json(gcs.endpoint)})


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
