"""What is learnt from batches: their times by size, and how many rows there is room for."""

import math

import pytest

from whisper_server.engine.schedule.experience import Experience


def taught(*batches: tuple[int, float], key: str = "a") -> Experience:
    experience = Experience()
    for rows, seconds in batches:
        experience.learn(key, rows, seconds)
    return experience


def test_before_the_first_batch_any_may_take_for_ever() -> None:
    assert Experience().predict("a", 1) == math.inf


def test_from_one_size_others_are_foreseen_in_proportion() -> None:
    assert taught((2, 1.0), (2, 1.0)).predict("a", 8) == pytest.approx(4.0)


def test_from_two_sizes_what_a_batch_costs_at_least_is_told_apart() -> None:
    assert taught((1, 1.1), (4, 1.4)).predict("a", 8) == pytest.approx(1.8)


def test_chance_never_makes_larger_batches_quicker_or_dearer_than_their_rows() -> None:
    assert taught((1, 2.0), (4, 1.0)).predict("a", 8) >= taught((1, 2.0), (4, 1.0)).predict("a", 1)
    dear = taught((1, 0.1), (4, 4.0))
    assert dear.predict("a", 8) <= 8 * dear.predict("a", 1) + 8 * 4.1 / 5


def test_a_key_that_is_new_is_foreseen_by_all_others() -> None:
    assert taught((1, 1.1), (4, 1.4)).predict("b", 8) == pytest.approx(1.8)


def test_keys_are_told_apart() -> None:
    experience = taught((1, 1.0))
    experience.learn("slow", 1, 9.0)
    assert experience.predict("a", 1) == pytest.approx(1.0)
    assert experience.predict("slow", 1) == pytest.approx(9.0)


def test_a_device_that_becomes_slower_is_noticed_within_some_ten_batches() -> None:
    experience = taught(*[(1, 1.0)] * 100)
    for _ in range(20):
        experience.learn("a", 1, 2.0)
    assert experience.predict("a", 1) > 1.8


def test_what_was_too_large_is_halved_and_never_grows() -> None:
    experience = Experience()
    for rows in (9, 8, 2, 1):
        experience.note_too_large("a", rows)
        assert experience.largest["a"] == {9: 4, 8: 4, 2: 1, 1: 1}[rows]


def test_keys_without_end_are_forgotten_the_oldest_first() -> None:
    experience = Experience()
    experience.learn("first", 1, 50.0)
    for number in range(1000):
        experience.learn(number, 1, 1.0)
        experience.note_too_large(number, 4)
    assert len(experience.largest) == 256
    assert experience.predict("first", 1) == pytest.approx(1.0, rel=0.01)
