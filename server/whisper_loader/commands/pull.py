"""``whisper-model pull``: the three steps of the Job in one process."""

import argparse
from pathlib import Path
from typing import Any

from whisper_contract.digest import format_digest
from whisper_loader.access import Access
from whisper_loader.commands.common import (
    Subparsers,
    access_from,
    add_command,
    add_json,
    add_source,
    add_store,
    deadline_from,
    place_errors,
    print_json,
    print_text,
    sha256_from,
)
from whisper_loader.errors import store_errors
from whisper_loader.job import run_step
from whisper_loader.model.quantization import check_quantization
from whisper_loader.progress import Reporter, for_people
from whisper_loader.sources.resolve import parse
from whisper_loader.steps import Published, convert_step, publish_step, pull_step
from whisper_loader.store.staging import Staging

_DETAILS = """\
A source is resolved first (to a version, an ETag, a commit); when the store has what came of it before, nothing is
pulled. An archive is .tar, .tar.zst or .tar.gz, told by content. Transformers checkpoints become CTranslate2 models.

examples:
  whisper-model pull s3://models/whisper.tar.zst --store /srv/models --endpoint https://minio.example:9000
  whisper-model pull hf://openai/whisper-large-v3-turbo@main --store /srv/models --quantization int8_float16
  whisper-model pull ./my-finetuned-whisper --store /srv/models --json

credentials:
  --secret-dir DIR has files named like a Secret's keys: for s3://, aws_access_key_id, aws_secret_access_key and
  aws_session_token, or credentials (an AWS profile file); for gs://, key.json; for gdrive://, key.json or apiKey; for
  hf://, token; for https://, token, or username and password, or headers (a `Name: value` a line); for oci://,
  .dockerconfigjson. Without it the usual chain: AWS_* variables, ~/.aws, cloud identity; Google's application default
  credentials; HF_TOKEN, the login of the hf command; ~/.docker/config.json. HF_ENDPOINT stands in for --endpoint.
  HTTP_PROXY, HTTPS_PROXY and NO_PROXY (names, addresses, networks) lead through a proxy.
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(subparsers, "pull", summary="pull a model into a store", details=_DETAILS)
    add_source(parser)
    add_store(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Pull, convert, publish."""
    deadline = deadline_from(arguments)
    store = arguments.store.absolute()
    with store_errors(store):
        with place_errors("--store", store):
            store.mkdir(parents=True, exist_ok=True)
        published = _pull(arguments, store, access_from(arguments, deadline), for_people(deadline))
    if arguments.json:
        print_json(describe(published))
    else:
        print_text(f"{format_digest(published.artifact.manifest.digest)}  {published.artifact.path}")


def _pull(arguments: argparse.Namespace, store: Path, access: Access, reporter: Reporter) -> Published:
    source, sha256 = parse(arguments.source), sha256_from(arguments)
    quantization = check_quantization(arguments.quantization)
    staging = Staging.by_hand(store)

    def work() -> Published:
        with reporter.meter("pull") as meter:
            pull_step(staging, source, access, meter, sha256=sha256, quantization=quantization)
        with reporter.meter("convert") as meter:
            convert_step(staging, meter, quantization)
        with reporter.meter("publish") as meter:
            return publish_step(staging, meter)

    return run_step(staging, work)


def describe(published: Published) -> dict[str, Any]:
    """Return the JSON form of what a pull came to."""
    manifest = published.artifact.manifest
    return {
        "digest": format_digest(manifest.digest),
        "path": str(published.artifact.path),
        "source": published.source,
        "format": published.format,
        "quantization": manifest.quantization,
        "sizeBytes": manifest.size_bytes,
        "languages": list(manifest.languages),
    }
