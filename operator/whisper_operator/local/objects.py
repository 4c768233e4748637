"""The Secrets and ConfigMaps of the file as folders with a file for each key, as kubelet mounts them."""

import shutil
from pathlib import Path

from whisper_operator.builders.server_files import FileKind
from whisper_operator.local.content import Content


def write_objects(folder: Path, content: Content) -> None:
    """Make the folders Secret/NAME and ConfigMap/NAME what the file says; programs that read them see whole files."""
    for kind in FileKind:
        wanted = {name: keys for (of_kind, name), keys in content.objects.items() if of_kind is kind}
        for name in _names(folder / kind) - wanted.keys():
            shutil.rmtree(folder / kind / name)
        for name, keys in wanted.items():
            place = folder / kind / name
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            for key in _names(place) - keys.keys():
                (place / key).unlink()
            for key, value in keys.items():
                _write(place / key, value)


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


def _write(path: Path, value: bytes) -> None:
    if path.exists() and path.read_bytes() == value:
        return
    # The name is no key: those of objects hold no comma.
    written = path.with_name(f"{path.name},new")
    written.write_bytes(value)
    written.chmod(0o600)
    written.replace(path)
