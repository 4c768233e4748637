"""What the bytes of a request are: told by their first bytes and by what the client says of them.

FFmpeg is always told which demuxer to use, one of those named here, and never asked to find out. Its own probing also
knows playlists and session descriptions, which open files and ports, and takes headerless samples for MP3.
"""

from dataclasses import dataclass
from enum import StrEnum

from whisper_server.audio.pcm import PcmFormat
from whisper_server.errors import InvalidRequestError

#: So many bytes tell a format.
HEAD_BYTES = 12


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
class Container:
    """How FFmpeg is to read a file.

    Attributes:
        name: for people.
        demuxer: FFmpeg's name (https://ffmpeg.org/ffmpeg-formats.html).
        states_length: whether the header tells the length, so that a cut one shows.
        needs_seeking: whether what says how to read it may stand behind what is to be read.
    """

    name: str
    demuxer: str
    states_length: bool = False
    needs_seeking: bool = False


WAV = Container("WAV", "wav")
_FLAC = Container("FLAC", "flac", states_length=True)
_OGG = Container("Ogg", "ogg")
_MP4 = Container("MP4", "mp4", states_length=True, needs_seeking=True)
_MATROSKA = Container("Matroska or WebM", "matroska", states_length=True)
_MP3 = Container("MP3", "mp3")
_AAC = Container("AAC", "aac")
_AMR = Container("AMR", "amr")
_AIFF = Container("AIFF", "aiff", states_length=True, needs_seeking=True)
_CAF = Container("CAF", "caf", needs_seeking=True)
_AU = Container("AU", "au", states_length=True)

_MAGIC: tuple[tuple[int, bytes, Container], ...] = (
    (0, b"RIFF", WAV),
    (0, b"RF64", WAV),
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
_SYNC_WORDS: tuple[tuple[int, int, Container], ...] = ((0xFFF6, 0xFFF0, _AAC), (0xFFE6, 0xFFE2, _MP3))

#: FFmpeg's decoder, and the bytes of a sample.
_HEADERLESS = {Encoding.LINEAR_PCM: ("pcm_s16le", 2), Encoding.MULAW: ("pcm_mulaw", 1), Encoding.ALAW: ("pcm_alaw", 1)}

_CONTAINERS_OF = {
    Encoding.LINEAR_PCM: (WAV,),
    Encoding.MULAW: (WAV,),
    Encoding.ALAW: (WAV,),
    Encoding.FLAC: (_FLAC,),
    Encoding.OGG_OPUS: (_OGG,),
}


def choose_format(head: bytes, hint: AudioHint) -> Container | PcmFormat:
    """Return how to read the audio that begins with `head`: `HEAD_BYTES`, or all there is.

    Raises:
        InvalidRequestError: when it is empty, not what the client says, or of no known kind.
    """
    if not head:
        raise InvalidRequestError("the request holds no audio")
    found = _by_magic(head)
    if hint.encoding is Encoding.ANY:
        return found or _by_sync_word(head) or _guessed(hint)
    if found is None and hint.encoding in _HEADERLESS:
        return _headerless(hint, hint.encoding)
    if found is None or found not in _CONTAINERS_OF[hint.encoding]:
        what = "something else" if found is None else found.name
        raise InvalidRequestError(
            f"the request says that its audio is {hint.encoding}, and it is {what}: "
            "correct the encoding, or leave it unspecified"
        )
    return found


def _guessed(hint: AudioHint) -> PcmFormat:
    if hint.sample_rate == 0:
        raise InvalidRequestError(
            "the audio is in no container known here "
            "(WAV, FLAC, Ogg, MP3, MP4, Matroska, WebM, AAC, AMR, AIFF, CAF, AU), "
            "and headerless samples need an encoding and a sample rate"
        )
    return _headerless(hint, Encoding.LINEAR_PCM)


def _headerless(hint: AudioHint, encoding: Encoding) -> PcmFormat:
    return PcmFormat(f"headerless {encoding}", *_HEADERLESS[encoding], hint.sample_rate, hint.channels or 1)


def _by_magic(head: bytes) -> Container | None:
    for offset, magic, found in _MAGIC:
        if head.startswith(magic, offset):
            return found
    return None


def _by_sync_word(head: bytes) -> Container | None:
    """Tell MP3 and AAC frames without a tag: eleven or twelve set bits, then version and layer.

    Headerless samples may begin like that too, so it counts only where the client says nothing.
    """
    bits = int.from_bytes(head[:2])
    for mask, wanted, found in _SYNC_WORDS:
        if bits & mask == wanted:
            return found
    return None
