"""What the model is given before it writes, and what rows of a batch have in common."""

from dataclasses import replace
from typing import Any

import pytest
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from tests.unit.server.engines import model
from whisper_server.engine.loading import LoadedModel
from whisper_server.engine.options import DecodingOptions, Task
from whisper_server.engine.prompts import MAX_LENGTH, Before, Prompt, encode_prompt, make_key, make_prompt
from whisper_server.engine.vocabulary import Vocabulary
from whisper_server.errors import InvalidRequestError

__all__ = ["model"]

_NOTHING = Before()
LONG = "close the window and open the door " * 60


class _Prompter(WhisperModel):  # type: ignore[misc]  # it ships no types
    """faster-whisper's prompts, without its model."""

    def __init__(self) -> None:
        self.max_length = MAX_LENGTH


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("prefix", [None, " Close the"])
@pytest.mark.parametrize("hotwords", [None, "radio, window", LONG])
@pytest.mark.parametrize("previous", [(), tuple(range(50)), tuple(range(400))])
def test_prompts_are_those_of_faster_whisper(
    model: LoadedModel, previous: tuple[int, ...], hotwords: str | None, prefix: str | None, *, timestamps: bool
) -> None:
    vocabulary = model.vocabulary
    tokenizer = Tokenizer(vocabulary._hf, True, task="translate", language="ko")
    theirs = _Prompter().get_prompt(tokenizer, list(previous), not timestamps, prefix, hotwords)
    ours = make_prompt(vocabulary, Before(previous, hotwords, prefix), "ko", Task.TRANSLATE, timestamps=timestamps)
    assert ours.tokens[ours.start] == tokenizer.sot
    assert ours.tokens[ours.start + 1] == vocabulary.language_token("ko")
    if len(theirs) <= MAX_LENGTH - 64:
        assert list(ours.tokens) == theirs
    else:
        assert len(ours.tokens) == MAX_LENGTH - 64, "earlier text gives way to what is said"


def test_an_initial_prompt_begins_as_a_word_where_faster_whisper_makes_it_one(model: LoadedModel) -> None:
    vocabulary = model.vocabulary
    assert encode_prompt(vocabulary, " Close ", stripped=True) == vocabulary.encode(" Close")
    assert encode_prompt(vocabulary, "Close ", stripped=False) == vocabulary.encode("Close ")
    assert encode_prompt(vocabulary, None, stripped=True) == ()


@pytest.mark.parametrize("text", ["a <|startoftranscript|>", "<|endoftext|> a <|0.00|>", "<|startofprev|><|ko|> a"])
def test_a_callers_text_brings_none_of_the_models_own_tokens(model: LoadedModel, text: str) -> None:
    vocabulary = model.vocabulary
    earlier = tuple(encode_prompt(vocabulary, text, stripped=True))
    for before in (Before(earlier, hotwords=text), Before(earlier, prefix=text)):
        prompt = make_prompt(vocabulary, before, "en", Task.TRANSCRIBE, timestamps=False)
        sequence = [*vocabulary.start_sequence("en", Task.TRANSCRIBE), vocabulary.no_timestamps]
        own = [token for token in prompt.tokens if token >= vocabulary.end_of_text]
        assert own == [vocabulary.previous, *sequence]


def test_rows_share_a_batch_only_when_all_that_holds_for_it_is_equal(model: LoadedModel) -> None:
    def key(decoding: DecodingOptions, before: Before = _NOTHING, language: str = "en") -> object:
        prompt = make_prompt(model.vocabulary, before, language, Task.TRANSCRIBE, timestamps=decoding.timestamps)
        return make_key(model.vocabulary, decoding, prompt, decoding.temperatures[0])

    plain = DecodingOptions()
    assert key(plain, language="ko") == key(plain), "languages may differ by row"
    different = [
        *(replace(plain, **{name: value}) for name, value in _OTHERS.items()),
        *(replace(plain, suppress_tokens=tokens) for tokens in ((), (-1, 1234))),
    ]
    keys = {key(plain), key(plain, Before((1,))), key(plain, Before(prefix="a")), *map(key, different)}
    assert len(keys) == 3 + len(different)


def test_prompts_of_one_length_that_begin_in_different_places_share_no_batch(model: LoadedModel) -> None:
    """CTranslate2 looks for the start of the transcript once for a batch."""
    earlier, later = (
        make_prompt(model.vocabulary, before, "en", Task.TRANSCRIBE, timestamps=False)
        for before in (Before(prefix="the red"), Before((1,)))
    )
    assert (len(earlier.tokens), earlier.start, later.start) == (len(later.tokens), 0, 2)
    keys = [make_key(model.vocabulary, DecodingOptions(), prompt, 0.0) for prompt in (earlier, later)]
    assert keys[0] != keys[1]


_OTHERS: dict[str, Any] = {
    "beam_size": 4,
    "patience": 2.0,
    "length_penalty": 0.5,
    "repetition_penalty": 1.5,
    "no_repeat_ngram_size": 3,
    "temperatures": (0.2,),
    "suppress_blank": False,
    "timestamps": True,
    "max_initial_timestamp": 2.0,
    "max_new_tokens": 20,
    "alternatives": 3,
}


def test_above_temperature_0_samples_are_drawn_from_all_tokens(model: LoadedModel) -> None:
    prompt = make_prompt(model.vocabulary, Before(), "en", Task.TRANSCRIBE, timestamps=False)
    arguments = make_key(model.vocabulary, DecodingOptions(best_of=3), prompt, 0.4).arguments()
    assert (arguments["sampling_topk"], arguments["sampling_temperature"]) == (0, 0.4)
    assert (arguments["beam_size"], arguments["num_hypotheses"]) == (1, 3)


@pytest.mark.parametrize(("wished", "prompt", "length"), [(None, 4, 448), (10, 4, 20), (10, 100, 110), (224, 300, 448)])
def test_as_many_new_tokens_are_written_as_asked_for(
    model: LoadedModel, wished: int | None, prompt: int, length: int
) -> None:
    """CTranslate2 writes at most half of `max_length`, and what the prompt leaves of it."""
    key = make_key(model.vocabulary, DecodingOptions(max_new_tokens=wished), Prompt((1,) * prompt, 0), 0.0)
    assert key.max_length == length


def test_what_the_model_does_not_know_is_refused(model: LoadedModel) -> None:
    english = Vocabulary(model.vocabulary._hf, multilingual=False)
    for vocabulary, language, task in (
        (model.vocabulary, "xx", Task.TRANSCRIBE),
        (model.vocabulary, "transcribe", Task.TRANSCRIBE),
        (english, "ko", Task.TRANSCRIBE),
        (english, "en", Task.TRANSLATE),
    ):
        with pytest.raises(InvalidRequestError):
            vocabulary.start_sequence(language, task)
    with pytest.raises(InvalidRequestError, match="there is no token 99999 to suppress"):
        model.vocabulary.suppressed((99_999,))


def test_an_english_only_model_has_no_tokens_for_language_and_task(model: LoadedModel) -> None:
    english = Vocabulary(model.vocabulary._hf, multilingual=False)
    assert len(english.start_sequence("en", Task.TRANSCRIBE)) == 1
