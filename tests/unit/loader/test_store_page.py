"""docs/store.md: its commands are run, and what it says of the volume is what the code does."""

from pathlib import Path

import pytest

from tests.support.loader import whisper_model
from tests.support.pages import commands, rows, sections
from tests.support.stores import make_older, published
from whisper_contract.reasons import Reason
from whisper_contract.store import artifact_path, staging_path
from whisper_loader.cli import build_parser
from whisper_loader.store import records
from whisper_loader.store.artifacts import find_artifact

PAGE = sections("store.md")
CALLS = [call for text in PAGE.values() for call in commands(text, "whisper-model")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the page's commands are typed: a store with one artifact in use and one that nobody needs."""
    store = tmp_path / "store"
    for name in ("used", "unneeded"):
        artifact = published(store, name, {name: b"x"}, age=7200)
        records.write(store, name, records.Record(artifact.manifest.digest, f"s3://models/{name}", "ctranslate2", None))
        (tmp_path / f"{name}.txt").write_text(f"sha256:{artifact.manifest.digest}\n")
    make_older(store / "sources", 7200)
    (tmp_path / "used.txt").rename(tmp_path / "in-use.txt")
    return tmp_path


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_every_command_is_understood(call: list[str]) -> None:
    build_parser().parse_args(call)


@pytest.mark.parametrize("heading", ["What is where", "Giving space back"])
def test_the_commands_of_a_section_run(heading: str, folder: Path) -> None:
    calls = commands(PAGE[heading], "whisper-model")
    assert calls
    for call in calls:
        done = whisper_model(*call, cwd=folder)
        assert done.exit_code == 0, f"{' '.join(call)}\n{done.errors}"


def test_gc_as_shown_keeps_what_is_in_use_and_removes_the_rest(folder: Path) -> None:
    foretell, remove = commands(PAGE["Giving space back"], "whisper-model")
    used, unneeded = ((folder / name).read_text().strip()[7:] for name in ("in-use.txt", "unneeded.txt"))
    whisper_model(*foretell, cwd=folder)
    assert find_artifact(folder / "store", unneeded) is not None
    whisper_model(*remove, cwd=folder)
    assert find_artifact(folder / "store", unneeded) is None
    assert find_artifact(folder / "store", used) is not None
    assert len(list((folder / "store" / "sources").iterdir())) == 1


def test_the_layout_is_the_contracts() -> None:
    assert [row[0] for row in rows(PAGE["What is where"])] == [
        f"`{artifact_path('<digest>')}/`",
        "`sources/<hash>.json`",
        f"`{staging_path('<job>', '<pod>')}/`",
    ]


def test_reasons_on_the_page_exist() -> None:
    text = "".join(PAGE.values())
    named = {reason for reason in Reason if reason in text}
    assert named == {Reason.CLAIM_NOT_WRITABLE, Reason.ARTIFACT_MISSING, Reason.OUT_OF_SPACE}
