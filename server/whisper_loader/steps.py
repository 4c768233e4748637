"""The three steps of a pull, each of which works on the staging folder of its pod: pull, convert, publish.

In a Job each runs in a container of its own; by hand all three run in one process.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from whisper_contract.digest import PublishedFile
from whisper_contract.manifest import Manifest, Provenance
from whisper_contract.reasons import Reason
from whisper_contract.uris import Source
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.fetch import Fetch
from whisper_loader.log import logger
from whisper_loader.model.complete import take_over
from whisper_loader.model.ct2 import read_header
from whisper_loader.model.documents import invalid
from whisper_loader.model.layout import PUBLISHED_FILES, WEIGHTS, ModelFormat, find_model_in
from whisper_loader.model.pointers import check_no_pointers
from whisper_loader.model.validate import validate
from whisper_loader.progress import Meter
from whisper_loader.sources.resolve import resolve
from whisper_loader.store import records
from whisper_loader.store.artifacts import Artifact, find_artifact, hash_files, publish
from whisper_loader.store.staging import Staging, State


@dataclass(frozen=True, slots=True)
class Published:
    """What a pull ends with.

    Attributes:
        artifact: where it is and what its manifest says.
        source: what this pull's source resolved to (the manifest names the first publisher's).
        format: what the source held.
    """

    artifact: Artifact
    source: str
    format: str


def pull_step(
    staging: Staging, source: Source, access: Access, meter: Meter, *, sha256: str | None, quantization: str | None
) -> None:
    """Resolve the source and, unless the store has what it resolves to, bring it into the staging folder.

    Raises:
        LoaderError: every reason that the table gives to pull.
        OSError: of the volume.
    """
    staging.prepare()
    resolved = resolve(source, access)
    key = records.record_key(resolved.identity, access.endpoint, quantization)
    state = State(source=resolved.identity, record_key=key, quantization=quantization)
    if (known := records.find(staging.store, key, sha256)) is not None:
        record, artifact = known
        logger.info("%s is published already: %s", resolved.identity, artifact.path)
        staging.save(replace(state, format=record.format, published=record.digest))
        return
    logger.info("pulling %s (%s bytes)", resolved.identity, "?" if resolved.size is None else resolved.size)
    fetched = Fetch(staging.source, staging.journal, meter, access.deadline).run(resolved, sha256)
    folder = top_folder(staging.source)
    found = find_model_in(staging.source / folder)
    check_no_pointers(staging.source / folder, found.names)
    files = _in_folder(fetched.files, folder)
    staging.save(
        replace(state, archive_sha256=fetched.archive_sha256, format=found.format, model_folder=folder, files=files)
    )


def _in_folder(files: dict[str, PublishedFile], folder: str) -> dict[str, tuple[int, str]]:
    """Return size and sha256 of the files right in `folder`, by name."""
    paths = {PurePosixPath(path): (file.size, file.sha256) for path, file in files.items()}
    return {path.name: known for path, known in paths.items() if path.parent == PurePosixPath(folder)}


def top_folder(directory: Path) -> str:
    """Return the name of the one folder that an archive packed everything into, "." when there is none.

    What macOS packs along (._name, .DS_Store), and other hidden things, are no content.
    """
    entries = [entry for entry in directory.iterdir() if not entry.name.startswith(".")]
    return entries[0].name if len(entries) == 1 and entries[0].is_dir() else "."


def convert_step(staging: Staging, meter: Meter, quantization: str | None) -> None:
    """Make a CTranslate2 model of what was pulled, or take it over when it is one.

    `quantization` must be what the pull was told: the store remembers the source under it.

    Raises:
        LoaderError: InvalidModel, SpecInvalid, OutOfSpace, …
        OSError: of the volume.
    """
    from whisper_loader.model.convert import convert  # noqa: PLC0415  (takes half a second, and no other step needs it)

    state = staging.load()
    if quantization != state.quantization:
        message = f"pull was told the quantization {state.quantization}, and convert {quantization}"
        raise LoaderError(Reason.SPEC_INVALID, message)
    if state.published is not None:
        return
    source = staging.source / state.model_folder
    if state.format == ModelFormat.TRANSFORMERS:
        logger.info("converting to CTranslate2 (%s)", quantization or "the checkpoint's own type")
        written = convert(source, staging.model, quantization, meter)
        files = {file.path: (file.size, file.sha256) for file in written}
        staging.amend(converter=f"ctranslate2 {version('ctranslate2')}", files=files)
        return
    check_keeps_quantization(source, quantization)
    take_over(source, staging.model)


def check_keeps_quantization(source: Path, wanted: str | None) -> None:
    """Raise LoaderError InvalidModel when a model that is converted already has other weights than were asked for."""
    if wanted is None:
        return
    actual = read_header(source / WEIGHTS).quantization
    if wanted not in (actual, actual.partition("_")[0]):
        raise invalid(
            f"the model is in CTranslate2's format already, with {actual} weights: {wanted} can't be made of it"
        )


def publish_step(staging: Staging, meter: Meter) -> Published:
    """Check the model, publish it, remember its source, and clear the staging folder.

    Raises:
        LoaderError: InvalidModel, …
        OSError: of the volume.
    """
    state = staging.load()
    if state.published is not None:
        artifact = _artifact_of(staging, state.published)
    else:
        artifact = publish(staging.store, staging.model, _manifest(staging, state, meter))
        record = records.Record(artifact.manifest.digest, state.source, str(state.format), state.archive_sha256)
        records.write(staging.store, state.record_key, record)
    staging.discard()
    return Published(artifact, state.source, str(state.format))


def _artifact_of(staging: Staging, digest: str) -> Artifact:
    artifact = find_artifact(staging.store, digest)
    if artifact is None:
        raise LoaderError(
            Reason.INTERNAL_ERROR, "the artifact was removed while it was being looked up; the next attempt pulls"
        )
    return artifact


def _manifest(staging: Staging, state: State, meter: Meter) -> Manifest:
    facts = validate(staging.model)
    return Manifest(
        files=_published_files(staging, state, meter),
        format=ModelFormat.CTRANSLATE2,
        quantization=facts.quantization,
        mel_bins=facts.mel_bins,
        languages=facts.languages,
        multilingual=facts.multilingual,
        converter=state.converter,
        provenance=Provenance(state.source, datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")),
    )


def _published_files(staging: Staging, state: State, meter: Meter) -> tuple[PublishedFile, ...]:
    """Return the model's files; read are only those whose sha256 was not taken on their way here."""
    sizes = {name: (staging.model / name).stat().st_size for name in PUBLISHED_FILES}
    known = {
        name: PublishedFile(name, size, sha256)
        for name, (size, sha256) in state.files.items()
        if sizes.get(name) == size
    }
    unknown = tuple(name for name in PUBLISHED_FILES if name not in known)
    found = {file.path: file for file in hash_files(staging.model, unknown, meter)}
    return tuple((known | found)[name] for name in PUBLISHED_FILES)
