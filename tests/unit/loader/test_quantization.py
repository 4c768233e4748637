from ctranslate2.specs.model_spec import ACCEPTED_MODEL_TYPES

from whisper_loader.model.quantization import QUANTIZATIONS


def test_what_can_be_asked_for_is_what_ctranslate2_accepts() -> None:
    assert set(QUANTIZATIONS) == set(ACCEPTED_MODEL_TYPES)
