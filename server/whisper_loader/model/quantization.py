"""The types of weights that can be asked for. Apart from the conversion, which takes half a second to import."""

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

#: As CTranslate2 names them.
QUANTIZATIONS = (
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
    "int16",
    "float16",
    "bfloat16",
    "float32",
)


def check_quantization(quantization: str | None) -> str | None:
    """Return `quantization`, None for an empty one; LoaderError SpecInvalid when CTranslate2 knows no such type."""
    if quantization and quantization not in QUANTIZATIONS:
        known = ", ".join(QUANTIZATIONS)
        raise LoaderError(Reason.SPEC_INVALID, f"no quantization is called {quantization!r}: there are {known}")
    return quantization or None
