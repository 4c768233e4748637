"""What the operator makes for some WhisperModels, as golden files. As a program (`make manifests`) it writes them anew.

Each golden file is compared with what the builders make now, and is taken by a real API server in a dry run.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.support.documents import read_yaml, read_yamls
from whisper_contract.store import artifact_path
from whisper_operator.api.model import Model, parse_model
from whisper_operator.api.status import Artifact
from whisper_operator.builders.autoscaler import build_autoscaler
from whisper_operator.builders.claim import build_claim
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.disruption import build_disruption_budget
from whisper_operator.builders.gc_job import Removal, build_gc_job
from whisper_operator.builders.job import build_job
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.builders.refresh_job import build_refresh_job
from whisper_operator.builders.service import build_headless_service, build_service
from whisper_operator.settings import Settings

JSON = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "unit" / "operator"
MODELS, GOLDEN = FOLDER / "models", FOLDER / "golden"
CASES = sorted(path.stem for path in MODELS.glob("*.yaml"))

SETTINGS = Settings(
    loader_image="registry.example.com/whisper-loader:1",
    server_image="registry.example.com/whisper-server:1",
    image_pull_secrets=("ours",),
)
ARTIFACT = Artifact(digest="sha256:" + "a" * 64, short_digest="a" * 12, path=str(artifact_path("a" * 64)))

REMOVAL = Removal(keep=["sha256:" + "a" * 64], unneeded=["sha256:" + "b" * 64])


def model_of(spec: JSON, name: str = "m", **metadata: Any) -> Model:
    """A WhisperModel with this spec, as the API server would show it."""
    model = parse_model(
        {
            "metadata": {
                "name": name,
                "namespace": "speech",
                "uid": "11111111-2222-3333-4444-555555555555",
                "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                **metadata,
            },
            "spec": spec,
        }
    )
    assert isinstance(model, Model), model
    return model


def case_model(case: str) -> Model:
    """The WhisperModel of a case."""
    spec: JSON = read_yaml((MODELS / f"{case}.yaml").read_text())
    return model_of(spec, annotations={"stt.whisper-operator.io/retry": "1"})


def made_for(model: Model) -> list[JSON]:
    """All that is made for a model, its Job placed as its access modes ask for."""
    baked = model.spec.source.baked
    alone = "ReadWriteMany" not in model.spec.cache.access_modes
    where = PullPlacement.WITH_SERVERS if alone else PullPlacement.ANYWHERE
    made = (
        build_claim(model),
        build_job(model, SETTINGS, 1, where) if model.pulls else None,
        None if model.spec.source.is_fixed else build_refresh_job(model, SETTINGS),
        build_gc_job(model, SETTINGS, REMOVAL, where, []) if model.pulls else None,
        build_deployment(model, SETTINGS, Artifact(path=baked.path) if baked else ARTIFACT),
        build_service(model),
        build_headless_service(model),
        build_disruption_budget(model),
        build_autoscaler(model),
    )
    return [one for one in made if one is not None]


def golden_text(case: str) -> str:
    """What the golden file of a case has to say."""
    plain = json.loads(json.dumps(made_for(case_model(case))))  # without the anchors that shared values would become
    text: str = yaml.safe_dump_all(plain, sort_keys=False, width=120)
    return text


def golden_objects(case: str) -> list[JSON]:
    """What the golden file of a case says."""
    return read_yamls((GOLDEN / f"{case}.yaml").read_text())


def write_golden_files() -> None:
    for case in CASES:
        (GOLDEN / f"{case}.yaml").write_text(golden_text(case))


if __name__ == "__main__":
    write_golden_files()
