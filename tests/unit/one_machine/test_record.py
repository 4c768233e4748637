"""What `whisper-operator up` remembers: which artifacts are kept, and which nothing refers to any more."""

from pathlib import Path

import pytest

from whisper_operator.api.status import Artifact
from whisper_operator.local.record import InUseError, Record, Served


def artifact(digit: str) -> Artifact:
    return Artifact(digest=f"sha256:{digit * 64}", short_digest=digit * 12, path=f"artifacts/{digit * 64}")


def note(record: Record, name: str, digit: str, keep: int = 2) -> list[str]:
    """Note that an artifact serves, and return the first digits of what may go."""
    return [digest[0] for digest in record.note(name, f"inputs-{digit}", artifact(digit), keep)]


def test_what_falls_out_of_the_kept_revisions_may_go(tmp_path: Path) -> None:
    record = Record(tmp_path, tmp_path / "model.yaml")
    with record.locked():
        assert [note(record, "a", digit) for digit in "1213"] == [[], [], [], ["2"]]
    again = Record(tmp_path, tmp_path / "model.yaml")
    assert again.served("a") == Served("inputs-3", (artifact("3"), artifact("1")))


def test_what_another_model_or_another_file_refers_to_stays(tmp_path: Path) -> None:
    ours, theirs = (Record(tmp_path, tmp_path / name) for name in ("ours.yaml", "theirs.yaml"))
    with ours.locked(), theirs.locked():
        note(theirs, "a", "1")
        note(ours, "b", "2")
        assert [note(ours, "a", digit, keep=1) for digit in "1234"] == [[], [], [], ["3"]]


def test_a_file_is_run_once_at_a_time(tmp_path: Path) -> None:
    first, second = (Record(tmp_path, tmp_path / "model.yaml") for _ in range(2))
    with first.locked(), pytest.raises(InUseError), second.locked():
        pass


def test_what_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    record = Record(tmp_path, tmp_path / "model.yaml")
    (tmp_path / f"{record.key}.json").write_text("{")
    assert Record(tmp_path, tmp_path / "model.yaml").served("a") == Served()
