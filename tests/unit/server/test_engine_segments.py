"""A window's tokens become segments where the model wrote two times in a row."""

from whisper_server.engine.segments import Cut, Split, split

BEGIN = 1000


def at(seconds: float) -> int:
    """Return the token of a time."""
    return BEGIN + round(seconds / 0.02)


def cut(*tokens: int, keep_tail: bool = True) -> Split:
    return split(tokens, BEGIN, 10.0, keep_tail=keep_tail)


def test_text_without_times_is_one_segment_of_the_whole_window() -> None:
    assert cut(1, 2, 3) == Split((Cut(0, 10, (1, 2, 3)),), ends_in_silence=False, heard_until=None)


def test_a_single_time_at_the_end_ends_the_segment_there() -> None:
    assert cut(at(0), 1, at(4)).cuts == (Cut(0, 4, (at(0), 1, at(4))),)
    assert cut(at(0), 1, at(4)).ends_in_silence


def test_pairs_of_times_divide_segments() -> None:
    first, second = (at(0), 1, at(2)), (at(3), 2, at(5))
    parts = cut(*first, *second)
    assert parts.cuts == (Cut(0, 2, first), Cut(3, 5, second))
    assert parts.heard_until is None
    assert parts.ends_in_silence


def test_text_after_the_last_pair_becomes_a_segment_to_the_window_s_end() -> None:
    first, tail = (at(0), 1, at(2)), (at(3), 2, 3)
    parts = cut(*first, *tail)
    assert parts.cuts == (Cut(0, 2, first), Cut(3, 10, tail))
    assert parts.heard_until == 2


def test_who_hears_the_rest_again_leaves_that_text_out() -> None:
    assert [part.tokens for part in cut(at(0), 1, at(2), at(3), 2, keep_tail=False).cuts] == [(at(0), 1, at(2))]


def test_a_last_pair_with_nothing_behind_it_adds_no_segment() -> None:
    assert [part.tokens for part in cut(at(0), 1, at(2), at(2)).cuts] == [(at(0), 1, at(2))]


def test_text_before_the_first_time_begins_with_the_window() -> None:
    """As it is where a prefix was given, whose time is part of the prompt."""
    assert cut(1, at(2), at(2), 2, at(4)).cuts[0] == Cut(0, 2, (1, at(2)))


def test_nothing_is_one_segment_without_text() -> None:
    assert cut().cuts == (Cut(0, 10, ()),)
