"""WAV files as all kinds of programs write them."""

import struct

import numpy as np
import pytest

from tests.unit.server.audio_files import RATE, encode, samples_of, tone, wav
from whisper_server.audio.pcm import PcmFormat
from whisper_server.audio.wav import WavHeader, WavLayout
from whisper_server.errors import InvalidRequestError

TONE = tone(seconds=0.1)
HEARD = TONE.astype(np.float32) / 32_768
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


def chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)


def described(tag: int = PCM, channels: int = 1, rate: int = RATE, bits: int = 16, more: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def file(*chunks: bytes, kind: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return kind + len(body).to_bytes(4, "little") + body


def layout(data: bytes) -> WavLayout | None:
    return WavHeader().push(data)


@pytest.mark.parametrize("cut", range(1, 45))
def test_a_header_may_come_in_two_parts(cut: int) -> None:
    data, header = wav(TONE), WavHeader()
    first = header.push(data[:cut])
    assert (first is None) == (cut < 44)
    assert (first or header.push(data[cut:])) == WavLayout(
        pcm=PcmFormat("WAV", "pcm_s16le", 2, RATE, 1), data_at=44, data_bytes=len(TONE) * 2, stated_bytes=len(data)
    )


def test_notes_before_and_behind_the_samples_are_not_heard() -> None:
    notes = chunk(b"LIST", b"INFOISFT" + bytes(range(251)))
    data = file(notes, described(), notes, chunk(b"data", TONE.tobytes()), notes)
    np.testing.assert_array_equal(samples_of([data]), HEARD)


@pytest.mark.parametrize("size", [0, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_samples_of_an_unknown_number_go_on_to_the_end(size: int) -> None:
    data = file(described(), b"data" + size.to_bytes(4, "little") + TONE.tobytes())
    np.testing.assert_array_equal(samples_of([data]), HEARD)


def test_a_file_beyond_4_gib_states_its_length_elsewhere() -> None:
    wide = chunk(b"ds64", struct.pack("<QQQI", 6_000_000_100, 6_000_000_000, 3_000_000_000, 0))
    found = layout(file(wide, described(), b"data\xff\xff\xff\xff", kind=b"RF64"))
    assert found is not None
    assert found.data_bytes == 6_000_000_000


def test_an_extensible_format_names_its_samples_in_its_own_place() -> None:
    extension = struct.pack("<HHI", 22, 24, 4) + PCM.to_bytes(2, "little") + bytes(14)
    found = layout(file(described(EXTENSIBLE, bits=24, more=extension), chunk(b"data", bytes(6))))
    assert found is not None
    assert found.pcm == PcmFormat("WAV", "pcm_s24le", 3, RATE, 1)


@pytest.mark.parametrize(
    ("tag", "bits", "codec"),
    [(PCM, 8, "pcm_u8"), (PCM, 32, "pcm_s32le"), (FLOAT, 64, "pcm_f64le"), (6, 8, "pcm_alaw"), (7, 8, "pcm_mulaw")],
)
def test_samples_of_each_kind_are_known(tag: int, bits: int, codec: str) -> None:
    found = layout(file(described(tag, 2, bits=bits), chunk(b"data", b"")))
    assert found is not None
    assert found.pcm == PcmFormat("WAV", codec, bits // 8, RATE, 2)


@pytest.mark.parametrize(
    ("description", "trouble"),
    [
        (described(rate=1), "sample rate of 1 Hz"),
        (described(channels=0), "WAV audio of 0 channels"),
        (described(channels=33), "WAV audio of 33 channels"),
    ],
)
def test_impossible_samples_are_refused(description: bytes, trouble: str) -> None:
    with pytest.raises(InvalidRequestError, match=trouble):
        layout(file(description, chunk(b"data", bytes(100))))


@pytest.mark.parametrize("data", [b"RIFF\x24\0\0\0AVI LIST", file(b"")[:8] + b"sfbk" + bytes(100)])
def test_another_riff_file_is_no_audio(data: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="of something else"):
        samples_of([data])


def test_a_cut_file_of_compressed_audio_is_refused_too() -> None:
    data = encode("wav", "adpcm_ms", 22_050)
    found = layout(data)
    assert found is not None
    assert found.pcm is None
    with pytest.raises(InvalidRequestError, match="cut short"):
        samples_of([data[:9_000], data[9_000:10_000]])


def test_samples_without_a_description_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cannot be read as WAV"):
        samples_of([file(chunk(b"data", TONE.tobytes()))])
