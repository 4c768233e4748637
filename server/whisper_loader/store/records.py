"""Which source became which artifact, so that an equal pull ends at once.

A record is a hint: it counts only while the artifact that it names is there.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from whisper_contract.digest import is_hex_digest
from whisper_contract.store import SOURCES
from whisper_loader.store.artifacts import Artifact, reuse_artifact
from whisper_loader.store.durable import make_folder, write_atomically
from whisper_loader.store.trees import read_plain_file

_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """What a pull came to.

    Attributes:
        digest: hex digest of the artifact.
        source: resolved identity.
        format: what the source held.
        archive_sha256: of the source's bytes, when it was an archive.
    """

    digest: str
    source: str
    format: str
    archive_sha256: str | None


def record_key(identity: str, endpoint: str | None, quantization: str | None) -> str:
    """Return the record's name: the same content elsewhere, or converted otherwise, is another."""
    parts = json.dumps([identity, endpoint, quantization])
    return hashlib.sha256(parts.encode()).hexdigest()


def find(store: Path, key: str, sha256: str | None) -> tuple[Record, Artifact] | None:
    """Return the record and its artifact, or None when there is none that satisfies `sha256`."""
    record = read(store / SOURCES / f"{key}.json")
    if record is None or (sha256 is not None and record.archive_sha256 != sha256):
        return None
    artifact = reuse_artifact(store, record.digest)
    return None if artifact is None else (record, artifact)


def read(path: Path) -> Record | None:
    """Return the record at `path`; None when there is none, or anything else."""
    try:
        record = Record(**json.loads(read_plain_file(path, _MAX_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (record.digest, record.source, record.format, record.archive_sha256 or "")
    return record if all(isinstance(text, str) for text in texts) and is_hex_digest(record.digest) else None


def write(store: Path, key: str, record: Record) -> None:
    """Remember `record`."""
    make_folder(store / SOURCES)
    write_atomically(store / SOURCES / f"{key}.json", json.dumps(asdict(record), indent=2, sort_keys=True).encode())
