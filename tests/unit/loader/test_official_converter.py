"""CTranslate2's own converter, where there is one that runs, makes what ours makes; what it once made is recorded.

It needs torch and transformers, which this project does not install: give the converter's path in OFFICIAL_CONVERTER.
"""

import os
import subprocess
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.checkpoints import convert_model, make_uneven, make_variant
from tests.support.models import SPEECH_MODEL
from tests.support.stores import contents
from whisper_loader.model.quantization import QUANTIZATIONS

pytestmark = pytest.mark.slow

OWN = Path(sysconfig.get_path("scripts"), "ct2-transformers-converter") if find_spec("torch") else None
# Each run of it takes ten seconds: of other checkpoints than the usual one, what rounds in different ways.
ROUNDED = ("float16", "int8_float16")
CONVERTER = os.environ.get("OFFICIAL_CONVERTER", OWN)


def official(source: Path, target: Path, quantization: str) -> Path:
    copied = ("--copy_files", "tokenizer.json", "preprocessor_config.json")
    assert CONVERTER is not None
    command = (CONVERTER, "--model", source, "--quantization", quantization, "--output_dir", target, *copied)
    subprocess.run(command, check=True, capture_output=True)
    return target


def ours(source: Path, target: Path, quantization: str) -> Path:
    target.mkdir()
    return convert_model(source, target, quantization)


@pytest.mark.skipif(
    CONVERTER is None, reason="there is no torch, and OFFICIAL_CONVERTER names no converter that has it"
)
@pytest.mark.timeout(1800)
def test_both_converters_make_the_same_bytes_of_every_type_of_weights(tmp_path: Path) -> None:
    sources = {
        SPEECH_MODEL: QUANTIZATIONS,
        make_variant(tmp_path / "float32", "float32", "float32"): ROUNDED,
        make_variant(tmp_path / "bfloat16", "bfloat16", "bfloat16"): ROUNDED,
        make_variant(tmp_path / "float32-as-bfloat16", "float32", "bfloat16"): ROUNDED,
        make_uneven(tmp_path / "uneven"): ROUNDED[-1:],
    }
    for source, quantizations in sources.items():
        for quantization in quantizations:
            place = tmp_path / f"{source.name} as {quantization}"
            place.mkdir()
            made = contents(ours(source, place / "ours", quantization))
            assert made == contents(official(source, place / "official", quantization)), place.name
