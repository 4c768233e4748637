"""The table of reasons: whole, and in words that a person can act on."""

import re

import pytest

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api.reasons import EXPLANATIONS, Finding, Reason

ALL = sorted({*map(str, Reason), *map(str, LoaderReason)})


def test_every_reason_is_explained_and_no_other() -> None:
    assert sorted(EXPLANATIONS) == ALL


@pytest.mark.parametrize("reason", ALL)
def test_a_reason_is_one_word_with_whole_sentences(reason: str) -> None:
    row = EXPLANATIONS[reason]
    assert re.fullmatch(r"[A-Z][A-Za-z]+", reason)
    for text in filter(None, (row.when, row.message, row.next_step)):
        assert re.match(r"[A-Za-z]", text)
        assert text.endswith("."), text


@pytest.mark.parametrize("reason", [reason for reason in ALL if EXPLANATIONS[reason].degraded])
def test_where_a_person_is_needed_there_is_a_next_step(reason: str) -> None:
    assert EXPLANATIONS[reason].next_step


@pytest.mark.parametrize("reason", [reason for reason in ALL if EXPLANATIONS[reason].next_step.startswith("Nothing")])
def test_where_there_is_nothing_to_do_no_person_is_needed(reason: str) -> None:
    assert not EXPLANATIONS[reason].degraded


def test_a_finding_says_what_happened_and_then_what_to_do() -> None:
    finding = Finding(Reason.CLAIM_NOT_FOUND, "The claim c does not exist")
    assert finding.message.startswith("The claim c does not exist. Create the claim")


def test_a_finding_without_detail_says_its_reasons_own_sentence() -> None:
    assert Finding(Reason.PUBLISHED).message == EXPLANATIONS[Reason.PUBLISHED].message


def test_words_from_outside_are_cut() -> None:
    assert len(Finding(Reason.PULLING, "x" * 100_000).message) < 2_000


def test_a_reason_of_a_newer_loader_still_needs_a_person() -> None:
    assert Finding("NeverHeardOf", "something").degraded
