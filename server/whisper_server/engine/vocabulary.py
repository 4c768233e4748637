"""The model's tokens: text to numbers and back, and the ones with a meaning of their own."""

import functools
from collections.abc import Sequence

import tokenizers
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer

from whisper_server.engine.options import Task
from whisper_server.errors import InvalidRequestError

#: How many seconds one step of a timestamp token is.
TIME_PRECISION = 0.02
#: Stands in a request's suppressed tokens for the symbols that are no speech.
NON_SPEECH = -1


class Vocabulary:
    """Whisper's tokens as one model numbers them; for use by several threads.

    Attributes:
        multilingual: whether language and task have tokens.
        languages: Whisper's codes of those that the model knows.
        end_of_text: the token that ends a text; all below are text.
        no_timestamps: tells the model to write no times.
        timestamp_begin: the first of the times; all from here on are times.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, *, multilingual: bool) -> None:
        self._hf = tokenizer
        self.multilingual = multilingual
        known = (code for code in _LANGUAGE_CODES if tokenizer.token_to_id(f"<|{code}|>") is not None)
        self.languages = frozenset(known) if multilingual else frozenset({"en"})
        plain = Tokenizer(tokenizer, multilingual, task=Task.TRANSCRIBE.value, language="en")
        self._plain = plain
        self.end_of_text: int = plain.eot
        self.no_timestamps: int = plain.no_timestamps
        self.timestamp_begin: int = plain.timestamp_begin
        self.previous: int = plain.sot_prev
        self._for = functools.cache(self._make)

    def _make(self, language: str, task: Task) -> Tokenizer:
        return Tokenizer(self._hf, self.multilingual, task=task.value, language=language)

    def language_token(self, language: str) -> int:
        """Return the token of one of `languages`."""
        return int(self._hf.encode(f"<|{language}|>", add_special_tokens=False).ids[0])

    def start_sequence(self, language: str, task: Task) -> list[int]:
        """Return the start-of-transcript token, and those of language and task where the model has them.

        Raises:
            InvalidRequestError: when the model does not know the language, or can't translate.
        """
        if language not in self.languages:
            raise InvalidRequestError(f"language {language[:40]!r} is not one that this model knows")
        if task is Task.TRANSLATE and not self.multilingual:
            raise InvalidRequestError("this model knows English only and cannot translate")
        return list(self._for(language, task).sot_sequence)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text`, special ones left out.

        The tokenizer takes a text such as <|startoftranscript|> for the token. CTranslate2 looks for that one in each
        prompt, so one in a caller's text would fail every row that shares a batch with it.
        """
        return list(self.text_tokens(self._plain.encode(text)))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens`, times and other special ones left out."""
        return str(self._plain.decode(list(tokens)))

    def text_tokens(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Return those of `tokens` that are text."""
        return tuple(token for token in tokens if token < self.end_of_text)

    def split_words(self, tokens: Sequence[int], language: str) -> tuple[list[str], list[list[int]]]:
        """Return the words of text tokens, and the tokens of each; where none are separated, every letter is one."""
        tokenizer = self._for(language, Task.TRANSCRIBE) if self.multilingual else self._plain
        words, word_tokens = tokenizer.split_to_word_tokens([*tokens, self.end_of_text])
        return words[:-1], word_tokens[:-1]

    @functools.cached_property
    def _size(self) -> int:
        return int(self._hf.get_vocab_size())

    @functools.cached_property
    def _never_written(self) -> frozenset[int]:
        plain = self._plain
        special = (plain.transcribe, plain.translate, plain.sot, plain.sot_prev, plain.sot_lm, plain.no_speech)
        return frozenset(token for token in special if token is not None)

    @functools.lru_cache(maxsize=64)  # noqa: B019 - there is one vocabulary in a process, and it stays
    def suppressed(self, wished: tuple[int, ...]) -> tuple[int, ...]:
        """Return the tokens that must not be written when `wished` shall not be.

        Raises:
            InvalidRequestError: when one of them does not exist.
        """
        if not wished:
            return ()
        named = [token for token in wished if token != NON_SPEECH]
        if wrong := [token for token in named if not 0 <= token < self._size]:
            raise InvalidRequestError(f"there is no token {wrong[0]} to suppress: they go from 0 to {self._size - 1}")
        symbols = self._plain.non_speech_tokens if NON_SPEECH in wished else ()
        return tuple(sorted({*named, *symbols, *self._never_written}))
