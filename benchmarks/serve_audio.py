"""The recordings that the servers are measured with: the short ones of the tests, and long ones made of them."""

import random
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

RECORDINGS = Path(__file__).parents[1] / "tests" / "fixtures" / "recordings"
LONG_SECONDS = 120
LONG_FILES = 4
_RATE = 16_000


def short_files() -> list[str]:
    """Return the paths of the short English clips, one to three seconds each."""
    return [str(path) for path in sorted(RECORDINGS.glob("en-*.flac"))]


def make_long_files(folder: Path) -> list[str]:
    """Make files of two minutes: the clips in an order of chance, with pauses of half to one and a half seconds."""
    clips = [_read(path) for path in short_files()]
    return [
        str(_make_long(folder / f"long-{number}.flac", clips, random.Random(number))) for number in range(LONG_FILES)
    ]


def _make_long(path: Path, clips: list[npt.NDArray[np.int16]], chance: random.Random) -> Path:
    pieces: list[npt.NDArray[np.int16]] = []
    while sum(len(piece) for piece in pieces) < LONG_SECONDS * _RATE:
        pieces += [chance.choice(clips), np.zeros(round(_RATE * chance.uniform(0.5, 1.5)), np.int16)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.concatenate(pieces)[None], format="s16", layout="mono")
        frame.sample_rate = _RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def _read(path: str) -> npt.NDArray[np.int16]:
    with av.open(path) as container:
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
