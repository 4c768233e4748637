"""``whisper-model job``: one step of a pull, as the containers of the Job's pod run it; and what other Jobs do."""

import argparse
from contextlib import nullcontext

from whisper_loader.commands.common import (
    Subparsers,
    access_from,
    add_command,
    add_quantization,
    add_resolvable,
    add_source,
    add_store,
    deadline_from,
    sha256_from,
)
from whisper_loader.commands.gc import GRACE_SECONDS, add_kept, kept_from
from whisper_loader.errors import store_errors
from whisper_loader.job import run_step, staging_of_pod, tell_failure, tell_freed, tell_published, tell_resolved
from whisper_loader.log import logger
from whisper_loader.model.quantization import check_quantization
from whisper_loader.progress import for_job
from whisper_loader.sources.resolve import parse, resolve
from whisper_loader.steps import convert_step, publish_step, pull_step
from whisper_loader.store.gc import Collector, Policy
from whisper_loader.unexpected import as_loader_error

_DETAILS = """\
environment:
  WHISPER_JOB_UID, WHISPER_POD_UID   name the private folder STORE/staging/<job>/<pod>/ (set by the downward API)
  WHISPER_TERMINATION_LOG            where to write the termination message instead of /dev/termination-log

Exit codes: 0 done, 1 may be tried again, 2 wrong usage, 64 to 113 one for each reason that only a person can mend.
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command and its steps."""
    parser = add_command(subparsers, "job", summary="run one step of a pull, as the Job's pods do", details=_DETAILS)
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    pull = steps.add_parser("pull", help="resolve, download and extract into the pod's staging folder")
    add_source(pull)
    convert = steps.add_parser("convert", help="convert what was pulled, if it is a transformers checkpoint")
    add_quantization(convert)
    publish = steps.add_parser("publish", help="check the model and publish it")
    gc = steps.add_parser("gc", help="give back what nobody needs; no Job may pull into the store meanwhile")
    add_kept(gc)
    for step, work in ((pull, _pull), (convert, _convert), (publish, _publish), (gc, _gc)):
        add_store(step)
        step.set_defaults(run=run, work=work)
    ask = steps.add_parser("resolve", help="tell what the source holds now, and pull nothing")
    add_resolvable(ask)
    ask.set_defaults(run=run, work=_resolve)


def run(arguments: argparse.Namespace) -> None:
    """Run the step; a failure's message is left for kubelet before it ends the process."""
    try:
        with store_errors(arguments.store) if "store" in arguments else nullcontext():
            arguments.work(arguments)
    except Exception as error:
        mapped = as_loader_error(error)
        tell_failure(arguments.step, mapped)
        raise mapped from error


def _pull(arguments: argparse.Namespace) -> None:
    deadline = deadline_from(arguments)
    staging = staging_of_pod(arguments.store)
    source, sha256 = parse(arguments.source), sha256_from(arguments)
    quantization = check_quantization(arguments.quantization)
    access = access_from(arguments, deadline)
    with for_job(deadline).meter("pull") as meter:
        run_step(staging, lambda: pull_step(staging, source, access, meter, sha256=sha256, quantization=quantization))


def _convert(arguments: argparse.Namespace) -> None:
    staging = staging_of_pod(arguments.store)
    quantization = check_quantization(arguments.quantization)
    with for_job().meter("convert") as meter:
        run_step(staging, lambda: convert_step(staging, meter, quantization))


def _publish(arguments: argparse.Namespace) -> None:
    staging = staging_of_pod(arguments.store)
    with for_job().meter("publish") as meter:
        tell_published("publish", run_step(staging, lambda: publish_step(staging, meter)))


def _gc(arguments: argparse.Namespace) -> None:
    keep, unneeded = kept_from(arguments)
    policy = Policy(
        keep=keep,
        running_jobs=frozenset(),
        grace_seconds=GRACE_SECONDS,
        dry_run=False,
        unneeded=unneeded,
        jobs_ended=True,
    )
    items = []
    for item in Collector(arguments.store, policy).collect():
        logger.info("%s: %s (%d bytes)", item.outcome, item.path, item.size_bytes)
        items.append(item)
    tell_freed("gc", items)


def _resolve(arguments: argparse.Namespace) -> None:
    resolved = resolve(parse(arguments.source), access_from(arguments, deadline_from(arguments)))
    logger.info("%s", resolved.identity)
    tell_resolved("resolve", resolved)
