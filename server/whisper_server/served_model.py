"""What callers can know of the model that is served, and the checks that need nothing else."""

from dataclasses import dataclass

from whisper_server.engine.options import Task
from whisper_server.errors import InvalidRequestError, NotFoundError


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model as callers see it.

    Attributes:
        names: what they may call it; the first is the default.
        digest: hex digest of its artifact.
        languages: Whisper's codes of the languages that it knows.
        multilingual: whether it takes a language and can translate.
        times_words: whether it can tell when each word was said.
        device: where it runs: cpu or cuda.
        compute_type: how it calculates, as CTranslate2 names it.
        created: when it was published, in seconds since 1970; 0 when that is not known.
    """

    names: tuple[str, ...]
    digest: str
    languages: tuple[str, ...]
    multilingual: bool
    times_words: bool
    device: str
    compute_type: str
    created: int = 0

    def resolve_name(self, name: str) -> str:
        """Return the name itself, or the default for an empty one; NotFoundError, with the list, for another."""
        if not name:
            return self.names[0]
        if name not in self.names:
            raise NotFoundError(f"no model {name[:100]!r} is served here, only {', '.join(self.names)}")
        return name

    def check_word_times(self) -> None:
        """Raise InvalidRequestError when the model cannot tell when each word was said."""
        if not self.times_words:
            raise InvalidRequestError("this model names no alignment heads and cannot tell the times of words")

    def check_task(self, task: Task) -> None:
        """Raise InvalidRequestError when the model cannot do `task`."""
        if task is Task.TRANSLATE and not self.multilingual:
            raise InvalidRequestError("this model knows English only and cannot translate")
