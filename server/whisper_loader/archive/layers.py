"""Takes one folder out of an image, whose layers are tars that lie on one another.

From the uppermost layer down, so that every file is written once and nothing is taken away again: what a layer brings,
or marks as removed, hides the same in the layers below it. The marks, which Docker took over from aufs:
https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts. What lies elsewhere in the image may be
anything, and is passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from whisper_contract.digest import PublishedFile
from whisper_contract.reasons import Reason
from whisper_loader.archive.decompress import Readable
from whisper_loader.archive.tar import Member, TarReader
from whisper_loader.archive.untar import DEFAULT_LIMITS, Limits, extract, unsafe
from whisper_loader.errors import LoaderError
from whisper_loader.store.journal import Journal

#: Members of one layer, most of which are not looked at twice: a whole operating system has some 100,000.
MAX_LAYER_MEMBERS = 2_000_000
#: Paths of all layers that are remembered, since they hide others: an image removes some thousands at most.
MAX_REMEMBERED = 100_000

_REMOVED = ".wh."
_EMPTIED = ".wh..wh..opq"
# aufs' own books, which some old images hold.
_BOOKS = ".wh..wh."

_Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cover:
    """What layers bring or remove, and so hide in those below them. Only what concerns the folder is kept.

    Attributes:
        whole: paths that are hidden with all below them: files, and what was removed.
        inside: folders of which only the content is hidden.
        folders: folders, which hide anything but folders.
    """

    whole: set[_Parts] = field(default_factory=set)
    inside: set[_Parts] = field(default_factory=set)
    folders: set[_Parts] = field(default_factory=set)

    def hides(self, parts: _Parts, member: Member) -> bool:
        ancestors = [parts[:length] for length in range(len(parts))]
        return (
            parts in self.whole
            or (parts in self.folders and not member.is_directory)
            or any(ancestor in self.whole or ancestor in self.inside for ancestor in ancestors)
        )

    def __len__(self) -> int:
        return len(self.whole) + len(self.inside) + len(self.folders)

    def add(self, other: "_Cover") -> None:
        self.whole.update(other.whole)
        self.inside.update(other.inside)
        self.folders.update(other.folders)


class ImageFolder:
    """The folder of an image, while its layers are applied."""

    def __init__(self, path: str, target: Path, limits: Limits = DEFAULT_LIMITS) -> None:
        """Write the image's folder `path` to `target`, which exists and is empty; ``.`` means the image's root."""
        self._path = path
        self._base = _split(path)
        self._target = target
        self._limits = limits
        self._cover = _Cover()
        self._files: dict[str, PublishedFile] = {}

    def apply(self, layer: Readable) -> None:
        """Write what `layer`, a tar, has in the folder and no layer above it hides; read it to its end.

        Raises:
            LoaderError: UnsafeArchive, naming the member, for anything but plain files and folders in the folder;
                UnsupportedFormat for a path that is no folder; ChecksumMismatch for a damaged layer.
            OSError: of the volume.
        """
        reader = _LayerReader(TarReader(layer), self._base, self._cover)
        self._files |= extract(reader, layer, self._target, Journal.none(), self._limits)
        self._cover.add(reader.cover)

    def finish(self) -> dict[str, PublishedFile]:
        """Return the files by path below the folder, once the lowest layer is applied.

        Raises:
            LoaderError: SourceNotFound when there are none.
        """
        if not self._files:
            raise LoaderError(Reason.SOURCE_NOT_FOUND, f"the image has no files below /{'/'.join(self._base)}")
        return self._files


class _LayerReader:
    """Goes through the members of one layer that lie in the folder and are visible, named from the folder on."""

    def __init__(self, reader: TarReader, base: _Parts, above: _Cover) -> None:
        self._reader = reader
        self._base = base
        self._above = above
        #: What this layer hides in those below it. Nothing of it hides anything in the layer itself.
        self.cover = _Cover()

    def members(self, max_members: int, /) -> Iterator[Member]:
        """Yield each member; at most `max_members` of those in the folder."""
        for member in self._reader.members(MAX_LAYER_MEMBERS):
            parts = _split(member.name)
            if ".." in parts:
                raise unsafe(member, "climbs with ..")
            if len(self._above) + len(self.cover) > MAX_REMEMBERED:
                raise unsafe(member, f"comes after more than {MAX_REMEMBERED} that the layers bring or remove")
            if self._is_mark(member, parts) or not self._concerns(parts) or self._above.hides(parts, member):
                continue
            (self.cover.folders if member.is_directory else self.cover.whole).add(parts)
            if inside := self._judged(member, parts):
                max_members -= 1
                if max_members < 0:
                    raise unsafe(member, "is one of too many below the path")
                yield inside

    def read_content(self, size: int, /) -> bytes:
        return self._reader.read_content(size)

    def replay_content(self, data: bytes, /) -> None:
        self._reader.replay_content(data)

    def skip_content(self, size: int, /) -> None:
        self._reader.skip_content(size)

    def _is_mark(self, member: Member, parts: _Parts) -> bool:
        """Tell whether the member marks something below as removed, and remember what."""
        name = parts[-1] if parts else ""
        if member.is_directory or not name.startswith(_REMOVED):
            return False
        folder, removed = parts[:-1], name.removeprefix(_REMOVED)
        if name == _EMPTIED:
            self._note(self.cover.inside, folder)
        elif removed in ("", ".", ".."):
            raise unsafe(member, "marks nothing as removed")
        elif not name.startswith(_BOOKS):
            self._note(self.cover.whole, (*folder, removed))
        return True

    def _note(self, hidden: set[_Parts], parts: _Parts) -> None:
        if self._concerns(parts):
            hidden.add(parts)

    def _concerns(self, parts: _Parts) -> bool:
        """Tell whether the path leads to the folder, or lies in it."""
        common = min(len(parts), len(self._base))
        return parts[:common] == self._base[:common]

    def _judged(self, member: Member, parts: _Parts) -> Member | None:
        """Return the member as the folder knows it, or None for the way to the folder."""
        if len(parts) > len(self._base):
            if member.oddity is not None:
                raise unsafe(member, f"is {member.oddity}: COPY the file itself into the image")
            return replace(member, name="/".join(parts[len(self._base) :]))
        if member.is_directory or not parts:
            return None
        if member.oddity is not None:
            raise unsafe(member, f"is {member.oddity} on the way to the model: name the folder that it leads to")
        raise LoaderError(
            Reason.UNSUPPORTED_FORMAT, f"/{'/'.join(parts)} is a file in the image, and a folder is expected there"
        )


def _split(path: str) -> _Parts:
    return tuple(part for part in path.split("/") if part not in ("", "."))
