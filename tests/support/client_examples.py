"""docs/clients.md as a client's author walks it: its commands, and a clone of the repository in which they are typed.

What takes a while there (stubs, a Go program, Node's packages) is made once a machine, by the page's own commands, and
kept beside the harness's programs.
"""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.go import ENVIRONMENT, go_version
from tests.cluster.packages import ensure
from tests.cluster.steps import run_step
from tests.support.models import COMMANDS
from tests.support.pages import DOCS

ROOT = DOCS.parent
PAGE = DOCS / "clients.md"
EXAMPLES = Path("examples", "clients")

#: The WAV file that the page has people make, where they type.
SPOKEN_FILE = "spoken.wav"

#: Program or library -> Debian package, of what the page's commands need beside Go and Python.
PROGRAMS = {"node": "nodejs", "npm": "npm", "curl": "curl", "libportaudio.so.2": "libportaudio2"}

_BLOCK = re.compile(r"^```console\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
#: How the commands begin that make something of the clone's own files.
_PREPARING = ("python3 -m grpc_tools.protoc ", "(cd examples/clients/go ", "npm install ")
_COPIED = (EXAMPLES, Path("server", "proto"))
#: What those commands make; a developer's checkout may have it too.
_MADE = ("*_pb2*", "whisperv1", "transcribe", "node_modules", "package-lock.json", "__pycache__")


@dataclass(frozen=True, slots=True)
class Command:
    """One line that the page has people type.

    Attributes:
        line: as it stands there.
        shown: what it prints, as the page says; nothing where the page does not say.
    """

    line: str
    shown: tuple[str, ...] = ()


def commands() -> list[Command]:
    """Return the page's commands."""
    found = []
    for console, shown in _BLOCK.findall(PAGE.read_text()):
        *first, last = (line.removeprefix("$ ") for line in console.splitlines())
        found += [*map(Command, first), Command(last, tuple(shown.splitlines()))]
    return found


def calls() -> list[Command]:
    """Return those that call a server."""
    return [command for command in commands() if "localhost:" in command.line]


def preparations() -> list[str]:
    """Return those that make something of the clone's files."""
    return [command.line for command in commands() if command.line.startswith(_PREPARING)]


def prepared_clone() -> Path:
    """A folder with the examples and the proto, in which the page's preparations have been typed; not to be written to.

    Raises:
        ClusterError: Something that this needs is missing, or failed.
    """
    ensure(PROGRAMS)
    content = hashlib.sha256(repr([*preparations(), version("grpcio-tools"), sys.version]).encode())
    content.update(Path(__file__).read_bytes())
    for file in _sources():
        content.update(f"{file}\0".encode() + (ROOT / file).read_bytes())
    return binaries.cached("client-examples", f"{content.hexdigest()[:12]}-{go_version()}", _prepare)


def environment(clone: Path) -> dict[str, str]:
    """Return the variables of a shell that finds the programs which the page has people install."""
    search = os.pathsep.join((str(clone / "bin"), str(COMMANDS), os.environ["PATH"]))
    npm = {"npm_config_audit": "false", "npm_config_fund": "false", "npm_config_package_lock": "false"}
    return {**os.environ, **ENVIRONMENT, **npm, "npm_config_update_notifier": "false", "PATH": search}


def _write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def _sources() -> Iterator[Path]:
    for folder in _COPIED:
        for file in sorted((ROOT / folder).rglob("*")):
            path = file.relative_to(ROOT)
            if file.is_file() and not any(fnmatch(part, made) for part in path.parts for made in _MADE):
                yield path


def _prepare(clone: Path) -> None:
    for file in _sources():
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, clone / file)
    programs = clone / "bin"
    programs.mkdir()
    for program in (binaries.grpcurl(), binaries.protoc_gen_go(), binaries.protoc_gen_go_grpc()):
        (programs / program.name).symlink_to(program)
    _write_program(programs / "protoc", f'exec "{sys.executable}" -m grpc_tools.protoc "$@"')
    # A machine for tests has no microphone: the samples of a WAV file, behind its header, are spoken into it.
    _write_program(programs / "arecord", f"exec tail -c +45 {SPOKEN_FILE}")
    for line in preparations():
        run_step(["bash", "-ec", f'cd "{clone}"\n{line}'], what=line, environment=environment(clone))
