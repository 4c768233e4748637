"""Makes a CTranslate2 model of a transformers checkpoint, without torch and transformers.

The result is, byte for byte, what CTranslate2's own converter makes:
`ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json`.
"""

from pathlib import Path

from ctranslate2.specs.whisper_spec import WhisperSpec

from whisper_loader.model.checkpoint import build_spec, read_checkpoint
from whisper_loader.model.documents import invalid
from whisper_loader.model.quantization import check_quantization
from whisper_loader.model.variables import CheckpointVariable
from whisper_loader.progress import Meter


def convert(source: Path, target: Path, quantization: str | None, meter: Meter) -> None:
    """Write the model in `source`, a transformers checkpoint, to `target`, an existing folder, in CTranslate2's format.

    Without a `quantization`, float16 and bfloat16 checkpoints become float16, float32 ones float32.

    Raises:
        LoaderError: InvalidModel; SpecInvalid for an unknown quantization.
        OSError: of the volume.
    """
    checkpoint = read_checkpoint(source)
    spec = build_spec(checkpoint, meter)
    wanted = check_quantization(quantization) or ("float32" if checkpoint.dtype == "float32" else "float16")
    try:
        spec.validate()
        meter.start(_stored_bytes(spec))
        spec.optimize(quantization=wanted)
        spec.save(str(target))
    except ValueError as error:
        # numpy's and CTranslate2's word for shapes that do not fit one another.
        raise invalid(f"the checkpoint's tensors do not fit together: {error}") from error


def _stored_bytes(spec: WhisperSpec) -> int:
    """Bytes to read: what two variables share (input and output embeddings) is written once."""
    variables = (value for value in spec.variables().values() if isinstance(value, CheckpointVariable))
    return sum({variable.parts: variable.stored_bytes for variable in variables}.values())
