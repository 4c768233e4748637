"""Write Python stubs of our own protocol: `make proto`.

They go into whisper_server/api under one name each, since a package `whisper` is what OpenAI's own model code is
called. A test compares what is committed with what this writes.
"""

import importlib.resources
import shutil
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "server" / "proto"
API = ROOT / "server" / "whisper_server" / "api"
PROTO = "whisper/v1/transcription.proto"

#: The one line of the generated code that counts on a package `whisper`.
_GENERATED_IMPORT = "from whisper.v1 import transcription_pb2"
_OUR_IMPORT = "from whisper_server.api import transcription_pb2"


def compile_proto(*options: str) -> None:
    """Run protoc over the protocol; RuntimeError when it cannot be compiled."""
    included = importlib.resources.files("grpc_tools") / "_proto"
    if protoc.main(["protoc", f"-I{PROTOS}", f"-I{included}", *options, PROTO]) != 0:
        raise RuntimeError(f"{PROTO} cannot be compiled: protoc says why above")


def write_stubs(folder: Path) -> None:
    """Write the modules of messages, their types, and of the service into `folder`."""
    with tempfile.TemporaryDirectory() as generated:
        compile_proto(*(f"--{kind}_out={generated}" for kind in ("python", "pyi", "grpc_python")))
        for file in (Path(generated) / PROTO).parent.iterdir():
            shutil.copyfile(file, folder / file.name)
    service = folder / "transcription_pb2_grpc.py"
    text = service.read_text()
    if _GENERATED_IMPORT not in text:
        raise RuntimeError(f"the stubs no longer say {_GENERATED_IMPORT!r}: see what they import now")
    service.write_text(text.replace(_GENERATED_IMPORT, _OUR_IMPORT))


if __name__ == "__main__":
    write_stubs(API)
