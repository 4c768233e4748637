"""Makes a CTranslate2 model of a transformers checkpoint, without torch and transformers.

The result is, byte for byte, what CTranslate2's own converter makes:
`ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json`.
"""

from dataclasses import replace
from pathlib import Path

from ctranslate2.specs.whisper_spec import WhisperSpec

from whisper_contract.digest import PublishedFile
from whisper_loader.hashing import sha256_of
from whisper_loader.model.checkpoint import Checkpoint, build_spec, read_checkpoint
from whisper_loader.model.complete import copy_documents
from whisper_loader.model.documents import invalid
from whisper_loader.model.layout import CONFIG, PUBLISHED_FILES, VOCABULARY, WEIGHTS
from whisper_loader.model.plan import make_plan
from whisper_loader.model.quantization import check_quantization
from whisper_loader.model.vocabulary import vocabulary_json
from whisper_loader.model.weights_file import write_weights
from whisper_loader.progress import Meter

# For these the official command rounds all weights to float16 first, whatever the checkpoint says.
_LOADED_AS_FLOAT16 = frozenset({"float16", "int8_float16"})


def convert(source: Path, target: Path, quantization: str | None, meter: Meter) -> tuple[PublishedFile, ...]:
    """Write the model in `source`, a transformers checkpoint, to `target`, an existing folder, in CTranslate2's format.

    Without a `quantization`, float16 and bfloat16 checkpoints become float16, float32 ones float32. However large the
    model is, a block of numbers at a time is read and written.

    Returns:
        Every file of the target, so that nobody needs to read it again to know its sha256.

    Raises:
        LoaderError: InvalidModel; SpecInvalid for an unknown quantization.
        OSError: of the volume.
    """
    wanted = check_quantization(quantization)
    checkpoint = read_checkpoint(source)
    quantization = wanted or ("float32" if checkpoint.dtype == "float32" else "float16")
    if quantization in _LOADED_AS_FLOAT16:
        checkpoint = replace(checkpoint, dtype="float16")
    spec = build_spec(checkpoint)
    try:
        spec.validate()
    except ValueError as error:
        raise invalid(f"the checkpoint's tensors do not fit together: {error}") from error
    plan = make_plan(spec, quantization)
    weights = write_weights(target / WEIGHTS, plan, meter)
    return weights, *_write_documents(checkpoint, spec, target)


def _write_documents(checkpoint: Checkpoint, spec: WhisperSpec, target: Path) -> list[PublishedFile]:
    spec.config.save_as_json(target / CONFIG)
    (target / VOCABULARY).write_text(vocabulary_json(checkpoint.vocabulary))
    copy_documents(checkpoint.directory, target, checkpoint.mel_bins)
    paths = [target / name for name in PUBLISHED_FILES if name != WEIGHTS]
    return [PublishedFile(path.name, path.stat().st_size, sha256_of(path)) for path in paths]
