"""What the bytes of a request are: told by their first bytes and by what the client says of them.

FFmpeg is always told which demuxer to use, one of those named here, and never asked to find out. Its own probing also
knows playlists and session descriptions, which open files and ports, and takes headerless samples for MP3.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from whisper_server.errors import InvalidRequestError

#: Sampling rates in Hz that are taken: from telephone codecs to studio recordings.
MIN_RATE, MAX_RATE = 4_000, 384_000
MAX_CHANNELS = 32

#: WAV writers that cannot seek back leave 0 or about 2³¹ or 2³² as the size.
_UNKNOWN_RIFF_SIZE = 0x7FFF_0000
#: Some writers count the header's own bytes, or forget those of trailing chunks.
_RIFF_SLACK_BYTES = 64


class Encoding(StrEnum):
    """What a client says that its audio is."""

    ANY = "any container"
    LINEAR_PCM = "LINEAR_PCM"
    FLAC = "FLAC"
    MULAW = "MULAW"
    ALAW = "ALAW"
    OGG_OPUS = "OGGOPUS"


@dataclass(frozen=True, slots=True)
class AudioHint:
    """What a client says of the bytes that it sends.

    Attributes:
        encoding: what they are.
        sample_rate: in Hz, of headerless audio; 0 when not given. A container's own wins.
        channels: interleaved in headerless audio; 0 means 1.
    """

    encoding: Encoding = Encoding.ANY
    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """Audio as it came, whole.

    Attributes:
        data: the bytes.
        hint: what the client says of them.
    """

    data: bytes = field(repr=False)
    hint: AudioHint = AudioHint()


@dataclass(frozen=True, slots=True)
class Format:
    """How FFmpeg is to read audio.

    Attributes:
        name: for people.
        demuxer: FFmpeg's name (https://ffmpeg.org/ffmpeg-formats.html).
        states_length: whether the container's header tells the length, so that a cut one shows.
        needs_seeking: False where FFmpeg, knowing the file's size, would estimate a length that no header states.
        options: of the demuxer.
    """

    name: str
    demuxer: str
    states_length: bool = False
    needs_seeking: bool = True
    options: dict[str, str] = field(default_factory=dict)


_WAV = Format("WAV", "wav")
_FLAC = Format("FLAC", "flac", states_length=True)
_OGG = Format("Ogg", "ogg")
_MP4 = Format("MP4", "mp4", states_length=True)
_MATROSKA = Format("Matroska or WebM", "matroska", states_length=True, needs_seeking=False)
_MP3 = Format("MP3", "mp3")
_AAC = Format("AAC", "aac")
_AMR = Format("AMR", "amr")
_AIFF = Format("AIFF", "aiff", states_length=True)
_CAF = Format("CAF", "caf")
_AU = Format("AU", "au", states_length=True)

_MAGIC: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"RIFF", _WAV),
    (0, b"RF64", _WAV),
    (0, b"fLaC", _FLAC),
    (0, b"OggS", _OGG),
    (4, b"ftyp", _MP4),
    (0, b"\x1aE\xdf\xa3", _MATROSKA),
    (0, b"ID3", _MP3),
    (0, b"#!AMR", _AMR),
    (0, b"FORM", _AIFF),
    (0, b"caff", _CAF),
    (0, b".snd", _AU),
)

#: Mask and bits of a frame's first two bytes.
_SYNC_WORDS: tuple[tuple[int, int, Format], ...] = ((0xFFF6, 0xFFF0, _AAC), (0xFFE6, 0xFFE2, _MP3))

_HEADERLESS = {Encoding.LINEAR_PCM: "s16le", Encoding.MULAW: "mulaw", Encoding.ALAW: "alaw"}

_CONTAINERS_OF = {
    Encoding.LINEAR_PCM: (_WAV,),
    Encoding.MULAW: (_WAV,),
    Encoding.ALAW: (_WAV,),
    Encoding.FLAC: (_FLAC,),
    Encoding.OGG_OPUS: (_OGG,),
}


def choose_format(audio: EncodedAudio) -> Format:
    """Return how to read `audio`.

    Raises:
        InvalidRequestError: when it is empty, not what the client says, cut short, or of no known kind.
    """
    if not audio.data:
        raise InvalidRequestError("the request holds no audio")
    found = _by_magic(audio.data)
    if audio.hint.encoding is Encoding.ANY:
        return _choose_any(audio, found or _by_sync_word(audio.data))
    if found is None and audio.hint.encoding in _HEADERLESS:
        return _headerless(audio, audio.hint.encoding)
    if found is None or found not in _CONTAINERS_OF[audio.hint.encoding]:
        what = "something else" if found is None else found.name
        raise InvalidRequestError(
            f"the request says that its audio is {audio.hint.encoding}, and it is {what}: "
            "correct the encoding, or leave it unspecified"
        )
    return _checked(found, audio.data)


def _choose_any(audio: EncodedAudio, found: Format | None) -> Format:
    if found is not None:
        return _checked(found, audio.data)
    if audio.hint.sample_rate == 0:
        raise InvalidRequestError(
            "the audio is in no container known here "
            "(WAV, FLAC, Ogg, MP3, MP4, Matroska, WebM, AAC, AMR, AIFF, CAF, AU), "
            "and headerless samples need an encoding and a sample rate"
        )
    return _headerless(audio, Encoding.LINEAR_PCM)


def _headerless(audio: EncodedAudio, encoding: Encoding) -> Format:
    check_rate(audio.hint.sample_rate)
    channels = audio.hint.channels or 1
    if not 1 <= channels <= MAX_CHANNELS:
        raise InvalidRequestError(f"headerless audio of {channels} channels cannot be read: 1 to {MAX_CHANNELS} can")
    options = {
        "sample_rate": str(audio.hint.sample_rate),
        "ch_layout": {1: "mono", 2: "stereo"}.get(channels, f"{channels}C"),
    }
    return Format(f"headerless {encoding}", _HEADERLESS[encoding], options=options)


def check_rate(rate: int) -> None:
    """Raise InvalidRequestError unless `rate`, in Hz, is one that is taken."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidRequestError(f"a sample rate of {rate} Hz cannot be read: {MIN_RATE} to {MAX_RATE} Hz can")


def _by_magic(data: bytes) -> Format | None:
    for offset, magic, found in _MAGIC:
        if data.startswith(magic, offset):
            return found
    return None


def _by_sync_word(data: bytes) -> Format | None:
    """Tell MP3 and AAC frames without a tag: eleven or twelve set bits, then version and layer.

    Headerless samples may begin like that too, so it counts only where the client says nothing.
    """
    head = int.from_bytes(data[:2])
    for mask, bits, found in _SYNC_WORDS:
        if head & mask == bits:
            return found
    return None


def _checked(found: Format, data: bytes) -> Format:
    """FFmpeg reads what there is of a WAV file and keeps silent about the rest, so its size is compared here."""
    if found is _WAV and data.startswith(b"RIFF"):
        size = int.from_bytes(data[4:8], "little")
        if size < _UNKNOWN_RIFF_SIZE and size > len(data) + _RIFF_SLACK_BYTES:
            raise InvalidRequestError(
                f"the audio is cut short: {len(data)} of the {size + 8} bytes of its WAV file are here"
            )
    return found
