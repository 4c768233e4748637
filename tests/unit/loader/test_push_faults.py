"""Pushing to services that fail or refuse: a table for each kind, with a relay before a real server that does it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.faulty import ALWAYS, Fault, Faulty, faulty
from tests.support.gcs import Bucket, Gcs
from tests.support.hub import Hub
from tests.support.loader import Done, whisper_model
from tests.support.registry import Registry
from tests.support.s3 import S3Server
from tests.support.web import Page, Web
from whisper_contract.reasons import FAILURES, Reason

SIZE = 300_000
Answer = tuple[Reason | None, str]
DONE: Answer = (None, "progress step=push percent=100")


@dataclass(frozen=True)
class Service:
    """A real server, and how `push` reaches it through the relay."""

    host: str
    uri: Callable[[Faulty], str]
    arguments: Callable[[Faulty], tuple[str | Path, ...]] = lambda relay: ("--endpoint", relay.url)
    environment: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def services(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    with Web.start() as web, Gcs.start() as gcs, Hub.start() as hub, Registry.start() as registry:
        web.serve("/m.tar", Page())
        gcs.buckets["models"] = Bucket()
        hub.add("org/there", {"README.md": b"x"}, private=True)
        key = tmp_path_factory.mktemp("secret")
        (key / "key.json").write_text(gcs.tokens.key_json(gcs.endpoint))
        yield {
            "s3": Service(f"{s3.host}:{s3.port}", lambda _: "s3://models/m.tar", environment=s3.environment),
            "gs": Service(
                gcs.host,
                lambda _: "gs://models/m.tar",
                lambda relay: ("--endpoint", relay.url, "--secret-dir", key),
            ),
            "hf": Service(
                hub.endpoint.partition("//")[2],
                lambda relay: f"hf://org/pushed-{relay.host.partition(':')[2]}",
                environment={"HF_TOKEN": hub.token},
            ),
            "hf, there": Service(
                hub.endpoint.partition("//")[2], lambda _: "hf://org/there", environment={"HF_TOKEN": hub.token}
            ),
            "oci": Service(registry.host, lambda relay: f"oci://{relay.host}/speech/pushed:1", lambda _: ()),
            "https": Service(f"127.0.0.1:{web.port}", lambda relay: f"{relay.url}/m.tar", lambda _: ()),
        }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What is pushed, other bytes each time: an archive, and a folder that looks like a model."""
    content = tmp_path.name.encode() * (SIZE // len(tmp_path.name))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(content)
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text(f'{{"a": "{tmp_path.name}"}}')
    (tmp_path / "m.tar").write_bytes(content)
    return tmp_path


def push(kind: str, model: Path, service: Service, *faults: Fault) -> tuple[Done, Faulty]:
    with faulty(service.host, faults) as relay:
        path = model / ("model" if kind == "hf" else "m.tar")
        done = whisper_model("push", path, service.uri(relay), *service.arguments(relay), env=service.environment)
    return done, relay


def of_registry(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": "hunter2"}]}).encode()


def of_s3(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>hunter2</Message></Error>".encode()


UNREACHABLE, REFUSED, NO_ROOM = Reason.SOURCE_UNREACHABLE, Reason.UNAUTHORIZED, Reason.OUT_OF_SPACE
WRONG, ABSENT = Reason.SPEC_INVALID, Reason.SOURCE_NOT_FOUND
BUSY = {"Retry-After": "0"}
UNKNOWN = {"X-Error-Message": "Invalid credentials in Authorization header"}
UPLOADS, PUT_BLOB, MANIFEST = "POST .*/blobs/uploads/", "PUT .*/blobs/uploads/", "PUT .*/manifests/"
LFS, COMMIT = "POST .*/info/lfs/objects/batch", "POST .*/commit/"

PASSING: dict[str, tuple[str, Fault]] = {
    "s3, busy": ("s3", Fault("PUT", 503, 1, body=of_s3("SlowDown"))),
    "s3, the answer gets lost": ("s3", Fault("PUT", 0, 1, arrived=True)),
    "gs, busy at the start": ("gs", Fault("POST .*upload", 503, 2, BUSY)),
    "gs, busy": ("gs", Fault("PUT .*upload_id", 429, 2, BUSY)),
    "gs, hangs up": ("gs", Fault("PUT .*upload_id", 0, 2)),
    "gs, the answer gets lost": ("gs", Fault("PUT .*upload_id", 0, 1, arrived=True)),
    "hf, busy": ("hf", Fault("POST .*/repos/create", 503, 1)),
    "hf, busy at the commit": ("hf", Fault(COMMIT, 502, 1)),
    "hf, hangs up": ("hf", Fault(LFS, 0, 1)),
    "oci, busy when asked": ("oci", Fault(UPLOADS, 503, 2)),
    "oci, busy while it gets a layer": ("oci", Fault(PUT_BLOB, 502, 2, BUSY)),
    "oci, too many requests": ("oci", Fault(MANIFEST, 429, 2, BUSY, of_registry("TOOMANYREQUESTS"))),
    "oci, hangs up": ("oci", Fault(PUT_BLOB, 0, 1)),
    "oci, the answer gets lost": ("oci", Fault(PUT_BLOB, 0, 1, arrived=True)),
    "oci, forgets the upload": ("oci", Fault(PUT_BLOB, 404, 1, body=of_registry("BLOB_UPLOAD_UNKNOWN"))),
    "https, busy": ("https", Fault("PUT", 503, 2, BUSY)),
    "https, hangs up": ("https", Fault("PUT", 0, 1)),
    "https, the answer gets lost": ("https", Fault("PUT", 0, 1, arrived=True)),
}


@pytest.mark.parametrize("case", PASSING)
def test_what_passes_is_waited_for_and_every_byte_counts_once(
    case: str, services: dict[str, Service], model: Path
) -> None:
    kind, fault = PASSING[case]
    done, _ = push(kind, model, services[kind], fault)
    assert fault.times == 0, "the request that is to fail was made"
    assert done.exit_code == 0, done.errors
    files = (model / "model").iterdir() if kind == "hf" else [model / "m.tar"]
    assert f"percent=100 bytes={sum(file.stat().st_size for file in files)} " in done.errors


def test_a_token_that_may_write_to_a_repository_and_make_none_is_enough(
    services: dict[str, Service], model: Path
) -> None:
    done, _ = push("hf", model, services["hf, there"], Fault("POST .*/repos/create", 403))
    assert done.exit_code == 0, done.errors


LASTING: dict[str, tuple[str, Fault, Reason, str]] = {
    "s3, no right": ("s3", Fault("PUT", 403, body=of_s3("AccessDenied")), REFUSED, "may not write it (AccessDenied)"),
    "s3, no such bucket": ("s3", Fault("PUT", 404, body=of_s3("NoSuchBucket")), ABSENT, "no such bucket"),
    "s3, too large": ("s3", Fault("PUT", 400, body=of_s3("EntityTooLarge")), WRONG, "larger than the service takes"),
    "s3, too large for a proxy": ("s3", Fault("PUT", 413), WRONG, "larger than the service takes"),
    "s3, the quota is used up": ("s3", Fault("PUT", 403, body=of_s3("QuotaExceeded")), NO_ROOM, "quota is used up"),
    "s3, full": ("s3", Fault("PUT", 507, body=of_s3("XMinioStorageFull")), NO_ROOM, "has no room for it"),
    "s3, no such encryption": ("s3", Fault("PUT", 501, body=of_s3("NotImplemented")), WRONG, "no such way to write"),
    "s3, only reads": ("s3", Fault("PUT", 405, body=of_s3("MethodNotAllowed")), ABSENT, "the service only reads"),
    "s3, broken": ("s3", Fault("PUT", 500, body=of_s3("InternalError")), UNREACHABLE, "S3 failed"),
    "gs, no right": ("gs", Fault("POST .*upload", 403), REFUSED, "may not write it"),
    "gs, no such bucket": ("gs", Fault("POST .*upload", 404), ABSENT, "no such bucket"),
    "gs, kept by a policy": ("gs", Fault("PUT .*upload_id", 412), REFUSED, "retention policy"),
    "gs, too large for a proxy": ("gs", Fault("PUT .*upload_id", 413), WRONG, "larger than the server takes"),
    "gs, keeps nothing": ("gs", Fault("PUT .*upload_id", 308), UNREACHABLE, "keeps nothing of what it is sent"),
    "gs, ends the upload": ("gs", Fault("PUT .*upload_id", 410), UNREACHABLE, "ended by the service"),
    "gs, no session": ("gs", Fault("POST .*upload", 200), UNREACHABLE, "not Google's API"),
    "hf, no right": ("hf", Fault(COMMIT, 403), REFUSED, "may not write there"),
    "hf, no token that is known": ("hf", Fault("POST .*create", 401, headers=UNKNOWN), REFUSED, "refused the token"),
    "hf, too large": ("hf", Fault(LFS, 413), WRONG, "larger than the server takes"),
    "hf, full": ("hf", Fault(COMMIT, 507), NO_ROOM, "has no room for it"),
    "oci, no right": (
        "oci", Fault(UPLOADS, 403, body=of_registry("DENIED")), REFUSED, "denies writing to this repository (DENIED)",
    ),
    "oci, no credentials": (
        "oci", Fault(UPLOADS, 401), REFUSED, "wants credentials to be written to, and none were given",
    ),
    "oci, no such repository": (
        "oci", Fault(UPLOADS, 404, body=of_registry("NAME_UNKNOWN")), ABSENT, "and it makes none (NAME_UNKNOWN)",
    ),
    "oci, only reads": (
        "oci", Fault(UPLOADS, 405, body=of_registry("UNSUPPORTED")), WRONG, "the registry only reads (UNSUPPORTED)",
    ),
    "oci, too large for a proxy": ("oci", Fault(PUT_BLOB, 413), WRONG, "larger than the server takes"),
    "oci, full": ("oci", Fault(PUT_BLOB, 507), NO_ROOM, "has no room for it"),
    "oci, other bytes": (
        "oci", Fault(PUT_BLOB, 400, body=of_registry("DIGEST_INVALID")), Reason.SOURCE_CHANGED, "file changed while",
    ),
    "oci, takes no artifacts": (
        "oci", Fault(MANIFEST, 400, body=of_registry("MANIFEST_INVALID")), Reason.UNSUPPORTED_FORMAT, "this kind of",
    ),
    "oci, a tag that stays": ("oci", Fault(MANIFEST, 412), WRONG, "may not be replaced: push under another name"),
    "oci, no place to upload to": ("oci", Fault(UPLOADS, 202), UNREACHABLE, "names no place to upload to"),
    "oci, a place that is none": (
        "oci", Fault(UPLOADS, 202, headers={"Location": "http://["}), UNREACHABLE, "that is no address",
    ),
    "oci, broken": ("oci", Fault(MANIFEST, 500), UNREACHABLE, "the server failed"),
    "https, no right": ("https", Fault("PUT", 403), REFUSED, "may not write there"),
    "https, no credentials": ("https", Fault("PUT", 401), REFUSED, "may not write there"),
    "https, nothing there": ("https", Fault("PUT", 404), ABSENT, "nothing at this address"),
    "https, no PUT": ("https", Fault("PUT", 405), WRONG, "takes no PUT there"),
    "https, no folder": ("https", Fault("PUT", 409), ABSENT, "the folder above it does not exist"),
    "https, stays": ("https", Fault("PUT", 412), WRONG, "may not be replaced: push under another name"),
    "https, locked": ("https", Fault("PUT", 423), WRONG, "may not be replaced: push under another name"),
    "https, too large": ("https", Fault("PUT", 413), WRONG, "larger than the server takes"),
    "https, full": ("https", Fault("PUT", 507), NO_ROOM, "no room for it"),
    "https, elsewhere": ("https", Fault("PUT", 307, headers={"Location": "/x"}), WRONG, "sends uploads elsewhere"),
    "https, broken": ("https", Fault("PUT", 500), UNREACHABLE, "the server failed"),
}  # fmt: skip


@pytest.mark.parametrize("case", LASTING)
def test_what_lasts_has_its_reason_in_the_words_of_a_push(case: str, services: dict[str, Service], model: Path) -> None:
    kind, fault, reason, sentence = LASTING[case]
    done, _ = push(kind, model, services[kind], fault)
    assert done.exit_code == FAILURES[reason].exit_code, done.errors
    assert f"{reason}: " in done.errors
    assert sentence in done.errors
    assert "read" not in done.errors.partition(f"{reason}: ")[2].partition("\n")[0].replace("only reads", "")
    assert not [word for word in ("Traceback", "hunter2", "upload_id") if word in done.errors]
    assert ("Make room where the message says" in done.errors) is (reason is NO_ROOM)
    if FAILURES[reason].permanent:
        assert ALWAYS - fault.times == 1, "what lasts is not tried again"
