"""Wall time, CPU, memory and bytes of `whisper-model pull` from S3, beside what teams use today.

A model of 1.0 GB (random float16 weights) is packed as .tar, .tar.zst and .tar.gz and served by versitygw, on this
machine. Every contestant is a fresh process; rounds are interleaved. Peers: (a) boto3's download_file, then
tarfile.extractall, then unlink; (b) boto3's body straight into tarfile; (c) curl | tar; (d) curl -o file, which is the
limit. Ours is shown twice: the pull itself, to the extracted files as with the peers (the Job's first step), and the
whole command, which also checks the model and publishes it with fsync, as no peer does.

The second half holds every connection to 80 MiB/s, as object stores do. The table goes to standard output.

  python -m benchmarks.pull
  python -m benchmarks.pull --rounds 3 --formats .tar
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from benchmarks.checkpoint import Shape, make_checkpoint
from benchmarks.measure import MIB, Measured, interleaved, machine, run, table
from tests.support.s3 import REGION, S3Server

ONE_GB = Shape(1280, 20, 16, 4, 51_866, 128)
CAP = 80 * MIB
FORMATS = (".tar", ".tar.zst", ".tar.gz")

_OURS = str(Path(sysconfig.get_path("scripts"), "whisper-model"))
_PULL, _WHOLE = "ours: pull", "ours: pull and publish"
_PEERS = {"download-extract": "(a) download_file, extractall, unlink", "stream": "(b) boto3 body into tarfile"}
_CURL_TAR, _CURL = "(c) curl | tar", "(d) curl -o file"
_TAR_FLAG = {".tar": "x", ".tar.zst": "x --zstd", ".tar.gz": "xz"}
_HEADERS = ("", "wall s", "CPU s", "peak RSS MiB", "written ÷ extracted", "wall ÷ (a)", "wall ÷ (d)")


def main() -> None:
    """Run the benchmark."""
    arguments = _parse()
    with tempfile.TemporaryDirectory(prefix="whisper-pull-", dir=arguments.folder) as name, S3Server.start() as server:
        folder = Path(name)
        server.create_bucket("models")
        extracted = _upload(folder, server, arguments.formats)
        print(f"{machine()}; medians of {arguments.rounds} interleaved rounds; {extracted / 1e9:.2f} GB extracted")
        with _capped(server) as capped:
            for endpoint, words in ((server.endpoint, "uncapped"), (capped, "each connection at 80 MiB/s")):
                for suffix in arguments.formats:
                    found = _race(folder, server, endpoint, suffix, arguments.rounds)
                    rows = [_row(name, measured, found, extracted) for name, measured in found.items()]
                    print(f"\n**{suffix}, {words}**\n\n{table(_HEADERS, rows)}", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pull", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each, interleaved (%(default)s)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS, help="archives to try (all)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="a disk with 12 GB of room (the temporary folder)")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"pull: {text}", file=sys.stderr, flush=True)


def _upload(folder: Path, server: S3Server, formats: Sequence[str]) -> int:
    """Make the model, upload it in each format, and return its size."""
    checkpoint, model = make_checkpoint(folder / "checkpoint", ONE_GB, _say), folder / "model"
    subprocess.run([_OURS, "convert", checkpoint, "--output", model], check=True, stderr=subprocess.DEVNULL)
    for suffix in formats:
        archive = folder / f"model{suffix}"
        _say(f"packing {archive.name}")
        subprocess.run([_OURS, "pack", model, "-o", archive], check=True, capture_output=True)
        server.client().upload_file(str(archive), "models", archive.name)
        archive.unlink()
    extracted = sum(path.stat().st_size for path in model.iterdir())
    for made in (checkpoint, model):
        shutil.rmtree(made)
    return extracted


@contextmanager
def _capped(server: S3Server) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.capped_relay", server.host, str(server.port), str(CAP)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
        try:
            assert relay.stdout is not None, "it was asked for"
            yield f"http://127.0.0.1:{relay.stdout.readline().strip()}"
        finally:
            relay.terminate()


def _race(folder: Path, server: S3Server, endpoint: str, suffix: str, rounds: int) -> dict[str, Measured]:
    key, target = f"model{suffix}", folder / "target"
    # Older curls leave out the header that says that a GET's body, which is none, is not signed.
    user = f"--header x-amz-content-sha256:UNSIGNED-PAYLOAD --user {server.access_key}:{server.secret_key} --aws-sigv4 aws:amz:{REGION}:s3"
    curl = f"curl --silent --show-error --fail {user} {endpoint}/models/{key}"
    uri = f"s3://models/{key}"
    reach = ["--endpoint", endpoint]
    commands = {
        _PULL: [_OURS, "job", "pull", uri, "--store", str(target), *reach],
        _WHOLE: [_OURS, "pull", uri, "--store", str(target), *reach],
        **{
            name: [sys.executable, "-m", "benchmarks.pull_peers", kind, endpoint, "models", key, str(target)]
            for kind, name in _PEERS.items()
        },
        _CURL_TAR: ["sh", "-c", f"mkdir {target} && {curl} | tar -{_TAR_FLAG[suffix]} -f - -C {target}"],
        _CURL: ["sh", "-c", f"mkdir {target} && {curl} -o {target}/{key}"],
    }
    contestants = {name: _contestant(command, target, server) for name, command in commands.items()}
    return interleaved(contestants, rounds, lambda text: _say(f"{suffix}: {text}"))


def _contestant(command: Sequence[str], target: Path, server: S3Server) -> Callable[[], Measured]:
    def measure() -> Measured:
        shutil.rmtree(target, ignore_errors=True)
        pod = {"WHISPER_JOB_UID": "benchmark", "WHISPER_POD_UID": uuid4().hex}
        return run(command, env={**os.environ, **server.environment, **pod})

    return measure


def _row(name: str, measured: Measured, found: dict[str, Measured], extracted: int) -> list[str]:
    return [
        name,
        f"{measured.wall:.2f}",
        f"{measured.cpu:.2f}",
        f"{measured.peak_rss_bytes / MIB:.0f}",
        f"{measured.bytes_written / extracted:.2f}",
        f"{measured.wall / found[_PEERS['download-extract']].wall:.2f}",
        f"{measured.wall / found[_CURL].wall:.2f}",
    ]


if __name__ == "__main__":
    main()
