"""Audio that no server should be troubled by: what it is, what is said of it, and a part of the refusal."""

import numpy as np

from tests.unit.server import audio_files
from tests.unit.server.audio_files import RATE, encode, tone, wav
from whisper_server.audio.formats import Encoding

WAV, FLAC = wav(tone()), encode("flac", "flac")
PLAYLISTS = {
    "ffconcat": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
}

HOSTILE = {
    "empty": (b"", Encoding.ANY, 0, "holds no audio"),
    "one byte": (b"\0", Encoding.LINEAR_PCM, RATE, "not one sample"),
    "garbage": (b"no audio at all, just text" * 100, Encoding.ANY, 0, "in no container known here"),
    "garbage after a magic number": (b"fLaC" + bytes(range(256)) * 9, Encoding.ANY, 0, "cannot be read as FLAC"),
    "ogg of nothing": (b"OggS" + bytes(2_000), Encoding.ANY, 0, "cannot be read as Ogg"),
    "mp3 of nothing": (b"ID3" + bytes(2_000), Encoding.ANY, 0, "cannot be read as MP3"),
    "sync word of nothing": (b"\xff\xfb" + bytes(2_000), Encoding.ANY, 0, "cannot be read as MP3"),
    "wav without samples": (WAV[:44], Encoding.ANY, 0, "cut short"),
    "wav of zero samples": (wav(np.zeros(0, np.int16)), Encoding.ANY, 0, "not one sample"),
    "wav cut in its header": (WAV[:20], Encoding.ANY, 0, "cut short"),
    "wav cut in half": (WAV[: len(WAV) // 2], Encoding.ANY, 0, "cut short"),
    "wav cut in half, said to be linear": (WAV[: len(WAV) // 2], Encoding.LINEAR_PCM, RATE, "cut short"),
    "flac cut in half": (FLAC[: len(FLAC) // 2], Encoding.FLAC, 0, "of its 2.0 s can be decoded"),
    "flac with a hole": (FLAC[:9_000] + bytes(20_000) + FLAC[29_000:], Encoding.FLAC, 0, "of its 2.0 s"),
    "webm cut in half": (encode("webm", "libopus", 48_000)[:12_000], Encoding.ANY, 0, "cut short"),
    "mp4 without its index": (encode("mp4", "aac")[:9_000], Encoding.ANY, 0, "cannot be read as MP4"),
    "matroska of an unknown coding": (
        encode("matroska", "aac").replace(b"A_AAC", b"A_XXX"),
        Encoding.ANY,
        0,
        "coded in a way that is not known",
    ),
    "less than one sample at 16 kHz": (bytes(2), Encoding.LINEAR_PCM, 48_000, "not one sample"),
    "video without sound": (audio_files.video_without_sound(), Encoding.ANY, 0, "holds no audio"),
    "flac said to be linear": (FLAC, Encoding.LINEAR_PCM, RATE, "LINEAR_PCM, and it is FLAC"),
    "wav said to be flac": (WAV, Encoding.FLAC, 0, "FLAC, and it is WAV"),
    "samples said to be opus": (tone().tobytes(), Encoding.OGG_OPUS, RATE, "OGGOPUS, and it is something else"),
    "samples without a rate": (tone().tobytes(), Encoding.LINEAR_PCM, 0, "sample rate of 0 Hz"),
    "one sample a second": (tone().tobytes(), Encoding.LINEAR_PCM, 1, "sample rate of 1 Hz"),
    "wav at one sample a second": (wav(tone(), rate=1), Encoding.ANY, 0, "sample rate of 1 Hz"),
    "negative rate": (tone().tobytes(), Encoding.LINEAR_PCM, -16_000, "sample rate of -16000 Hz"),
    "absurd rate": (tone().tobytes(), Encoding.LINEAR_PCM, 2**31 - 1, "sample rate of 2147483647 Hz"),
    "too long": (wav(np.zeros(61 * 8_000, np.int16), 8_000), Encoding.ANY, 0, "longer than the 60 s"),
    **{name: (text, Encoding.ANY, 0, "in no container known here") for name, text in PLAYLISTS.items()},
}
