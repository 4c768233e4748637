"""Writing a transcription that is all there."""

from whisper_server.cues.spoken import Spoken
from whisper_server.cues.writers import Format, writer_of


def render(form: Format, spoken: Spoken, audio_seconds: float) -> str:
    """Return the document of `form` that says what was said in a recording of `audio_seconds`."""
    writer = writer_of(form)
    parts = [writer.begin(spoken.language), *map(writer.write, spoken.segments), writer.finish(audio_seconds)]
    return "".join(parts)
