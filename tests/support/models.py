"""The small speech model, published the way every model is: by the real loader."""

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"
SPEECH_MODEL = FIXTURES / "speech-model"
RECORDINGS = FIXTURES / "recordings"
#: Where the commands of this environment are.
COMMANDS = Path(sysconfig.get_path("scripts"))


def publish(source: Path, store: Path) -> Path:
    """Pull the model in `source` into `store` with whisper-model, and return the artifact's directory."""
    command = [str(COMMANDS / "whisper-model"), "pull", str(source), "--store", str(store), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"])


@pytest.fixture(scope="session")
def published_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the speech model's artifact; not to be written to."""
    return publish(SPEECH_MODEL, tmp_path_factory.mktemp("store"))


def spoken_text(recording: str, version: str = "text") -> str:
    """Return what is said in a recording: its own words, or its `english`."""
    entries = json.loads((RECORDINGS / "recordings.json").read_text())
    return next(str(entry[version]) for entry in entries if entry["file"] == recording)
