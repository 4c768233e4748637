"""Whatever lies where the store's own files should be: it is told from them, and stops nothing."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.documents import replaced
from tests.support.loader import Job, whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.stores import prepare
from whisper_contract.manifest import Manifest, ManifestError
from whisper_loader.errors import LoaderError
from whisper_loader.store import records
from whisper_loader.store.artifacts import Damage, find_artifact, inspect_artifact, list_artifacts
from whisper_loader.store.gc import Collector, Policy
from whisper_loader.store.journal import Journal
from whisper_loader.store.staging import Staging

pytestmark = pytest.mark.slow

DIGEST = "0" * 64
# The folders are the same for every example: each overwrites what the one before has written.
many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
FIELDS = {
    "record": ["digest", "source", "format", "archive_sha256"],
    "state": ["source", "record_key", "archive_sha256", "format", "model_folder", "quantization", "published"],
    "journal": ["identity", "files"],
}


def dump(document: Any) -> bytes:
    return json.dumps(document).encode()


def junk(fields: list[str]) -> st.SearchStrategy[bytes]:
    """Bytes, JSON of any kind, JSON with the right names and wrong values, and nesting without end."""
    named = st.fixed_dictionaries({}, optional=dict.fromkeys(fields, VALUES))
    return st.binary(max_size=200) | VALUES.map(dump) | named.map(dump) | st.just(b"[" * 5_000)


def mutated(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """The document with one value, at any depth, replaced by any other."""
    paths = list(_paths(document))
    return st.tuples(st.sampled_from(paths), VALUES).map(lambda change: dump(replaced(document, *change)))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [found for key, child in children for found in ((*path, key), *_paths(child, (*path, key)))]


@pytest.fixture
def wanted(store: Path) -> Manifest:
    return prepare(store, "one")[1]


@many
@given(data=st.data())
def test_a_manifest_of_junk_is_a_manifest_error(data: st.DataObject, wanted: Manifest) -> None:
    document = json.loads(wanted.to_json())
    content = data.draw(mutated(document) | junk(list(document)))
    try:
        manifest = Manifest.from_json(content)
    except ManifestError as error:
        str(error).encode()
        return
    assert Manifest.from_json(manifest.to_json()) == manifest


@many
@given(data=st.data())
def test_an_artifact_with_junk_for_a_manifest_is_damaged_and_listed_so(
    data: st.DataObject, store: Path, wanted: Manifest
) -> None:
    document = json.loads(wanted.to_json())
    folder = store / "artifacts" / DIGEST
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(data.draw(mutated(document) | junk(list(document))))
    damage = inspect_artifact(folder)
    assert isinstance(damage, Damage)
    "".join(damage.problems).encode()
    assert find_artifact(store, DIGEST) is None
    assert list(list_artifacts(store)) == [(folder, damage)]


@many
@given(content=junk(FIELDS["record"]))
def test_a_record_of_junk_is_no_record_and_is_overwritten(content: bytes, store: Path) -> None:
    (store / "sources").mkdir(exist_ok=True)
    path = store / "sources" / "key.json"
    path.write_bytes(content)
    assert records.find(store, "key", None) is None
    found = list(Collector(store, Policy(frozenset(), frozenset(), 0, dry_run=True)).collect())
    assert [item.path for item in found] == [path], "it leads nowhere, and gc says so"
    record = records.Record(DIGEST, "s3://models/key", "transformers", None)
    records.write(store, "key", record)
    assert records.read(path) == record


@many
@given(content=junk(FIELDS["state"]))
def test_a_state_of_junk_is_no_state(content: bytes, store: Path) -> None:
    staging = Staging(store, "job", "pod")
    staging.path.mkdir(parents=True, exist_ok=True)
    (staging.path / "state.json").write_bytes(content)
    with suppress(LoaderError):
        staging.load()


@many
@given(content=junk(FIELDS["journal"]))
def test_a_journal_of_junk_is_an_empty_one(content: bytes, store: Path) -> None:
    (store / "journal.json").write_bytes(content)
    journal = Journal.open(store / "journal.json", "s3://models/key", store / "source")
    assert journal.kept("model.bin") == 0
    journal.close()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
def test_what_is_no_file_is_no_record_and_no_manifest(make: Callable[[Path], None], store: Path) -> None:
    (store / "sources").mkdir()
    (store / "artifacts" / DIGEST).mkdir(parents=True)
    make(store / "sources" / "key.json")
    make(store / "artifacts" / DIGEST / "manifest.json")
    assert records.find(store, "key", None) is None
    assert isinstance(inspect_artifact(store / "artifacts" / DIGEST), Damage)


def test_a_pull_goes_on_over_junk_in_its_way(job: Job) -> None:
    first = whisper_model("pull", SPEECH_MODEL, "--store", job.store, "--json")
    (record,) = (job.store / "sources").iterdir()
    good = record.read_bytes()
    record.write_bytes(b"[" * 100_000)
    (Path(first.json["path"]) / "manifest.json").write_bytes(b'{"v": 1}')
    again = whisper_model("pull", SPEECH_MODEL, "--store", job.store, "--json")
    assert (again.exit_code, again.json["digest"]) == (0, first.json["digest"]), again.errors
    assert record.read_bytes() == good
    assert whisper_model("verify", "--all", "--store", job.store).exit_code == 0
