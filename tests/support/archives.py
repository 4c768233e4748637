"""Archives of the small model, whole and broken in the ways that users meet."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.support.checkpoints import make_deaf

MODEL = Path(__file__).parents[1] / "fixtures" / "speech-model"


class Archives:
    """Archives in a folder, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def whole(self, suffix: str = ".tar.zst") -> Path:
        """The small model as `whisper-model pack` writes it."""
        archive = self._folder / f"whole{suffix}"
        if not archive.exists():
            _pack(MODEL, archive)
        return archive

    def corrupted(self) -> Path:
        """The whole one with bytes changed in the middle, as a broken upload leaves them."""
        archive = self._folder / "corrupted.tar.zst"
        content = bytearray(self.whole().read_bytes())
        middle = len(content) // 2
        content[middle : middle + 64] = bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
        archive.write_bytes(content)
        return archive

    def with_link(self) -> Path:
        """A model whose weights are a link, as `tar` of a Hugging Face cache folder makes it."""
        archive = self._folder / "link.tar"
        with tarfile.open(archive, "w") as tar:
            link = tarfile.TarInfo("model/model.safetensors")
            link.type, link.linkname = tarfile.SYMTYPE, "../../blobs/1234"
            tar.addfile(link)
        return archive

    def of_text(self) -> Path:
        """An archive with no model in it."""
        archive = self._folder / "text.tar"
        text = b"nothing to see here\n"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo("README.txt")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        return archive

    def no_archive(self) -> Path:
        """A file of a kind that is not supported."""
        archive = self._folder / "model.zip"
        archive.write_bytes(b"PK\x03\x04" + bytes(1000))
        return archive

    def deaf(self) -> Path:
        """A model that is whole in every way, and hears nothing."""
        archive = self._folder / "deaf.tar.zst"
        _pack(make_deaf(self._folder / "deaf"), archive)
        return archive


def _pack(folder: Path, archive: Path) -> None:
    program = str(Path(sys.executable).with_name("whisper-model"))
    subprocess.run([program, "pack", str(folder), "-o", str(archive)], check=True, capture_output=True)
