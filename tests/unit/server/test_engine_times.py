"""Times of speech without pauses become times of the recording."""

from faster_whisper.vad import SpeechTimestampsMap
from hypothesis import given
from hypothesis import strategies as st

from whisper_server.audio.windows import Piece
from whisper_server.engine.times import SpeechMap

RATE = 16_000
#: Lengths of pauses and speech, alternating.
STRETCHES = st.lists(st.tuples(st.integers(0, 60 * RATE), st.integers(1, 30 * RATE)), min_size=1, max_size=8)


def pieces_of(stretches: list[tuple[int, int]]) -> tuple[Piece, ...]:
    pieces, at, place = [], 0, 0
    for pause, speech in stretches:
        pieces.append(Piece(at, place + pause, speech))
        at, place = at + speech, place + pause + speech
    return tuple(pieces)


@given(STRETCHES, st.floats(0, 1))
def test_they_are_those_of_faster_whisper(stretches: list[tuple[int, int]], share: float) -> None:
    pieces = pieces_of(stretches)
    theirs = SpeechTimestampsMap([{"start": p.start, "end": p.start + p.length} for p in pieces], RATE)
    ours = SpeechMap(pieces)
    for seconds in (share * sum(piece.length for piece in pieces) / RATE, *(piece.at / RATE for piece in pieces)):
        assert ours.start(seconds) == theirs.get_original_time(seconds)
        assert ours.end(seconds) == theirs.get_original_time(seconds, is_end=True)


def test_a_word_stays_in_the_piece_of_its_middle() -> None:
    times = SpeechMap((Piece(0, RATE, RATE), Piece(RATE, 10 * RATE, RATE)))
    assert times.word(0.5, 1.2) == (1.5, 2.2)
    assert times.word(0.9, 1.5) == (9.9, 10.5)


def test_a_window_s_pieces_are_counted_from_the_speech_before_it() -> None:
    times = SpeechMap((Piece(0, 100 * RATE, RATE),), offset=30 * RATE)
    assert (times.start(30.25), times.end(31)) == (100.25, 101)


def test_what_is_said_behind_the_end_is_counted_on() -> None:
    assert SpeechMap((Piece(0, RATE, RATE),)).end(1.5) == 2.5
