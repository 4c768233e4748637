"""What users get wrong: each gives its reason and a sentence that helps, and comes right when it is mended."""

import urllib.error
import urllib.request

import pytest

from tests.e2e.place import SECRET, SMALL, Place
from tests.support.archives import Archives


def test_a_wrong_key_is_unauthorized_until_the_secret_is_mended(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    place.put_secret(place.s3.access_key, "not-the-secret-key")
    place.apply("small", place.s3_source("small.tar.zst"))
    condition = place.wait("small", "ArtifactReady", reason="Unauthorized")
    assert "Secret" in condition["message"]
    assert place.condition("small", "Degraded")["status"] == "True"
    assert "not-the-secret-key" not in place.story("small")

    place.put_secret(place.s3.access_key, place.s3.secret_key)
    place.retry("small")
    place.wait_ready("small")
    assert place.condition("small", "Degraded")["status"] == "False"


def test_a_missing_bucket_is_source_not_found_until_it_is_there(place: Place, archives: Archives) -> None:
    place.volume("store")
    place.apply("small", place.s3_source("small.tar.zst", bucket="later"))
    condition = place.wait("small", "ArtifactReady", reason="SourceNotFound")
    assert "later" in condition["message"]

    place.s3.create_bucket("later")
    place.s3.put("later", "small.tar.zst", archives.whole())
    place.retry("small")
    place.wait_ready("small")


def test_a_corrupted_archive_is_refused_until_it_is_uploaded_again(place: Place, archives: Archives) -> None:
    place.s3.put("models", "broken.tar.zst", archives.corrupted())
    place.volume("store")
    place.apply("small", place.s3_source("broken.tar.zst"))
    condition = place.wait("small", "ArtifactReady", reason="ChecksumMismatch")
    assert "upload" in condition["message"]

    place.s3.put("models", "broken.tar.zst", archives.whole())
    place.retry("small")
    place.wait_ready("small")


def test_every_other_kind_of_bad_input_gives_its_reason_and_a_next_step(place: Place, archives: Archives) -> None:
    place.volume("store")
    place.claim("store")
    for archive in (archives.whole(), archives.with_link(), archives.of_text(), archives.no_archive()):
        place.s3.put("models", f"bad/{archive.name}", archive)
    shared = {"cache": {"claimName": "store"}}
    whole = "bad/whole.tar.zst"
    place.apply("other-sum", place.s3_source(whole), sha256="0" * 64, **shared)
    place.apply("link", place.s3_source("bad/link.tar"), **shared)
    place.apply("text", place.s3_source("bad/text.tar"), **shared)
    place.apply("zip", place.s3_source("bad/model.zip"), **shared)
    place.apply("no-object", place.s3_source("bad/absent.tar"), **shared)
    place.apply("no-secret", place.s3_source(whole, secretRef={"name": "absent"}), **shared)
    place.apply("nobody-there", place.s3_source(whole, endpoint=f"http://{place.s3.host}:1"), **shared)
    place.apply("no-claim", place.s3_source(whole), cache={"claimName": "absent"})
    expected = {
        "other-sum": "ChecksumMismatch",
        "link": "UnsafeArchive",
        "text": "UnsupportedFormat",
        "zip": "UnsupportedFormat",
        "no-object": "SourceNotFound",
        "no-secret": "SecretNotFound",
        "nobody-there": "SourceUnreachable",
        "no-claim": "ClaimNotFound",
    }
    for name, reason in expected.items():
        condition = place.wait(name, "ArtifactReady", reason=reason)
        assert condition["status"] == "False"
        assert condition["message"].count(". ") >= 1, f"{name}: no next step in {condition['message']!r}"
    assert SECRET not in place.condition("no-secret", "ArtifactReady")["message"]


def test_servers_wait_for_the_tokens_that_they_are_to_ask_for_and_then_ask_for_them(
    place: Place, archives: Archives
) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    auth = {"secretRef": {"name": "callers"}, "allowWithoutTLS": True}
    place.apply("small", place.s3_source("small.tar.zst"), server={"device": "cpu", "resources": SMALL, "auth": auth})
    condition = place.wait("small", "Degraded", reason="SecretNotFound")
    assert condition["message"].startswith("The Secret callers (server.auth.secretRef) does not exist.")

    place.kubectl("create", "secret", "generic", "callers", "--from-literal=tokens=somebody:not-a-secret")
    place.wait_ready("small")
    address = place.kubectl("get", "service", "small", "-o", "jsonpath={.spec.clusterIP}")
    models = urllib.request.Request(f"http://{address}:8000/v1/models")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(models, timeout=240)
    models.add_header("Authorization", "Bearer not-a-secret")
    with urllib.request.urlopen(models, timeout=240) as answer:
        assert "small" in answer.read().decode()


def test_a_model_that_wants_a_gpu_tells_that_there_is_none_and_goes_on_when_there_is(
    place: Place, archives: Archives
) -> None:
    """The GPU that is advertised is not there, so that the server cannot warm up; it says so in the status."""
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    place.apply("small", place.s3_source("small.tar.zst"), server={"resources": {"requests": {"cpu": "50m"}}})
    condition = place.wait("small", "Ready", reason="Unschedulable")
    assert "nvidia.com/gpu" in condition["message"]

    place.cluster.advertise_gpus("node-1", 1)
    condition = place.wait("small", "Degraded", reason="WarmUpFailed")
    assert "CUDA" in condition["message"]
