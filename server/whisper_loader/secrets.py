"""The Secret that a source names, as kubelet mounts it: a folder with a file for each key."""

from dataclasses import dataclass
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError


@dataclass(frozen=True, slots=True)
class SecretFolder:
    """A mounted Secret. The mount is optional, so that a Secret that does not exist is an empty folder."""

    path: Path

    def get(self, key: str) -> str | None:
        """Return the key's value without the line feed that editors add, or None when it is absent or empty."""
        try:
            return (self.path / key).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise LoaderError(Reason.SECRET_KEY_MISSING, f"the Secret's key {key} can't be read as text") from error

    def file(self, key: str) -> Path | None:
        """Return the path of the key's file, or None when it is absent or empty."""
        return None if self.get(key) is None else self.path / key

    def check_exists(self) -> None:
        """Raise LoaderError SecretNotFound when there is no Secret behind the mount."""
        # kubelet's own entries start with two dots.
        if not self.path.is_dir() or all(entry.name.startswith("..") for entry in self.path.iterdir()):
            raise LoaderError(Reason.SECRET_NOT_FOUND, f"the Secret that is mounted at {self.path} does not exist")

    def missing(self, expected: str) -> LoaderError:
        """Return the error to raise when the Secret has none of the keys that the source needs."""
        found = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith(".."))
        return LoaderError(Reason.SECRET_KEY_MISSING, f"the Secret needs {expected}; it has {', '.join(found)}")
