"""The table of reasons is closed, and each exit code means one thing."""

import re

import pytest

from whisper_contract.reasons import (
    EXIT_RETRY,
    EXIT_USAGE,
    FAILURES,
    FIRST_PERMANENT,
    LAST_PERMANENT,
    Failure,
    Reason,
    permanent_exit_codes,
    reason_for_exit_code,
)

ROWS = list(FAILURES.values())


def test_every_reason_has_one_row() -> None:
    assert set(FAILURES) == set(Reason)
    assert all(row.reason is reason for reason, row in FAILURES.items())


def test_exit_codes_of_permanent_reasons_are_unique_and_in_range() -> None:
    codes = [row.exit_code for row in ROWS if row.permanent and row.exit_code != EXIT_USAGE]
    assert len(codes) == len(set(codes))
    assert all(FIRST_PERMANENT <= code <= LAST_PERMANENT for code in codes)


def test_no_exit_code_means_success_or_a_signal() -> None:
    assert all(row.exit_code in (EXIT_RETRY, EXIT_USAGE) or FIRST_PERMANENT <= row.exit_code < 126 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_exit_code_alone_tells_a_permanent_reason(row: Failure) -> None:
    assert reason_for_exit_code(row.exit_code) == (row.reason if row.permanent else None)


@pytest.mark.parametrize("code", [0, 1, 100, 137, 143])
def test_other_exit_codes_tell_nothing(code: int) -> None:
    assert reason_for_exit_code(code) is None


def test_the_jobs_policy_gets_the_whole_range() -> None:
    assert permanent_exit_codes() == (2, *range(64, 114))
    assert len(permanent_exit_codes()) <= 255, "Kubernetes takes no more in one rule"


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_speaks_to_people(row: Failure) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]+", row.reason)
    assert row.when.endswith(".")
    assert row.next_step.endswith(".")
    assert set(row.raised_by) <= {"pull", "convert", "publish", "serve", "gc"}
    assert row.raised_by
