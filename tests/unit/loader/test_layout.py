"""Which files of a listing make a model; what is no model that can be read is named, with what mends it."""

import pytest

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.model.layout import ModelFormat, find_model

CTRANSLATE2 = {"model.bin", "config.json", "tokenizer.json", "preprocessor_config.json"}
CHECKPOINT = {"model.safetensors", "config.json", "generation_config.json", "preprocessor_config.json"}
PARTS = {"vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json"}


@pytest.mark.parametrize(
    ("present", "form", "wanted"),
    [
        (CTRANSLATE2 | {"vocabulary.json", "README.md"}, ModelFormat.CTRANSLATE2, CTRANSLATE2 | {"vocabulary.json"}),
        (CTRANSLATE2 | {"vocabulary.txt"}, ModelFormat.CTRANSLATE2, CTRANSLATE2 | {"vocabulary.txt"}),
        (
            CTRANSLATE2 | {"vocabulary.json", "vocabulary.txt"} | PARTS,
            ModelFormat.CTRANSLATE2,
            CTRANSLATE2 | {"vocabulary.json"},
        ),
        ({"model.bin", "config.json"} | PARTS, ModelFormat.CTRANSLATE2, {"model.bin", "config.json"} | PARTS),
        (CHECKPOINT | PARTS | {"normalizer.json"}, ModelFormat.TRANSFORMERS, CHECKPOINT | PARTS),
        (CHECKPOINT | PARTS | {"tokenizer.json"}, ModelFormat.TRANSFORMERS, CHECKPOINT | {"tokenizer.json"}),
        (CHECKPOINT | {"adapter_config.json", "pytorch_model.bin"}, ModelFormat.TRANSFORMERS, CHECKPOINT),
    ],
)
def test_only_what_the_model_needs_is_taken(present: set[str], form: ModelFormat, wanted: set[str]) -> None:
    found = find_model(present)
    assert found.format is form
    assert set(found.names) == wanted
    assert len(found.names) == len(wanted)


@pytest.mark.parametrize(
    ("present", "what", "mend"),
    [
        ({"pytorch_model.bin", "config.json"}, "pickles (pytorch_model.bin)", "W.from_pretrained('DIR')"),
        ({"pytorch_model-00001-of-00002.bin", "config.json"}, "as pickles", "W.from_pretrained('DIR')"),
        ({"large-v3.pt"}, "pickles (large-v3.pt)", "convert_openai_to_hf.py"),
        ({"ggml-base.en.bin"}, "whisper.cpp (ggml-base.en.bin)", "take the checkpoint"),
        ({"whisper-large-q5.gguf"}, "whisper.cpp", "take the checkpoint"),
        (
            {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"},
            "a LoRA adapter (adapter_config.json, adapter_model.safetensors)",
            "merge_and_unload()",
        ),
        ({"README.md", "flax_model.msgpack"}, "found README.md, flax_model.msgpack", "model.safetensors"),
        (set(), "the folder is empty", "model.safetensors"),
        ({"whisper/", "README.md"}, "found README.md, whisper/", "at the top, or in one folder around them"),
    ],
)
def test_what_is_no_model_here_is_named_with_what_mends_it(present: set[str], what: str, mend: str) -> None:
    with pytest.raises(LoaderError) as raised:
        find_model(present)
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT
    assert what in raised.value.message
    assert mend in raised.value.message
    assert "{" not in raised.value.message
