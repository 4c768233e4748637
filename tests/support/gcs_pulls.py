"""Pulling from the Google Cloud Storage of `tests.support.gcs`, filled with models and with what can't be pulled."""

from pathlib import Path

from tests.support.archives import Archives
from tests.support.gcs import Bucket, Gcs
from tests.support.loader import Done, Job
from tests.support.models import SPEECH_MODEL
from whisper_contract.reasons import Reason

KEY = "small.tar.zst"
URI = f"gs://models/{KEY}"
NOT_ON_GCE = {"NO_GCE_CHECK": "true"}


def fill(gcs: Gcs, archives: Archives) -> None:
    gcs.put("models", KEY, archives.whole().read_bytes())
    for path in SPEECH_MODEL.iterdir():
        gcs.put("models", f"checkpoints/small/{path.name}", path.read_bytes())
    gcs.put("models", "checkpoints/readme.txt", b"x")
    gcs.put("closed", KEY, b"x")
    gcs.buckets["paid"] = Bucket(requester_pays=True)
    gcs.buckets["public"] = Bucket(public=True)
    gcs.put("public", KEY, archives.whole().read_bytes())


def make_secret(tmp_path: Path, keys: dict[str, str]) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    for key, value in keys.items():
        (folder / key).write_text(value)
    return folder


def check_nothing_told(gcs: Gcs, text: str) -> None:
    secrets = [
        *gcs.tokens.valid,
        gcs.tokens.subject,
        gcs.tokens.refresh,
        "PRIVATE KEY",
        "alt=media",
        "upload_id",
        *gcs.uploads,
    ]
    assert not [secret for secret in secrets if secret in text]


def pull(
    job: Job,
    gcs: Gcs,
    uri: str,
    *arguments: str | Path,
    endpoint: str | None = None,
    env: dict[str, str] | None = None,
) -> Done:
    done = job.step("pull", uri, "--endpoint", endpoint or gcs.endpoint, *arguments, env=env)
    assert done.exit_code == 0, done.errors
    check_nothing_told(gcs, done.errors + done.output)
    return done


def fails(job: Job, gcs: Gcs, reason: Reason, uri: str, *arguments: str | Path, endpoint: str | None = None) -> str:
    never = ["PRIVATE KEY", "alt=media", *gcs.tokens.valid]
    where = endpoint or gcs.endpoint
    return job.fails(reason, "pull", uri, "--endpoint", where, *arguments, never_told=never, env=NOT_ON_GCE)
