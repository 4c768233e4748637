"""What a Hub holds: repositories, their commits and files, as git and Git LFS name them."""

import hashlib
import secrets
from dataclasses import dataclass, field

LFS_FROM = 100_000


@dataclass(frozen=True)
class HubFile:
    """A file of a repository."""

    content: bytes

    @property
    def lfs(self) -> bool:
        return len(self.content) >= LFS_FROM

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """The id that git gives it: of the content, or of the pointer that stands for it."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        blob = pointer.encode() if self.lfs else self.content
        return hashlib.sha1(f"blob {len(blob)}\0".encode() + blob).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass
class Repository:
    """A repository: its commits, where its branches and tags point, and who may read it."""

    commits: dict[str, dict[str, HubFile]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(self, files: dict[str, bytes], reference: str = "main") -> str:
        """Add a commit that holds `files`, point `reference` to it, return its id."""
        commit = secrets.token_hex(20)
        self.commits[commit] = {name: HubFile(content) for name, content in files.items()}
        self.references[reference] = commit
        return commit

    def find(self, revision: str) -> str | None:
        commit = self.references.get(revision, revision)
        return commit if commit in self.commits else None


@dataclass
class Faults:
    """What is to go wrong, and how often yet.

    Attributes:
        break_off_after: bytes of a body after which the connection ends.
        break_offs: how many bodies still break off.
        unavailable: how many requests are still answered with 503.
        tampered: names of files whose content differs from what the Hub lists.
    """

    break_off_after: int = 0
    break_offs: int = 0
    unavailable: int = 0
    tampered: set[str] = field(default_factory=set)
