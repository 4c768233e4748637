"""Audio in: every container and encoding that is taken, and everything that is refused with a reason."""

import contextlib
import io
import socket
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from tests.unit.server import audio_files
from tests.unit.server.audio_files import RATE, SECONDS, encode, samples_of, tone, wav
from tests.unit.server.hostile_audio import HOSTILE, PLAYLISTS
from whisper_server.audio.decode import container_blocks
from whisper_server.audio.formats import AudioHint, Container, Encoding
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.errors import InvalidRequestError


def decoded(data: bytes, encoding: Encoding = Encoding.ANY, rate: int = 0, channels: int = 0) -> Samples:
    return samples_of([data], AudioHint(encoding, rate, channels))


def seconds(samples: Samples) -> float:
    return len(samples) / SAMPLE_RATE


def pitch(samples: Samples) -> float:
    """Return the strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 16_000),
        ("wav", "pcm_f32le", 44_100),
        ("wav", "pcm_mulaw", 8_000),
        ("flac", "flac", 48_000),
        ("ogg", "libopus", 48_000),
        ("mp3", "libmp3lame", 44_100),
        ("mp4", "aac", 16_000),
        ("mov", "pcm_s16le", 16_000),
        ("adts", "aac", 16_000),
        ("webm", "libopus", 48_000),
        ("matroska", "aac", 16_000),
        ("amr", "libopencore_amrnb", 8_000),
        ("aiff", "pcm_s16be", 22_050),
        ("caf", "pcm_s16le", 16_000),
        ("au", "pcm_s16be", 16_000),
    ],
)
def test_any_container_is_recognised_by_its_first_bytes_whatever_the_rate_says(
    container: str, codec: str, rate: int
) -> None:
    samples = decoded(encode(container, codec, rate), rate=11_025)
    assert samples.dtype == np.float32
    assert seconds(samples) == pytest.approx(SECONDS, abs=0.15)
    assert pitch(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 16_000),
        ("wav", "pcm_s24le", 48_000),
        ("wav", "adpcm_ms", 22_050),
        ("flac", "flac", 44_100),
        ("ogg", "libopus", 48_000),
        ("webm", "libopus", 48_000),
        ("mp4", "aac", 44_100),
        ("adts", "aac", 16_000),
        ("amr", "libopencore_amrnb", 8_000),
    ],
)
def test_samples_are_those_that_faster_whisper_decodes(container: str, codec: str, rate: int) -> None:
    data = encode(container, codec, rate)
    np.testing.assert_array_equal(decoded(data), decode_audio(io.BytesIO(data)))


def test_mp3_has_at_most_a_frame_of_silence_more_than_faster_whisper_decodes() -> None:
    """Its encoder's padding, which FFmpeg takes off only where it can seek."""
    data = encode("mp3", "libmp3lame", 44_100)
    samples, expected = decoded(data), decode_audio(io.BytesIO(data))
    np.testing.assert_array_equal(samples[: len(expected) - 20], expected[:-20])
    assert np.abs(samples[len(expected) :]).max() < 0.01


def test_the_sound_of_a_video_is_taken() -> None:
    assert seconds(decoded(audio_files.video_with_sound())) == pytest.approx(SECONDS, abs=0.15)


def test_mp3_without_a_tag_is_recognised_by_its_frames() -> None:
    data = encode("mp3", "libmp3lame", 44_100)
    tag_bytes = 10 + int.from_bytes(data[6:10])
    assert pitch(decoded(data[tag_bytes:])) == pytest.approx(440, abs=2)


def test_samples_lie_between_minus_one_and_one() -> None:
    full = np.array([32_767, -32_768] * 8_000, dtype=np.int16)
    samples = decoded(wav(full))
    assert samples.max() == pytest.approx(1, abs=1e-4)
    assert samples.min() == -1


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_headerless_samples_are_read_with_the_rate_given(rate: int) -> None:
    samples = decoded(tone(rate).tobytes(), Encoding.LINEAR_PCM, rate)
    assert seconds(samples) == pytest.approx(SECONDS, abs=0.01)
    assert pitch(samples) == pytest.approx(440, abs=2)


def test_headerless_channels_are_mixed() -> None:
    stereo = np.stack([tone(), np.zeros_like(tone())], axis=1)
    samples = decoded(stereo.tobytes(), Encoding.LINEAR_PCM, RATE, channels=2)
    assert seconds(samples) == pytest.approx(SECONDS, abs=0.01)
    assert np.abs(samples).max() == pytest.approx(np.abs(tone()).max() / 32_768 / 2, rel=0.05)


def test_headerless_samples_of_no_stated_encoding_are_linear_when_a_rate_is_given() -> None:
    assert seconds(decoded(tone().tobytes(), Encoding.ANY, RATE)) == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize(("encoding", "codec"), [(Encoding.MULAW, "pcm_mulaw"), (Encoding.ALAW, "pcm_alaw")])
def test_headerless_telephone_encodings_are_read(encoding: Encoding, codec: str) -> None:
    file = encode("wav", codec, 8_000)
    samples = decoded(file[-int(SECONDS * 8_000) :], encoding, 8_000)
    assert pitch(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (Encoding.LINEAR_PCM, wav(tone())),
        (Encoding.MULAW, encode("wav", "pcm_mulaw", 8_000)),
        (Encoding.FLAC, encode("flac", "flac")),
        (Encoding.OGG_OPUS, encode("ogg", "libopus", 48_000)),
    ],
)
def test_a_container_around_the_stated_encoding_is_unwrapped_and_its_rate_wins(encoding: Encoding, data: bytes) -> None:
    samples = decoded(data, encoding, rate=44_100)
    assert seconds(samples) == pytest.approx(SECONDS, abs=0.15)
    assert pitch(samples) == pytest.approx(440, abs=2)


def test_a_wav_file_whose_writer_could_not_go_back_is_read() -> None:
    data = wav(tone())
    streamed = data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:]
    assert seconds(decoded(streamed)) == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "libmp3lame"), ("webm", "libopus")])
def test_a_live_recording_that_states_no_length_is_read(container: str, codec: str) -> None:
    """FFmpeg would estimate a length by the bit rate of MP3, and containers take more than that."""
    assert seconds(decoded(audio_files.live(container, codec, 30))) == pytest.approx(30, abs=0.2)


def test_silence_is_audio() -> None:
    assert not decoded(wav(np.zeros(RATE, np.int16))).any()


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_f32le"), ("wav", "pcm_f64le"), ("matroska", "pcm_f32le"), ("caf", "pcm_f32le"), ("au", "pcm_f32be")],
)
def test_samples_that_are_not_a_number_are_refused(container: str, codec: str) -> None:
    data = bytearray(encode(container, codec))
    data[64_000:64_064] = b"\xff" * 64
    with pytest.raises(InvalidRequestError, match="not a number or infinite"):
        decoded(bytes(data))


def test_infinite_samples_are_refused() -> None:
    data = bytearray(encode("wav", "pcm_f32le"))
    data[-400:-396] = np.float32(np.inf).tobytes()
    with pytest.raises(InvalidRequestError, match="not a number or infinite"):
        decoded(bytes(data))


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_read_is_refused_with_its_trouble(case: tuple[bytes, Encoding, int, str]) -> None:
    data, encoding, rate, trouble = case
    with pytest.raises(InvalidRequestError, match=trouble):
        decoded(data, encoding, rate)


@pytest.mark.parametrize("channels", [-1, 33])
def test_an_impossible_number_of_channels_is_refused(channels: int) -> None:
    with pytest.raises(InvalidRequestError, match="channels cannot be read"):
        decoded(tone().tobytes(), Encoding.LINEAR_PCM, RATE, channels)


@pytest.mark.parametrize("encoding", Encoding)
def test_no_playlist_under_any_label_makes_a_connection(encoding: Encoding) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/audio.wav"
        for text in PLAYLISTS.values():
            data = text.replace(b"file:///etc/hostname", url.encode()).replace(b"/etc/hostname", url.encode())
            for magic in (b"", b"ID3", b"OggS", b"RIFF\0\0\0\0WAVE", b"caff", b"FORM", b".snd", b"\0\0\0\x14ftyp"):
                for rate in (0, RATE):
                    with contextlib.suppress(InvalidRequestError):
                        decoded(magic + data, encoding, rate)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_even_where_ffmpeg_takes_a_list_of_files_for_audio_it_opens_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request leads there: the bound behind the bound."""

    class List(io.BytesIO):
        starved = False

    (tmp_path / "secret.wav").write_bytes(wav(tone()))
    monkeypatch.chdir(tmp_path)
    listed = List(b"ffconcat version 1.0\nfile 'secret.wav'\n")
    with pytest.raises(InvalidRequestError, match="the audio cannot be read as list"):
        list(container_blocks(listed, Container("list", "concat"), 60))


@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS)
def test_a_playlist_with_a_rate_is_only_noise(text: bytes) -> None:
    assert len(decoded(text, Encoding.ANY, RATE)) == len(text) // 2
