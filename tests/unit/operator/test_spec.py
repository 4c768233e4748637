"""Reading specs: the schema's defaults, what cannot be read, and the hash that tells one pull from another."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from tests.support.whispermodels import Node, nodes, schema
from tests.unit.operator.things import SOURCE, model
from whisper_operator.api.inputs import inputs_hash, shown_uri, source_uri
from whisper_operator.api.model import InvalidModel, parse_model
from whisper_operator.api.spec import Spec, SpecError, parse_spec
from whisper_operator.api.status import Status


def fields_of(kind: Any, path: str = "") -> dict[str, Any]:
    """Every field of a part of the spec, and of the parts in it, with its type."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        here = f"{path}.{field.encode_name}".lstrip(".")
        found[here] = field
        for inner in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found |= fields_of(inner, here)
    return found


SPEC_SCHEMA: Node = schema()["properties"]["spec"]


def test_every_field_of_the_schema_is_read_and_no_other() -> None:
    # A field of a list's items, or in objects that go to pods as they are, is the pod's business.
    of_schema = {path for path, _ in nodes(SPEC_SCHEMA) if not any(mark in path for mark in ("[]", "{}"))}
    items = (".env.", ".imagePullSecrets.", ".metrics.")
    ours = {path for path in fields_of(Spec) if not any(item in path for item in items)}
    assert ours == of_schema


def test_defaults_are_those_of_the_schema() -> None:
    defaults = {
        path: node["default"] for path, node in nodes(SPEC_SCHEMA) if "default" in node and node["default"] != {}
    }
    defaults = {path: value for path, value in defaults.items() if "[]" not in path}
    ours = fields_of(Spec)
    assert {path: msgspec.to_builtins(ours[path].default) for path in defaults} == defaults


def test_every_field_of_the_status_is_in_the_schema() -> None:
    of_schema = {path.replace("[]", "") for path, _ in nodes(schema()["properties"]["status"])}
    assert set(fields_of(Status)) <= of_schema


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (None, "Expected `object`"),
        ({}, "missing required field `source`"),
        ({"source": {}}, "exactly one"),
        ({"source": {**SOURCE, "volume": {"claimName": "c"}}}, "exactly one"),
        ({"source": SOURCE, "server": {"replicas": "two"}}, "spec.server.replicas"),
        ({"source": SOURCE, "server": {"device": "tpu"}}, "spec.server.device"),
    ],
    ids=str,
)
def test_a_spec_that_cannot_be_names_the_field(spec: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_spec(spec)


def test_a_model_with_such_a_spec_is_still_a_model() -> None:
    metadata = {"name": "m", "namespace": "n", "uid": "u", "generation": 2, "creationTimestamp": "t"}
    found = parse_model({"metadata": metadata, "spec": {"source": {}}})
    assert isinstance(found, InvalidModel)
    assert found.generation == 2


def test_a_status_of_somebody_elses_making_is_started_anew() -> None:
    metadata = {"name": "m", "namespace": "n", "uid": "u", "generation": 2, "creationTimestamp": "t"}
    found = parse_model({"metadata": metadata, "spec": {"source": SOURCE}, "status": {"conditions": "fine"}})
    assert found.status == Status()


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ({"s3": {"bucket": "abc", "key": "a b/"}}, "s3://abc/a%20b/"),
        ({"s3": {"bucket": "abc", "key": "k", "versionId": "1/2"}}, "s3://abc/k?versionId=1%2F2"),
        ({"huggingFace": {"repo": "openai/whisper-tiny"}}, "hf://openai/whisper-tiny@main"),
        ({"gcs": {"bucket": "abc", "object": "a b/"}}, "gs://abc/a%20b/"),
        ({"gcs": {"bucket": "abc", "object": "k", "generation": "17"}}, "gs://abc/k#17"),
        ({"googleDrive": {"fileId": "1AbC_d-EfGhIj"}}, "gdrive://1AbC_d-EfGhIj"),
        ({"http": {"url": "https://host/a.tar?signature=x"}}, "https://host/a.tar?signature=x"),
        ({"oci": {"reference": "r.io/w"}}, "oci://r.io/w:latest"),
        ({"oci": {"reference": "r.io/w:1", "path": "/a b/#c/"}}, "oci://r.io/w:1#a%20b/%23c"),
        ({"oci": {"reference": f"r.io/w:1@sha256:{'a' * 64}"}}, f"oci://r.io/w@sha256:{'a' * 64}"),
        ({"volume": {"claimName": "c", "path": "a/b c"}}, "file:///volumes/c/a/b%20c"),
        ({"volume": {"claimName": "c"}}, "file:///volumes/c"),
        ({"baked": {"path": "/opt/a b"}}, "file:///opt/a%20b"),
    ],
    ids=str,
)
def test_the_source_as_a_uri(source: dict[str, Any], uri: str) -> None:
    assert source_uri(model(source=source).spec.source) == uri


def test_a_url_is_shown_without_what_may_be_a_signature() -> None:
    source = model(source={"http": {"url": "https://host/a.tar?signature=x"}}).spec.source
    assert shown_uri(source) == "https://host/a.tar"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"http": {"url": "https://me:secret@host/a"}}, "spec.source.http.url: a URL holds no credentials"),
        ({"http": {"url": "https://me:secret/a"}}, "spec.source.http.url: the URL's host is not a host with a port"),
        ({"http": {"url": "https:/me:secret@host/a"}}, "spec.source.http.url: that is no path"),
        ({"oci": {"reference": "whisper"}}, "spec.source.oci.reference: oci://whisper: expected"),
        ({"oci": {"reference": "me:secret@r.io/w"}}, "spec.source.oci.reference: oci://…: expected"),
        ({"oci": {"reference": "me:secret/w"}}, "spec.source.oci.reference: oci://…: expected"),
        ({"oci": {"reference": "r.io/w:a b@secret"}}, "spec.source.oci.reference: oci://…: what follows the name"),
    ],
    ids=str,
)
def test_an_address_that_an_older_schema_let_pass_makes_the_model_invalid(source: dict[str, Any], said: str) -> None:
    metadata = {"name": "m", "namespace": "n", "uid": "u", "generation": 2, "creationTimestamp": "t"}
    found = parse_model({"metadata": metadata, "spec": {"source": source}})
    assert isinstance(found, InvalidModel)
    assert found.error.startswith(said)
    assert "secret" not in found.error


BEFORE = model()

SAME_PULL: list[dict[str, Any]] = [
    {"server": {"image": "other", "replicas": 5, "nodeSelector": {"a": "b"}}},
    {"pull": {"resources": {"limits": {"memory": "9Gi"}}, "timeoutSeconds": 61}},
    {"podSecurityContext": {"runAsUser": 5}},
    {"cache": {"size": "1Ti"}},
    {"pull": {"proxy": {"httpsProxy": "http://proxy:3128"}, "caBundleRef": {"name": "authorities"}}},
    {"source": {"s3": {**SOURCE["s3"], "anonymous": False}}},
]
OTHER_PULL: list[dict[str, Any]] = [
    {"sha256": "0" * 64},
    {"conversion": {"quantization": "int8"}},
    {"source": {"s3": {**SOURCE["s3"], "key": "other"}}},
    {"source": {"s3": {**SOURCE["s3"], "versionId": "2"}}},
    {"source": {"s3": {**SOURCE["s3"], "endpoint": "http://other"}}},
    {"source": {"s3": {**SOURCE["s3"], "region": "other"}}},
    {"source": {"s3": {**SOURCE["s3"], "anonymous": True}}},
    {"source": {"s3": {**SOURCE["s3"], "secretRef": {"name": "keys"}}}},
]


@pytest.mark.parametrize("change", SAME_PULL, ids=str)
def test_images_resources_and_placement_pull_nothing_anew(change: dict[str, Any]) -> None:
    assert inputs_hash(model(**change).spec) == BEFORE.inputs


@pytest.mark.parametrize("change", OTHER_PULL, ids=str)
def test_another_source_or_conversion_is_another_pull(change: dict[str, Any]) -> None:
    assert inputs_hash(model(**change).spec) != BEFORE.inputs


GCS: dict[str, Any] = {"bucket": "models", "object": "whisper.tar.zst"}
OCI: dict[str, Any] = {"reference": "registry.example.com/whisper:1"}
# Each differs from all others.
SOURCES: list[dict[str, Any]] = [
    {"gcs": GCS},
    {"gcs": {**GCS, "generation": "1"}},
    {"gcs": {**GCS, "endpoint": "http://other"}},
    {"gcs": {**GCS, "anonymous": True}},
    {"gcs": {**GCS, "secretRef": {"name": "keys"}}},
    {"googleDrive": {"fileId": "1AbC_d-EfGhIj"}},
    {"googleDrive": {"fileId": "1AbC_d-EfGhIj", "secretRef": {"name": "keys"}}},
    {"http": {"url": "https://host/a.tar"}},
    {"http": {"url": "https://host/a.tar?version=2"}},
    {"http": {"url": "https://host/a.tar", "secretRef": {"name": "keys"}}},
    {"oci": OCI},
    {"oci": {**OCI, "path": "models/whisper"}},
    {"oci": {**OCI, "secretRef": {"name": "keys"}}},
]


def test_whatever_a_source_says_makes_another_pull_of_it() -> None:
    assert len({model(source=source).inputs for source in SOURCES}) == len(SOURCES)


@pytest.mark.parametrize(
    ("fields", "hashed"),
    [
        ({}, "dc39ba3029c10fed1b09e1abfb220931"),
        (
            {"source": {"s3": {**SOURCE["s3"], "anonymous": True, "endpoint": "http://e", "region": "r"}}},
            "1a577f23fe5880403d2d0f5662663ef5",
        ),
        (
            {"source": {"huggingFace": {"repo": "o/n", "endpoint": "http://e", "secretRef": {"name": "s"}}}},
            "fdf3f74149c94a445d362b5e2c683e67",
        ),
        (
            {"source": {"volume": {"claimName": "c", "path": "p"}}, "conversion": {"quantization": "int8"}},
            "226f3a2aa34bb89e65960974afdadf7c",
        ),
    ],
    ids=["smallest", "s3", "huggingFace", "volume"],
)
def test_the_hash_never_changes_between_versions_of_the_operator(fields: dict[str, Any], hashed: str) -> None:
    """A change here makes every installed WhisperModel be pulled anew at an upgrade."""
    assert model(**fields).inputs == hashed


_AT_ONCE = """
import sys, threading
from whisper_operator.api.spec import parse_spec
from whisper_operator.api.status import parse_status
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)
def read():
    together.wait()
    parse_spec({"source": {"s3": {"bucket": "b", "key": "k"}}, "server": {"gpu": {"count": 1}}})
    parse_status({"conditions": [], "target": {"inputsHash": "h", "state": "Pulling", "reason": "Pulling"}})
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_may_read_the_first_models_at_once() -> None:
    # Every other process crashed here before: msgspec finds out about classes at their first use, and without a lock.
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", _AT_ONCE], check=False, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
