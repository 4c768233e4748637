"""Wall time, CPU, memory and bytes of `whisper-model pull` from S3, beside what teams use today.

A model of 1.0 GB (random float16 weights) is packed as .tar, .tar.zst and .tar.gz and served from this machine by
`benchmarks.s3_files`, which takes next to none of its processors' time, as a store elsewhere takes none. Every
contestant is a fresh process; rounds are interleaved. Peers: (a) boto3's download_file, then tarfile.extractall, then
unlink; (b) boto3's body straight into tarfile; (c) curl | tar; (d) curl -o file, which is the limit. Ours is shown
twice: the pull itself, to the extracted files as with the peers (the Job's first step), and the whole command, which
also checks the model and publishes it with fsync, as no peer does.

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
    with tempfile.TemporaryDirectory(prefix="whisper-pull-", dir=arguments.folder) as name:
        folder = Path(name)
        extracted = _make_archives(folder, arguments.formats)
        print(f"{machine()}; medians of {arguments.rounds} interleaved rounds; {extracted / 1e9:.2f} GB extracted")
        with _served("s3_files", folder) as port, _served("capped_relay", "127.0.0.1", port, CAP) as capped:
            for number, words in ((port, "uncapped"), (capped, "each connection at 80 MiB/s")):
                for suffix in arguments.formats:
                    found = _race(folder, f"http://127.0.0.1:{number}", suffix, arguments.rounds)
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


def _make_archives(folder: Path, formats: Sequence[str]) -> int:
    """Make the model, pack it in each format, and return its size."""
    checkpoint, model = make_checkpoint(folder / "checkpoint", ONE_GB, _say), folder / "model"
    subprocess.run([_OURS, "convert", checkpoint, "--output", model], check=True, capture_output=True)
    for suffix in formats:
        _say(f"packing model{suffix}")
        subprocess.run([_OURS, "pack", model, "-o", folder / f"model{suffix}"], check=True, capture_output=True)
    extracted = sum(path.stat().st_size for path in model.iterdir())
    for made in (checkpoint, model):
        shutil.rmtree(made)
    return extracted


@contextmanager
def _served(program: str, *arguments: object) -> Iterator[int]:
    """Run a server of this folder; yield the port that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{program}", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None, "it was asked for"
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def _race(folder: Path, endpoint: str, suffix: str, rounds: int) -> dict[str, Measured]:
    key, target = f"model{suffix}", folder / "target"
    curl = f"curl --silent --show-error --fail {endpoint}/models/{key}"
    uri = f"s3://models/{key}"
    reach = ["--endpoint", endpoint, "--region", "us-east-1"]
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
    contestants = {name: _contestant(command, target) for name, command in commands.items()}
    return interleaved(contestants, rounds, lambda text: _say(f"{suffix}: {text}"))


def _contestant(command: Sequence[str], target: Path) -> Callable[[], Measured]:
    def measure() -> Measured:
        shutil.rmtree(target, ignore_errors=True)
        pod = {"WHISPER_JOB_UID": "benchmark", "WHISPER_POD_UID": uuid4().hex}
        keys = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
        return run(command, env={**os.environ, **keys, **pod})

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
