"""The conversion gives, byte for byte, what CTranslate2's own converter gives."""

import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.checkpoints import (
    convert_model,
    copy_model,
    edit_json,
    make_sharded,
    make_uneven,
    make_variant,
    save_safetensors,
    weights,
)
from tests.support.loader import COMMAND, environment
from tests.support.models import FIXTURES, SPEECH_MODEL
from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.hashing import sha256_of
from whisper_loader.model.convert import convert
from whisper_loader.model.ct2 import read_header
from whisper_loader.model.validate import validate
from whisper_loader.progress import LineDisplay, Meter

OFFICIAL = json.loads((FIXTURES / "official-conversions.json").read_text())
CASES = [(weights, quantization) for weights, models in OFFICIAL["model.bin"].items() for quantization in models]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "float16": SPEECH_MODEL,
        "float32": make_variant(folder / "float32", "float32", "float32"),
        "bfloat16": make_variant(folder / "bfloat16", "bfloat16", "bfloat16"),
        "float32 as float16": make_variant(folder / "float32-as-float16", "float32", "float16"),
        "float32 as bfloat16": make_variant(folder / "float32-as-bfloat16", "float32", "bfloat16"),
    }


def converted(source: Path, target: Path, quantization: str | None = None) -> Path:
    target.mkdir()
    return convert_model(source, target, quantization)


@pytest.mark.slow
@pytest.mark.parametrize(("checkpoint", "quantization"), CASES)
def test_the_official_converter_makes_the_same_bytes(
    checkpoint: str, quantization: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    output = converted(checkpoints[checkpoint], tmp_path / "model", quantization)
    expected = {**OFFICIAL["same for all"], "model.bin": OFFICIAL["model.bin"][checkpoint][quantization]}
    assert {path.name: sha256_of(path) for path in output.iterdir()} == expected


def test_a_model_whose_sides_differ_in_layers_and_heads_is_converted_alike(tmp_path: Path) -> None:
    output = converted(make_uneven(tmp_path / "uneven"), tmp_path / "model", "int8_float16")
    assert {path.name: sha256_of(path) for path in output.iterdir()} == OFFICIAL["uneven, int8_float16"]


@pytest.mark.parametrize("shards", [1, 3])
def test_shards_give_what_the_single_file_gives(shards: int, tmp_path: Path) -> None:
    output = converted(make_sharded(tmp_path / "sharded", shards), tmp_path / "model", "float16")
    assert sha256_of(output / "model.bin") == OFFICIAL["model.bin"]["float16"]["float16"]


@pytest.mark.parametrize(
    ("checkpoint", "default"),
    [("float16", "float16"), ("bfloat16", "float16"), ("float32", "float32"), ("float32 as float16", "float16")],
)
def test_the_default_quantization_follows_the_checkpoint(
    checkpoint: str, default: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    output = converted(checkpoints[checkpoint], tmp_path / "model")
    assert sha256_of(output / "model.bin") == OFFICIAL["model.bin"][checkpoint][default]


def test_a_checkpoint_whose_config_names_no_type_is_taken_as_it_is_stored(tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source")
    edit_json(source / "config.json", dtype=None)
    output = converted(source, tmp_path / "model")
    assert sha256_of(output / "model.bin") == OFFICIAL["model.bin"]["float16"]["float16"]


def test_tensors_saved_without_the_output_layer_have_other_names_and_give_the_same(tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source", without=["model.safetensors"])
    renamed = {name.removeprefix("model."): values for name, values in weights().items()}
    save_safetensors(source / "model.safetensors", renamed, "float16")
    output = converted(source, tmp_path / "model")
    assert sha256_of(output / "model.bin") == OFFICIAL["model.bin"]["float16"]["float16"]


def test_without_generation_settings_the_config_and_the_tokenizer_give_them(tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source", without=["generation_config.json"])
    config = json.loads((converted(source, tmp_path / "model") / "config.json").read_text())
    assert config["suppress_ids_begin"] == [220, 50256], "from config.json"
    assert config["alignment_heads"] == [[1, 0], [1, 1]], "the upper half of the decoder"
    assert config["lang_ids"] == list(range(50259, 50358))


def test_the_files_are_told_with_their_hashes(tmp_path: Path) -> None:
    files = convert(SPEECH_MODEL, tmp_path, "int8", Meter(LineDisplay("convert", io.StringIO()), Deadline()))
    told = {file.path: (file.size, file.sha256) for file in files}
    assert told == {path.name: (path.stat().st_size, sha256_of(path)) for path in tmp_path.iterdir()}


def test_progress_counts_what_is_written_and_ends_at_the_whole(tmp_path: Path) -> None:
    lines = io.StringIO()
    (tmp_path / "model").mkdir()
    with Meter(LineDisplay("convert", lines), Deadline()) as meter:
        convert(SPEECH_MODEL, tmp_path / "model", "int8", meter)
    assert lines.getvalue().splitlines()[-1].startswith("progress step=convert percent=100 ")


@pytest.mark.parametrize(
    ("quantization", "recorded"),
    [("int8", "int8_float16"), ("int8_float32", "int8_float32"), ("int16", "int16"), ("bfloat16", "bfloat16")],
)
def test_the_header_tells_what_the_weights_are(quantization: str, recorded: str, tmp_path: Path) -> None:
    output = converted(SPEECH_MODEL, tmp_path / "model", quantization)
    assert read_header(output / "model.bin").quantization == recorded
    facts = validate(output)
    assert (facts.quantization, facts.mel_bins, facts.multilingual) == (recorded, 80, True)
    assert len(facts.languages) == 99
    assert facts.languages[:2] == ("en", "zh")


def test_the_command_converts_and_checks_where_there_is_no_network(tmp_path: Path) -> None:
    own_user = [] if os.getuid() == 0 else ["--map-root-user"]
    convert: tuple[str | Path, ...] = (
        COMMAND,
        "convert",
        SPEECH_MODEL,
        "-o",
        tmp_path / "model",
        "--quantization",
        "int8",
        "--json",
    )
    command = ("unshare", "--net", *own_user, *convert)
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["quantization"] == "int8_float16"
    assert sha256_of(tmp_path / "model/model.bin") == OFFICIAL["model.bin"]["float16"]["int8"]


def wrong(source: Path, target: Path) -> str:
    target.mkdir()
    with pytest.raises(LoaderError) as raised:
        convert(source, target, None, Meter(LineDisplay("convert", io.StringIO()), Deadline()))
    assert raised.value.reason is Reason.INVALID_MODEL
    return raised.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "config.json says model_type 'llama': this is not a Whisper model"),
        ({"model_type": None}, "this is not a Whisper model"),
        ({"vocab_size": "many"}, "config.json has no sensible vocab_size"),
        ({"vocab_size": 50_000}, "config.json says vocab_size 50000, and there are embeddings for 51865 tokens"),
        ({"encoder_layers": None}, "config.json has no sensible encoder_layers"),
        ({"encoder_attention_heads": 10**9}, "config.json has no sensible encoder_attention_heads"),
        ({"encoder_layers": 257}, "config.json has no sensible encoder_layers"),
        ({"num_mel_bins": 128}, "config.json says num_mel_bins 128, and the first convolution takes 80 mel bands"),
        ({"decoder_layers": 3}, "the checkpoint has no tensor model.decoder.layers.2"),
    ],
)
def test_a_config_that_does_not_fit_is_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source")
    edit_json(source / "config.json", **change)
    assert message in wrong(source, tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b"[" * 100_000, b"\xff\xfe"])
def test_a_broken_document_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source", without=[name])
    (source / name).write_bytes(content)
    assert name in wrong(source, tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_document_is_named(name: str, tmp_path: Path) -> None:
    assert f"{name} is missing" in wrong(copy_model(tmp_path / "source", without=[name]), tmp_path / "model")


def test_what_failed_the_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source")
    edit_json(source / "preprocessor_config.json", feature_size=128)
    message = "preprocessor_config.json says feature_size 128, and the first convolution takes 80 mel bands"
    assert wrong(source, tmp_path / "model") == message
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.parametrize("quantization", ["int8_float16", "int16"])
def test_numbers_that_are_none_can_not_become_integers(quantization: str, tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source", without=["model.safetensors"])
    tensors = weights()
    tensors["model.decoder.layers.1.fc2.weight"][3, 5] = float("inf")
    save_safetensors(source / "model.safetensors", tensors, "float16")
    (tmp_path / "model").mkdir()
    with pytest.raises(LoaderError, match="infinite or no numbers"):
        convert_model(source, tmp_path / "model", quantization)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source", without=["model.safetensors"])
    tensors = weights()
    del tensors["model.decoder.layers.1.fc2.weight"]
    save_safetensors(source / "model.safetensors", tensors, "float16")
    assert wrong(source, tmp_path / "model") == "the checkpoint has no tensor model.decoder.layers.1.fc2.weight"


def test_tensors_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source", without=["model.safetensors"])
    tensors = weights()
    name = "model.encoder.layers.0.self_attn.v_proj.weight"
    tensors[name] = tensors[name][:, :64]
    save_safetensors(source / "model.safetensors", tensors, "float16")
    assert "do not fit together" in wrong(source, tmp_path / "model")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    source = make_sharded(tmp_path / "source", 2)
    (source / "model-00002-of-00002.safetensors").unlink()
    assert "'model-00002-of-00002.safetensors'" in wrong(source, tmp_path / "model")


@pytest.mark.parametrize("weight_map", [None, {"x": "../../etc/passwd"}, {"x": 7}])
def test_an_index_that_points_elsewhere_is_refused(weight_map: object, tmp_path: Path) -> None:
    source = make_sharded(tmp_path / "source", 2)
    edit_json(source / "model.safetensors.index.json", weight_map=weight_map)
    assert "model.safetensors.index.json" in wrong(source, tmp_path / "model")
