"""Writing to the Hugging Face Hub: one commit with all files of a model, in a private repository when there was none.

The files go up by the Hub's plain HTTP protocol (Git LFS), through the same proxies and CA bundle as everything else;
the library's faster Xet protocol has a network stack of its own that knows neither.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi

from whisper_contract.uris import DEFAULT_REVISION, HuggingFaceSource
from whisper_loader.access import Access
from whisper_loader.metered import MeteredFile
from whisper_loader.model.layout import find_model_in
from whisper_loader.progress import Meter
from whisper_loader.sources.files import file_errors
from whisper_loader.sources.hub.client import connect, hub_errors
from whisper_loader.transfer.retry import retry


def upload(path: Path, destination: HuggingFaceSource, access: Access, meter: Meter) -> None:
    """Upload the model in the folder `path`; a repository that is there keeps its other files.

    Raises:
        LoaderError: Unauthorized, SourceUnreachable, UnsupportedFormat for a folder without a model, …
    """
    with file_errors(path):
        names = find_model_in(path).names
    api = connect(access)
    with ExitStack() as stack:
        files = {name: stack.enter_context(MeteredFile(path / name)) for name in names}
        retry(lambda: _commit(api, destination, files, meter), access.deadline)


def _commit(api: HfApi, destination: HuggingFaceSource, files: dict[str, MeteredFile], meter: Meter) -> None:
    """Upload what the Hub has not got yet, and commit."""
    with _upload_errors(destination):
        _make_room(api, destination)
        for file in files.values():
            file.seek(0)
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in files.items()]
        for file in files.values():
            # The library has read each once by now, for its hash.
            file.count(meter)
        api.create_commit(destination.repo, operations, commit_message="Upload model", revision=destination.revision)


def _make_room(api: HfApi, destination: HuggingFaceSource) -> None:
    # A token that may write to a repository need not be one that may make some.
    if not api.repo_exists(destination.repo):
        api.create_repo(destination.repo, private=True, exist_ok=True)
    if destination.revision != DEFAULT_REVISION:
        api.create_branch(destination.repo, branch=destination.revision, exist_ok=True)


@contextmanager
def _upload_errors(destination: HuggingFaceSource) -> Iterator[None]:
    with hub_errors(destination, writing=True):
        try:
            yield
        except RuntimeError as error:
            # The library's threads wrap what a file met.
            if isinstance(error.__cause__, Exception):
                raise error.__cause__ from error
            raise
