"""What a reference to a registry holds: the files of an artifact, one archive, or a folder of an image."""

from functools import partial

from whisper_contract.reasons import Reason
from whisper_contract.uris import OCISource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.model.layout import find_model
from whisper_loader.source import Resolved, SourceFile
from whisper_loader.sources.oci.manifests import Descriptor, Manifest, choose
from whisper_loader.sources.oci.registry import Registry
from whisper_loader.transfer.retry import retry

# An index of indexes of images: nobody has more.
_MAX_INDEXES = 3


def resolve(source: OCISource, access: Access) -> Resolved:
    """Return what `source` holds now; its identity names the manifest by digest, that of one platform in an index.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SecretKeyMissing, SourceQuotaExceeded, SourceUnreachable,
            ChecksumMismatch, UnsupportedFormat, SpecInvalid.
    """
    registry = Registry(source, access)
    digest, manifest = _manifest(registry, source, access)
    pinned = OCISource(source.registry, source.name, digest, source.path)
    if not manifest.layers:
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{source}: the artifact has no layers")
    largest = max(manifest.layers, key=lambda layer: layer.size)
    if largest.size == 0:
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{source}: the artifact's layers are empty")
    ranged = retry(lambda: registry.is_ranged(largest), access.deadline)
    return _Layers(registry, pinned, manifest.layers, ranged).resolved()


def _manifest(registry: Registry, source: OCISource, access: Access) -> tuple[str, Manifest]:
    reference = source.reference
    for _ in range(_MAX_INDEXES):
        described, found = retry(partial(registry.manifest, reference), access.deadline)
        if isinstance(found, Manifest):
            return described.digest, found
        reference = choose(found.manifests, str(source)).digest
    raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{source}: an index that leads to indexes only")


class _Layers:
    """The layers of one manifest, and which of the three ways they hold a model in."""

    def __init__(self, registry: Registry, source: OCISource, layers: tuple[Descriptor, ...], ranged: bool) -> None:  # noqa: FBT001
        self._registry = registry
        self._source = source
        self._layers = layers
        self._ranged = ranged

    def resolved(self) -> Resolved:
        identity = str(self._source)
        titled = {layer.title: layer for layer in self._layers if layer.title is not None}
        if len(self._layers) == 1 and not self._source.path:
            (layer,) = self._layers
            return Resolved(identity, (self._file(layer, layer.title or self._source.name),), is_archive=True)
        if titled:
            return Resolved(identity, self._titled_files(titled), is_archive=False)
        if not self._source.path:
            raise LoaderError(
                Reason.SPEC_INVALID,
                f"{identity}: an image of {len(self._layers)} layers: say where in it the model is, "
                "as oci://registry/name:tag#folder (source.oci.path)",
            )
        # The uppermost layer first: what it holds hides the same below, so that every file is written once.
        names = [f"layer {number} of the image" for number in range(1, len(self._layers) + 1)]
        files = tuple(map(self._file, reversed(self._layers), reversed(names)))
        return Resolved(identity, files, is_archive=False, image_path=self._source.path)

    def _titled_files(self, titled: dict[str, Descriptor]) -> tuple[SourceFile, ...]:
        """The files right in the folder that is meant, as ORAS names them."""
        folder = f"{self._source.path}/" if self._source.path else ""
        inside = {title.removeprefix(folder): layer for title, layer in titled.items() if title.startswith(folder)}
        return tuple(self._file(inside[name], name) for name in find_model(inside).names)

    def _file(self, layer: Descriptor, name: str) -> SourceFile:
        open_blob = partial(self._registry.open_blob, layer)
        return SourceFile(name, layer.size, open_blob, ranged=self._ranged, sha256=layer.sha256)
