"""A recording whose text is known, and how wrongly it may be heard."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.models import RECORDINGS, spoken_text
from tests.unit.server.process import ServerProcess
from tests.unit.server.test_process import said
from whisper_contract.reasons import Reason
from whisper_server.golden_clip import GoldenClip, word_error_percent
from whisper_server.security.mounted import MountedFileError

CLIP = "en-02.flac"

TABLE = {
    "the same": ("the quick brown fox", "the quick brown fox", 0),
    "case and punctuation": ("The quick, brown fox!", " the quick... brown fox", 0),
    "forms of one letter": ("caf\u00e9", "cafe\u0301", 0),
    "a word exchanged": ("the quick brown fox", "the quick brown box", 25),
    "a word left out": ("the quick brown fox", "the quick fox", 25),
    "a word too many": ("the quick brown fox", "the very quick brown fox", 25),
    "nothing": ("the quick brown fox", "", 100),
    "a loop": ("hello", "hello hello hello", 200),
    "vowel signs": ("नमस्ते दुनिया", "नमस्ते दुनिये", 50),
    "a script without spaces": ("今日は晴れです", "今日は雨です", 100 * 2 / 7),
    "both kinds of script": ("ラジオ3番", "ラジオ 3 番", 0),
}


@pytest.mark.parametrize("case", TABLE)
def test_how_wrong_a_text_is(case: str) -> None:
    expected, heard, percent = TABLE[case]
    assert word_error_percent(expected, heard) == pytest.approx(percent)


words = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8)


@given(words, words)
def test_errors_are_counted_alike_in_both_directions(one: list[str], other: list[str]) -> None:
    there = word_error_percent(" ".join(one), " ".join(other)) * len(one)
    back = word_error_percent(" ".join(other), " ".join(one)) * len(other)
    assert there == pytest.approx(back)
    assert abs(len(one) - len(other)) <= there / 100 <= max(len(one), len(other))


@pytest.mark.parametrize(
    ("text", "says"), [(b"\xff", "is not UTF-8"), (b" ...\n", "holds no word")], ids=["not UTF-8", "no word"]
)
def test_a_text_that_says_nothing_is_refused(tmp_path: Path, text: bytes, says: str) -> None:
    file = tmp_path / "text"
    file.write_bytes(text)
    with pytest.raises(MountedFileError, match=rf"text {says}: it is to hold what is said in the golden clip"):
        GoldenClip.read(RECORDINGS / CLIP, file, 10)


def golden(artifact: Path, folder: Path, text: str, clip: Path = RECORDINGS / CLIP) -> list[str]:
    """The arguments of a server that has to hear `text`."""
    (folder / "text").write_text(text)
    files = ("--golden-clip-file", str(clip), "--golden-text-file", str(folder / "text"))
    return ["--model", str(artifact), "--device", "cpu", "--drain-delay-seconds", "0", *files]


def test_a_server_that_hears_the_clip_right_serves(published_artifact: Path, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, *golden(published_artifact, tmp_path, spoken_text(CLIP))) as server:
        server.line("the golden clip came out with 0 % of word errors")
        server.line("ready;")
        assert server.get("/health/ready") == (200, "ready\n")
        server.terminate()
        assert server.exit_code() == 0


@pytest.mark.slow
def test_a_server_that_hears_it_wrongly_never_does_and_says_what_it_heard(
    published_artifact: Path, tmp_path: Path
) -> None:
    wrong = "nobody ever said this " * 20
    with ServerProcess(tmp_path, *golden(published_artifact, tmp_path, wrong)) as server:
        assert server.exit_code() == 1
        message = said(server)
        assert "ready;" not in server.log
    assert (message.step, message.reason) == ("serve", Reason.GOLDEN_CLIP_FAILED)
    assert message.message.startswith("the golden clip came out with 1")
    assert "10 % are allowed: expected “nobody ever said this" in message.message
    assert f"heard “{spoken_text(CLIP)}”" in message.message
    assert len(message.message) < 600


@pytest.mark.slow
def test_as_much_may_be_wrong_as_is_allowed(published_artifact: Path, tmp_path: Path) -> None:
    arguments = golden(published_artifact, tmp_path, f"well {spoken_text(CLIP)}")
    with ServerProcess(tmp_path, *arguments, "--golden-max-word-error-percent", "50") as server:
        server.line("ready;")


@pytest.mark.slow
def test_a_clip_that_is_no_audio_is_the_specs_fault(published_artifact: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    clip.write_text("this is no audio")
    with ServerProcess(tmp_path, *golden(published_artifact, tmp_path, "hello", clip)) as server:
        assert server.exit_code() == 2
        message = said(server)
    assert message.reason == Reason.SPEC_INVALID
    assert message.message.startswith(f"the golden clip {clip} cannot be read: ")


def test_a_clip_without_its_text_is_wrong_usage(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--model", "/m", "--golden-clip-file", "/clip") as server:
        assert server.exit_code() == 2
        assert "--golden-clip-file and --golden-text-file are given together or not at all" in server.log
