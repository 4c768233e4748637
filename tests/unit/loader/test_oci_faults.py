"""A registry that is broken, busy or none at all: what a real one seldom does, from a web server that does it."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.loader import Done, Job
from tests.support.registry import INDEX, MANIFEST
from tests.support.web import Page, Refusal, Web
from whisper_contract.reasons import Reason

URI = "oci://registry.example/speech/tiny:1"
MANIFESTS = "/v2/speech/tiny/manifests"


@pytest.fixture
def layer(archives: Archives) -> bytes:
    return archives.whole().read_bytes()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(layer: bytes, **changed: object) -> bytes:
    entry = {"mediaType": "x", "digest": digest_of(layer), "size": len(layer), **changed}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [entry]}).encode()


def serve(web: Web, layer: bytes) -> tuple[Page, Page]:
    """Serve an artifact of one layer as a registry would; return the pages of manifest and layer."""
    pages = Page(manifest(layer), headers={"Content-Type": MANIFEST}), Page(layer)
    web.serve(f"{MANIFESTS}/1", pages[0])
    web.serve(f"/v2/speech/tiny/blobs/{digest_of(layer)}", pages[1])
    return pages


def pull(job: Job, web: Web, *arguments: str | Path) -> Done:
    return job.step("pull", URI, "--endpoint", web.url, *arguments)


def fails(job: Job, web: Web, reason: Reason) -> str:
    return job.fails(reason, "pull", URI, "--endpoint", web.url)


def errors(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": "hunter2"}]}).encode()


def test_an_endpoint_stands_in_for_the_registry(job: Job, web: Web, layer: bytes) -> None:
    serve(web, layer)
    assert pull(job, web).exit_code == 0


def test_a_registry_that_fails_for_a_moment_is_asked_again(job: Job, web: Web, layer: bytes) -> None:
    described, blob = serve(web, layer)
    described.refusals += [Refusal(503), Refusal(429, {"Retry-After": "1"}, errors("TOOMANYREQUESTS"))]
    blob.refusals += [Refusal(502), Refusal(503)]
    done = pull(job, web)
    assert done.exit_code == 0, done.errors


def test_a_registry_that_cannot_start_in_the_middle_is_read_in_one_go(job: Job, web: Web, layer: bytes) -> None:
    _, blob = serve(web, layer)
    blob.ranges = False
    assert pull(job, web).exit_code == 0


def test_of_two_ways_to_log_in_the_one_that_needs_no_password_is_taken(job: Job, web: Web, layer: bytes) -> None:
    described, _ = serve(web, layer)
    web.serve("/token", Page(b'{"token": "hunter2"}'))
    both = f'Bearer realm="{web.url}/token"\r\nWWW-Authenticate: Basic realm="models"'
    described.refusals.append(Refusal(401, {"WWW-Authenticate": both}))
    assert pull(job, web).exit_code == 0
    assert web.requests[-1].headers["authorization"] == "Bearer hunter2"


REFUSALS = {
    "no such repository": (Refusal(404, body=errors("NAME_UNKNOWN")), Reason.SOURCE_NOT_FOUND, "NAME_UNKNOWN"),
    "denied": (Refusal(403, body=errors("DENIED")), Reason.UNAUTHORIZED, "denies access to this repository (DENIED)"),
    "no registry": (Refusal(404, body=b"<html>hunter2"), Reason.SOURCE_NOT_FOUND, "HTTP 404"),
    "unsupported": (Refusal(400, body=errors("UNSUPPORTED")), Reason.UNSUPPORTED_FORMAT, "UNSUPPORTED"),
    "Docker Hub's limit": (
        Refusal(429, {"RateLimit-Remaining": "0;w=21600"}, errors("TOOMANYREQUESTS")),
        Reason.SOURCE_QUOTA_EXCEEDED,
        "the registry's pull limit is used up",
    ),
    "an odd challenge": (Refusal(401, {"WWW-Authenticate": "Negotiate"}), Reason.UNAUTHORIZED, "HTTP 401"),
    "a challenge that leads to no address": (
        Refusal(401, {"WWW-Authenticate": 'Bearer realm="http://["'}),
        Reason.SOURCE_UNREACHABLE,
        "names no token server",
    ),
    "a limit of junk": (
        Refusal(429, {"RateLimit-Remaining": "0" * 5_000}, errors("TOOMANYREQUESTS")),
        Reason.SOURCE_UNREACHABLE,
        "too many requests",
    ),
    "a challenge that leads nowhere": (
        Refusal(401, {"WWW-Authenticate": 'Bearer realm="ftp://x"'}),
        Reason.SOURCE_UNREACHABLE,
        "names no token server",
    ),
}


@pytest.mark.parametrize("answer", [b"[" * 200_000, b"[]", b'{"token": ""}'])
def test_a_token_server_without_a_token_is_told(answer: bytes, job: Job, web: Web, layer: bytes) -> None:
    described, _ = serve(web, layer)
    web.serve("/token", Page(answer))
    described.refusals += [Refusal(401, {"WWW-Authenticate": f'Bearer realm="{web.url}/token"'})] * 20
    assert "answers with no token" in fails(job, web, Reason.SOURCE_UNREACHABLE)


@pytest.mark.parametrize("case", REFUSALS)
def test_what_a_registry_refuses_is_told_without_its_words(case: str, job: Job, web: Web, layer: bytes) -> None:
    refusal, reason, sentence = REFUSALS[case]
    described, _ = serve(web, layer)
    described.refusals += [refusal] * 20
    message = fails(job, web, reason)
    assert sentence in message
    assert "hunter2" not in message


def document(**fields: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **fields}).encode()


NO_MANIFESTS = {
    "a web page": b"<html>log in</html>",
    "a list": b"[]",
    "no layers": document(),
    "layers of words": document(layers=["x"]),
    "another digest": document(layers=[{"digest": "sha512:00", "size": 1}]),
    "a path for a digest": document(layers=[{"digest": "sha256:../../x", "size": 1}]),
    "a negative size": document(layers=[{"digest": f"sha256:{'0' * 64}", "size": -1}]),
    "no layer": document(layers=[]),
    "an empty layer": document(layers=[{"digest": f"sha256:{hashlib.sha256(b'').hexdigest()}", "size": 0}]),
    "a depth without end": b'{"layers":' + b"[" * 200_000,
    "a number for a title": document(
        layers=[{"digest": f"sha256:{'0' * 64}", "size": 1, "annotations": {"org.opencontainers.image.title": 7}}] * 2
    ),
    "an old manifest": document(mediaType="application/vnd.docker.distribution.manifest.v1+json"),
    "an empty index": document(mediaType=INDEX, manifests=[]),
    "files without a model": document(
        layers=[
            {"digest": f"sha256:{'0' * 64}", "size": 1, "annotations": {"org.opencontainers.image.title": title}}
            for title in ("README.md", "../model.bin")
        ]
    ),
}


@pytest.mark.parametrize("case", NO_MANIFESTS)
def test_what_is_no_manifest_of_a_model_is_unsupported(case: str, job: Job, web: Web, layer: bytes) -> None:
    described, _ = serve(web, layer)
    described.content = NO_MANIFESTS[case]
    web.serve(f"/v2/speech/tiny/blobs/sha256:{'0' * 64}", Page(b"0"))
    fails(job, web, Reason.UNSUPPORTED_FORMAT)


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(job: Job, web: Web, layer: bytes) -> None:
    described, _ = serve(web, layer)
    described.headers["Docker-Content-Digest"] = f"sha256:{'0' * 64}"
    assert "was promised" in fails(job, web, Reason.CHECKSUM_MISMATCH)


def test_an_index_that_leads_to_itself_ends(job: Job, web: Web, layer: bytes) -> None:
    described, _ = serve(web, layer)
    inner = document(mediaType=INDEX, manifests=[{"digest": f"sha256:{'0' * 64}", "size": 1}])
    for _ in range(5):
        web.serve(f"{MANIFESTS}/{digest_of(inner)}", Page(inner))
        inner = document(mediaType=INDEX, manifests=[{"digest": digest_of(inner), "size": len(inner)}])
    described.content = inner
    assert "an index that leads to indexes only" in fails(job, web, Reason.UNSUPPORTED_FORMAT)


def test_a_layer_of_another_length_is_refused(job: Job, web: Web, layer: bytes) -> None:
    _, blob = serve(web, layer)
    blob.content = layer[:-1]
    assert f"the server has {len(layer) - 1} bytes, and it should be {len(layer)}" in fails(
        job, web, Reason.CHECKSUM_MISMATCH
    )


def test_a_web_page_in_place_of_a_layer_is_refused(job: Job, web: Web, layer: bytes) -> None:
    _, blob = serve(web, layer)
    blob.content, blob.ranges = b"<html>log in</html>", False
    fails(job, web, Reason.CHECKSUM_MISMATCH)


def test_storage_that_refuses_is_told_apart_from_the_registry(job: Job, web: Web, layer: bytes) -> None:
    _, blob = serve(web, layer)
    with Web.start() as storage:
        storage.serve("/signed", Page(refusals=[Refusal(403)] * 20))
        blob.refusals += [Refusal(307, {"Location": f"{storage.url}/signed?signature=hunter2"})] * 20
        message = job.fails(
            Reason.SOURCE_UNREACHABLE, "pull", URI, "--endpoint", web.url, never_told=["hunter2", "/signed"]
        )
    assert "the storage behind the registry refused the address" in message


def test_a_registry_that_is_not_there_is_unreachable(job: Job) -> None:
    job.fails(Reason.SOURCE_UNREACHABLE, "pull", "oci://127.0.0.1:1/speech/tiny:1")


def test_a_registry_that_never_answers_ends_at_the_deadline(job: Job, web: Web, layer: bytes) -> None:
    described, _ = serve(web, layer)
    described.seconds_per_byte = 1
    job.fails(Reason.DEADLINE_EXCEEDED, "pull", URI, "--endpoint", web.url, "--timeout", "3")
