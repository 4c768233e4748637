"""A repository on the Hugging Face Hub, or on a server that speaks the Hub's protocol.

The revision becomes a commit first, and every file is read at that commit and checked against what the Hub says of it.
The client library answers what a repository holds; its cache is not used: it can return a stale folder with a mere
warning, and it checks no content. The bytes come by the loader's own HTTP client, in parts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented

from whisper_contract.reasons import Reason
from whisper_contract.uris import HuggingFaceSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.http.ranges import Range
from whisper_loader.model.layout import find_model
from whisper_loader.source import ByteStream, Resolved, SourceFile
from whisper_loader.sources.hub.client import GATED, HUB_STATUSES, connect, hub_errors
from whisper_loader.transfer.retry import retry

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

_TIMEOUT_SECONDS = 60.0
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# How storage says that the time of a signed address is over: S3 and CloudFront, or a store that forgot the address.
_EXPIRED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


def resolve(source: HuggingFaceSource, access: Access) -> Resolved:
    """Return what `source` holds now.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SecretKeyMissing, SourceUnreachable, SpecInvalid, UnsupportedFormat.
    """
    api = connect(access)
    info = retry(lambda: _info(api, source, access), access.deadline)
    commit = HuggingFaceSource(source.repo, _commit(source, info.sha))
    repository = _Repository(commit, str(api.endpoint), build_hf_headers(token=api.token), Client(access))
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    files = tuple(_file(repository, siblings[name]) for name in find_model(siblings).names)
    return Resolved(str(commit), files, is_archive=False)


def _info(api: HfApi, source: HuggingFaceSource, access: Access) -> "ModelInfo":
    timeout = access.deadline.remaining(_TIMEOUT_SECONDS)
    with hub_errors(source):
        return api.model_info(source.repo, revision=source.revision, files_metadata=True, timeout=timeout)


def _commit(source: HuggingFaceSource, sha: object) -> str:
    """Return the commit that the revision means now: a branch in its place would name what others hold tomorrow."""
    if isinstance(sha, str) and _COMMIT.fullmatch(sha):
        return sha
    message = f"{source}: what answers there names no commit: it does not speak the Hub's protocol"
    raise LoaderError(Reason.SPEC_INVALID, message)


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository at one commit, and how to ask for its files."""

    source: HuggingFaceSource
    endpoint: str
    headers: dict[str, str]
    client: Client


def _file(repository: _Repository, sibling: "RepoSibling") -> SourceFile:
    _check(repository.source, sibling)
    lfs = sibling.lfs
    file = _File(repository, sibling.rfilename, sibling.size)
    return SourceFile(
        name=sibling.rfilename,
        size=sibling.size,
        open=file.open,
        # Small files come from git, which the Hub does not serve in parts.
        ranged=lfs is not None and sibling.size is not None,
        sha256=None if lfs is None else lfs.sha256,
        git_blob=sibling.blob_id if lfs is None else None,
    )


def _check(source: HuggingFaceSource, sibling: "RepoSibling") -> None:
    """Raise LoaderError SpecInvalid when the answer, which the library does not look at, is none of a Hub's."""
    size, sha256 = sibling.size, None if sibling.lfs is None else sibling.lfs.sha256
    if (size is None or (type(size) is int and size >= 0)) and isinstance(sha256, str | None):
        return
    message = (
        f"{source}: what answers there does not speak the Hub's protocol: no size and hash for {sibling.rfilename}"
    )
    raise LoaderError(Reason.SPEC_INVALID, message)


@dataclass(slots=True)
class _File:
    """One file at the commit.

    Attributes:
        signed: where storage has it, as the Hub last said; parts after the first ask there, until it expires.
    """

    repository: _Repository
    name: str
    size: int | None
    signed: str | None = field(default=None, repr=False)

    def open(self, start: int, stop: int | None, /) -> ByteStream:
        """Return the bytes from `start` to before `stop`."""
        wanted = Range(start, stop, self.size)
        return wanted.check(self._from_storage(wanted.headers) or self._from_hub(wanted.headers))

    def _from_storage(self, headers: Mapping[str, str]) -> Answer | None:
        """Ask the address that the Hub has signed before; None when there is none, or none any more."""
        if (signed := self.signed) is None:
            return None
        answer = self.repository.client.get(signed, self._what, headers)
        if answer.ok:
            return answer
        if answer.status not in _EXPIRED:
            raise answer.failure()
        answer.close()
        self.signed = None
        return None

    def _from_hub(self, headers: Mapping[str, str]) -> Answer:
        repository = self.repository
        source = repository.source
        url = hf_hub_url(source.repo, self.name, revision=source.revision, endpoint=repository.endpoint)
        answer = repository.client.get(url, self._what, {**repository.headers, **headers})
        elsewhere = urlsplit(answer.url).netloc != urlsplit(url).netloc
        if not answer.ok:
            raise self._storage_failure(answer) if elsewhere else self._hub_failure(answer)
        self.signed = answer.url if elsewhere else None
        return answer

    @property
    def _what(self) -> str:
        return f"{self.repository.source}: {self.name}"

    def _storage_failure(self, answer: Answer) -> LoaderError:
        if answer.status in _EXPIRED:
            words = "storage refuses the address that the Hub has just signed"
            return answer.failure({answer.status: (Reason.SOURCE_UNREACHABLE, words)})
        return answer.failure()

    def _hub_failure(self, answer: Answer) -> LoaderError:
        # https://huggingface.co/docs/huggingface_hub: X-Error-Code is how the Hub tells its refusals apart.
        code = answer.headers.get("x-error-code")
        if code == "GatedRepo":
            return answer.failure({answer.status: (Reason.UNAUTHORIZED, GATED)})
        if code == "EntryNotFound":
            return answer.failure({answer.status: (Reason.SOURCE_CHANGED, "a file that was listed is gone")})
        return answer.failure(HUB_STATUSES)
