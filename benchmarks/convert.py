"""Wall time, CPU, memory and bytes of `whisper-model convert` for a model of large-v3-turbo's shape made at random.

Beside it, in the same rounds: a copy of the checkpoint on the same disk, which is the limit, and CTranslate2's own
converter where there is a Python that has it. The table goes to standard output, progress to standard error.

  python -m benchmarks.convert
  python -m benchmarks.convert --rounds 5 --official-python /opt/torch/bin/python

CTranslate2's converter needs torch and transformers, which this project does not install; for example
  uv venv /opt/torch && uv pip install --python /opt/torch/bin/python ctranslate2 torch transformers
The models that both make are compared, byte for byte.
"""

import argparse
import filecmp
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.checkpoint import LARGE_V3_TURBO, make_checkpoint
from benchmarks.measure import MIB, Measured, interleaved, machine, run, table

_QUANTIZATIONS = ("float16", "int8_float16")
_COPY = "cp of the checkpoint"
_HEADERS = ("", "wall s", "CPU s", "peak RSS MiB", "written MiB", "wall ÷ cp", "wall ÷ official")


def main() -> int:
    """Run the benchmark; exit code 1 when our model is not, byte for byte, the official one."""
    arguments = _parse()
    with tempfile.TemporaryDirectory(prefix="whisper-convert-", dir=arguments.folder) as folder:
        return _benchmark(Path(folder), arguments.rounds, arguments.official_python)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each, interleaved (%(default)s)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="a disk with 8 GB of room (the temporary folder)")
    parser.add_argument("--official-python", type=Path, metavar="PATH", help="a Python with ctranslate2 and torch")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"convert: {text}", file=sys.stderr, flush=True)


def _benchmark(folder: Path, rounds: int, official_python: Path | None) -> int:
    checkpoint = make_checkpoint(folder / "checkpoint", LARGE_V3_TURBO, _say)
    commands = _commands(checkpoint, official_python)
    contestants = {name: _contestant(command, folder / name) for name, command in commands.items()}
    found = interleaved(contestants, rounds, _say)
    rows = [_row(name, measured, found) for name, measured in found.items()]
    print(f"{machine()}; medians of {rounds} interleaved rounds\n\n{table(_HEADERS, rows)}")
    return 0 if official_python is None or _models_are_the_same(folder) else 1


def _commands(checkpoint: Path, official_python: Path | None) -> dict[str, list[str]]:
    """What is run, by name; the place to write to is added last."""
    ours = str(Path(sysconfig.get_path("scripts"), "whisper-model"))
    commands = {_COPY: ["cp", "--recursive", "--reflink=never", str(checkpoint)]}
    for quantization in _QUANTIZATIONS:
        wanted = ["--quantization", quantization]
        commands[_ours(quantization)] = [ours, "convert", str(checkpoint), *wanted, "--output"]
        if official_python is not None:
            official = str(official_python.with_name("ct2-transformers-converter"))
            copied = ["--copy_files", "tokenizer.json", "preprocessor_config.json"]
            commands[_official(quantization)] = [official, "--model", str(checkpoint), *wanted, *copied, "--output_dir"]
    return commands


def _ours(quantization: str) -> str:
    return f"whisper-model convert, {quantization}"


def _official(quantization: str) -> str:
    return f"ct2-transformers-converter, {quantization}"


def _contestant(command: Sequence[str], target: Path) -> Callable[[], Measured]:
    def measure() -> Measured:
        shutil.rmtree(target, ignore_errors=True)
        return run([*command, str(target)])

    return measure


def _row(name: str, measured: Measured, found: dict[str, Measured]) -> list[str]:
    kind, _, quantization = name.rpartition(", ")
    official = found.get(_official(quantization)) if kind else None
    return [
        name,
        f"{measured.wall:.1f}",
        f"{measured.cpu:.1f}",
        f"{measured.peak_rss_bytes / MIB:.0f}",
        f"{measured.bytes_written / MIB:.0f}",
        f"{measured.wall / found[_COPY].wall:.2f}",
        f"{measured.wall / official.wall:.2f}" if official else "",
    ]


def _models_are_the_same(folder: Path) -> bool:
    same = True
    for quantization in _QUANTIZATIONS:
        ours, official = folder / _ours(quantization), folder / _official(quantization)
        names = sorted(path.name for path in official.iterdir())
        _, differing, missing = filecmp.cmpfiles(ours, official, names, shallow=False)
        for name in differing + missing:
            _say(f"{quantization}: {name} is not what CTranslate2's converter makes")
            same = False
    return same


if __name__ == "__main__":
    sys.exit(main())
