"""A repository on the Hugging Face Hub, or on a server that speaks the Hub's protocol.

The revision becomes a commit first, and every file is read at that commit and checked against what the Hub says of it.
The client library's cache is not used: it can return a stale folder with a mere warning, and it checks no content.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx2
from huggingface_hub import HfApi, constants, get_session, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]  # documented
from huggingface_hub.utils import logging as hub_logging

from whisper_contract.reasons import Reason
from whisper_contract.uris import HuggingFaceSource
from whisper_loader.errors import LoaderError
from whisper_loader.model.layout import find_model
from whisper_loader.sources.base import Access, ByteStream, Resolved, SourceFile
from whisper_loader.sources.endpoints import check_endpoint
from whisper_loader.sources.retrying import ResumingStream, retry

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

# What the library takes: a token, False for none, None for the one that the machine is logged in with.
_Token = str | bool | None

_TIMEOUT_SECONDS = 60.0
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository at one commit, and how to ask for its files."""

    source: HuggingFaceSource
    endpoint: str
    token: _Token
    access: Access


def resolve(source: HuggingFaceSource, access: Access) -> Resolved:
    """Return what `source` holds now.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SecretKeyMissing, SourceUnreachable, SpecInvalid, UnsupportedFormat.
    """
    # Its warnings repeat URLs, signed ones too; what matters of them arrives here as an error.
    hub_logging.set_verbosity(logging.CRITICAL)
    endpoint = check_endpoint(access.endpoint or constants.ENDPOINT)
    token = _token(access)
    info = retry(lambda: _info(source, endpoint, token, access), access.deadline)
    commit = HuggingFaceSource(source.repo, info.sha or source.revision)
    repository = _Repository(commit, endpoint, token, access)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    files = tuple(_file(repository, siblings[name]) for name in find_model(siblings).names)
    return Resolved(str(commit), files, is_archive=False)


def _token(access: Access) -> _Token:
    if access.anonymous:
        return False
    if access.secret is None:
        return None
    token = access.secret.get("token")
    if token is None:
        raise access.secret.missing("token")
    return token


def _info(source: HuggingFaceSource, endpoint: str, token: _Token, access: Access) -> "ModelInfo":
    timeout = access.deadline.remaining(_TIMEOUT_SECONDS)
    with hub_errors(source):
        api = HfApi(endpoint=endpoint, token=token)
        return api.model_info(source.repo, revision=source.revision, files_metadata=True, timeout=timeout)


def _file(repository: _Repository, sibling: "RepoSibling") -> SourceFile:
    size = sibling.size or 0
    open_at = partial(_open_at, repository, sibling.rfilename)
    return SourceFile(
        name=sibling.rfilename,
        size=size,
        open=lambda: ResumingStream(open_at, size, repository.access.deadline),
        sha256=None if sibling.lfs is None else sibling.lfs.sha256,
        git_blob=sibling.blob_id if sibling.lfs is None else None,
    )


def _open_at(repository: _Repository, name: str, offset: int) -> ByteStream:
    source = repository.source
    url = hf_hub_url(source.repo, name, revision=source.revision, endpoint=repository.endpoint)
    headers = {**build_hf_headers(token=repository.token), "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    timeout = repository.access.deadline.remaining(_TIMEOUT_SECONDS)
    with hub_errors(source):
        client = get_session()
        response = client.send(client.build_request("GET", url, headers=headers, timeout=timeout), stream=True)
        if response.is_error:
            response.read()
        hf_raise_for_status(response)
    if offset and response.status_code != httpx2.codes.PARTIAL_CONTENT:
        response.close()
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{source}: broke off, and the server can't go on from the middle")
    return _Body(source, response)


class _Body:
    """A response's bytes, with the client's errors mapped."""

    def __init__(self, source: HuggingFaceSource, response: httpx2.Response) -> None:
        self._source = source
        self._response = response
        self._chunks = response.iter_raw(_CHUNK)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            with hub_errors(self._source):
                self._rest = next(self._chunks, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        self._response.close()


@contextmanager
def hub_errors(source: HuggingFaceSource) -> Iterator[None]:
    """Map the Hub client's errors. What it says itself is not repeated: it holds URLs, signed ones too."""
    try:
        yield
    except GatedRepoError as error:
        raise LoaderError(
            Reason.UNAUTHORIZED, f"{source}: the repository is gated and this token may not read it"
        ) from error
    except RepositoryNotFoundError as error:
        sentence = "there is no such repository, or it is private and the token may not see it"
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: {sentence}") from error
    except RevisionNotFoundError as error:
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: there is no such revision in the repository") from error
    except RemoteEntryNotFoundError as error:
        raise LoaderError(Reason.SOURCE_CHANGED, f"{source}: a file that was listed is gone") from error
    except HfHubHTTPError as error:
        raise _from_status(source, error.response.status_code) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{source}: no connection ({type(error).__name__})") from error
    except HFValidationError as error:
        raise LoaderError(Reason.SPEC_INVALID, f"{source}: not a repository's name") from error


def _from_status(source: HuggingFaceSource, status: int) -> LoaderError:
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return LoaderError(Reason.UNAUTHORIZED, f"{source}: the Hub refused the token ({status})")
    if status == httpx2.codes.NOT_FOUND:
        return LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: the Hub knows nothing by this name ({status})")
    if status == httpx2.codes.TOO_MANY_REQUESTS or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return LoaderError(Reason.SOURCE_UNREACHABLE, f"{source}: the Hub is overloaded or broken ({status})")
    return LoaderError(Reason.SPEC_INVALID, f"{source}: the Hub refused the request ({status})")
