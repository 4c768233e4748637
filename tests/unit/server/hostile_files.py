"""What people and machines send as audio that is none, or not what it is said to be."""

import functools
import random
import struct
from collections.abc import Callable

import numpy as np

from tests.unit.server.audio_files import RATE, encode, tone, wav

#: Texts that FFmpeg, left to itself, would take for lists of files and addresses to open.
TEXTS = (
    b"ffconcat version 1.0\nfile '/etc/passwd'\nduration 1\n",
    b"ffconcat version 1.0\nfile 'http://127.0.0.1:1/x.wav'\n",
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"[playlist]\nFile1=/etc/passwd\nNumberOfEntries=1\n",
    b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>http://127.0.0.1:1/</BaseURL></MPD>",
    b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    b"data:audio/wav;base64,UklGRg==",
    b"concat:/etc/passwd|/etc/hosts",
    b"subfile,,start,0,end,100,,:/etc/passwd",
    b"{}",
    b"%PDF-1.7\n",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\x06\x00\x00\x00",
    b"PK\x03\x04" + bytes(64),
    b"\x1f\x8b\x08" + bytes(64),
)


@functools.cache
def files() -> tuple[bytes, ...]:
    """Return decent files of most kinds, two seconds of a tone each, in which nothing is said."""
    formats = (("flac", "flac"), ("ogg", "libopus"), ("mp3", "libmp3lame"), ("mp4", "aac"), ("matroska", "libopus"))
    return (wav(tone()), *(encode(container, codec, 48_000) for container, codec in formats))


def _riff(
    data: bytes, *, kind: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, claims: int = -1
) -> bytes:
    """Return a WAV file whose header says anything."""
    block = (channels * bits // 8) & 0xFFFF
    header = struct.pack("<HHIIHH", kind, channels, rate, (rate * block) & 0xFFFFFFFF, block, bits)
    size = len(data) if claims < 0 else claims
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + body


def _floats(value: float) -> bytes:
    return _riff(np.full(RATE, value, np.float32).tobytes(), kind=3, bits=32)


def _wrong_headers(source: random.Random) -> bytes:
    data = tone(seconds=0.5).tobytes()
    return source.choice(
        (
            _riff(data, rate=1),
            _riff(data, rate=0),
            _riff(data, rate=0xFFFFFFFF),
            _riff(data, channels=0),
            _riff(data, channels=65_535),
            _riff(data, bits=0),
            _riff(data, bits=64),
            _riff(data, claims=0xFFFFFFFF),
            _riff(data, claims=0xFFFFFFF0),
            _riff(data, kind=0xFFFE),
            _riff(b""),
            _floats(float("nan")),
            _floats(float("inf")),
            _floats(3e38),
        )
    )


def _garbage(source: random.Random) -> bytes:
    return source.randbytes(source.choice((0, 1, 2, 3, 44, 1_000, 50_000)))


def _dressed_garbage(source: random.Random) -> bytes:
    """Return noise behind the first bytes of a decent file."""
    return source.choice(files())[: source.choice((4, 12, 44, 200))] + source.randbytes(20_000)


def _truncated(source: random.Random) -> bytes:
    data = source.choice(files())
    return data[: source.randrange(1, len(data))]


def _flipped(source: random.Random) -> bytes:
    data = bytearray(source.choice(files()))
    for _ in range(source.randrange(1, 50)):
        data[source.randrange(len(data))] = source.randrange(256)
    return bytes(data)


def _spliced(source: random.Random) -> bytes:
    one, other = source.sample(files(), 2)
    return one[: source.randrange(len(one))] + other[source.randrange(len(other)) :]


def _text(source: random.Random) -> bytes:
    return source.choice(TEXTS)


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _garbage,
    _dressed_garbage,
    _truncated,
    _flipped,
    _spliced,
    _text,
    _wrong_headers,
)


def hostile_audio(source: random.Random) -> bytes:
    """Return one of all kinds, each as likely as the next."""
    return source.choice(_KINDS)(source)
