"""A Hugging Face Hub on this machine: the documented protocol for model repositories, with its ways to refuse.

Small files come from the Hub itself; large ones (Git LFS) by redirect to a signed address on another host, its CDN.
Hub and CDN are two ports here. What the real client library makes of it is tested in tests/unit/loader/test_hub.py.
"""

import json
import re
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.support.hub_content import LFS_FROM, Faults, HubFile, Repository
from tests.support.hub_upload import answer_post, take_blob
from tests.support.serving import Handler, serving

_API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(/(?P<what>revision|tree)/(?P<revision>[^/]+))?")
_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CHUNK = 64 * 1024


@dataclass
class Hub:
    """The Hub as tests see it.

    Attributes:
        endpoint: what HF_ENDPOINT would hold.
        token: of a user who may read private repositories; `stranger_token` is of one who may not.
        requests: every request line so far, signed addresses included.
        blobs: what storage was given, by sha256.
        lfs_from: size from which a file goes to storage.
    """

    endpoint: str = ""
    cdn: str = ""
    token: str = "hf_" + "a" * 34
    stranger_token: str = "hf_" + "b" * 34
    signature: str = field(default_factory=lambda: secrets.token_hex(16))
    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    requests: list[str] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    lfs_from: int = LFS_FROM

    @classmethod
    @contextmanager
    def start(cls, tls: ssl.SSLContext | None = None) -> Iterator["Hub"]:
        """Serve until the block ends."""
        hub = cls()
        with _serve(hub, _HubHandler, tls) as hub.endpoint, _serve(hub, _CdnHandler, tls) as hub.cdn:
            yield hub

    def add(self, repo: str, files: dict[str, bytes], *, private: bool = False, gated: bool = False) -> Repository:
        """Make a repository whose branch main holds `files`."""
        repository = Repository(private=private, gated=gated)
        repository.commit(files)
        self.repositories[repo] = repository
        return repository


@contextmanager
def _serve(hub: Hub, handler: type["_Handler"], tls: ssl.SSLContext | None) -> Iterator[str]:
    with serving(handler, {"hub": hub}, tls) as port:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"


class _RefusalError(Exception):
    """An answer of the Hub's that is no success: status, X-Error-Code, X-Error-Message."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class _Handler(Handler):
    hub: ClassVar[Hub]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        try:
            self._count_fault()
            self.answer()
        except _RefusalError as refusal:
            self._refuse(refusal)

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self) -> None:
        raise NotImplementedError

    def send_json(self, document: Any) -> None:
        self.send_content(json.dumps(document).encode(), {"Content-Type": "application/json"})

    def send_content(self, content: bytes, headers: dict[str, str]) -> None:
        """Answer with `content`, or with the part of it that was asked for."""
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        end = int(wanted[2]) + 1 if wanted and wanted[2] else len(content)
        part = content[start:end]
        if wanted:
            headers = {**headers, "Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(content)}"}
        self._send(206 if wanted else 200, {**headers, "Accept-Ranges": "bytes"}, part)

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._write(body)

    def _write(self, body: bytes) -> None:
        faults = self.hub.faults
        if faults.break_offs > 0 and len(body) > faults.break_off_after > 0:
            faults.break_offs -= 1
            body, self.close_connection = body[: faults.break_off_after], True
        for start in range(0, len(body), _CHUNK):
            self.wfile.write(body[start : start + _CHUNK])

    def _count_fault(self) -> None:
        if self.hub.faults.unavailable > 0:
            self.hub.faults.unavailable -= 1
            raise _RefusalError(503, None, "Service Unavailable")

    def _refuse(self, refusal: _RefusalError) -> None:
        code = {} if refusal.code is None else {"X-Error-Code": refusal.code}
        body = json.dumps({"error": refusal.message}).encode()
        self._send(refusal.status, {"X-Error-Message": refusal.message, **code}, body)


class _HubHandler(_Handler):
    """The Hub itself: the API, small files, redirects for large ones."""

    def do_POST(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self._count_fault()
            self._check_may_write()
        except _RefusalError as refusal:
            self._refuse(refusal)
            return
        status, document = answer_post(self.hub, urlsplit(self.path).path, body)
        self._send(status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def _check_may_write(self) -> None:
        known = self._token_is_known()
        if not self._is_member():
            raise _RefusalError(403 if known else 401, None, "You don't have the rights to write here")

    def answer(self) -> None:
        path = urlsplit(self.path).path  # still quoted: a branch may hold a slash
        if match := _API.fullmatch(path):
            self._answer_api(match["repo"], match["what"], unquote(match["revision"] or "main"))
        elif match := _RESOLVE.fullmatch(path):
            self._answer_file(match["repo"], unquote(match["revision"]), unquote(match["path"]))
        else:
            raise _RefusalError(404, None, "Not Found")

    def _repository(self, name: str) -> Repository:
        """Find the repository, or refuse: who may not see it is told the same as if it were not there."""
        known = self._token_is_known()
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._is_member()):
            raise _RefusalError(404 if known else 401, "RepoNotFound", "Repository not found")
        return repository

    def _token_is_known(self) -> bool:
        authorization = self.headers.get("Authorization")
        if authorization is None:
            return False
        if authorization not in (f"Bearer {self.hub.token}", f"Bearer {self.hub.stranger_token}"):
            raise _RefusalError(401, None, "Invalid credentials in Authorization header")
        return True

    def _is_member(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _commit(self, repository: Repository, revision: str) -> str:
        commit = repository.find(revision)
        if commit is None:
            raise _RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _answer_api(self, repo: str, what: str | None, revision: str) -> None:
        repository = self._repository(repo)
        commit = self._commit(repository, revision)
        files = repository.commits[commit]
        if what == "tree":
            self.send_json([_tree_entry(name, file) for name, file in sorted(files.items())])
            return
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [_sibling(name, file, blobs=blobs) for name, file in sorted(files.items())]
        about = {"id": repo, "modelId": repo, "sha": commit, "private": repository.private, "tags": [], "downloads": 0}
        self.send_json({**about, "gated": "auto" if repository.gated else False, "siblings": siblings})

    def _answer_file(self, repo: str, revision: str, path: str) -> None:
        repository = self._repository(repo)
        if repository.gated and not self._is_member():
            known = self._token_is_known()
            raise _RefusalError(403 if known else 401, "GatedRepo", f"Access to model {repo} is restricted")
        commit = self._commit(repository, revision)
        file = repository.commits[commit].get(path)
        if file is None:
            raise _RefusalError(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{file.etag}"'}
        if not file.lfs:
            self.send_content(_served(self.hub, path, file.content), headers)
            return
        linked = {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(file.content))}
        where = f"{self.hub.cdn}/{quote(repo)}/{commit}/{quote(path)}?Signature={self.hub.signature}"
        self._send(302, {**headers, **linked, "Location": where})


class _CdnHandler(_Handler):
    """The CDN: takes the signature, and refuses whoever brings the Hub's token along, as S3 does."""

    def do_PUT(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            path = self._check_signature()
        except _RefusalError as refusal:
            self._refuse(refusal)
            return
        self._send(take_blob(self.hub, path.removeprefix("/lfs/"), body), {})

    def _check_signature(self) -> str:
        parts = urlsplit(self.path)
        if self.headers.get("Authorization") or parse_qs(parts.query).get("Signature") != [self.hub.signature]:
            raise _RefusalError(403, None, "Forbidden")
        return parts.path

    def answer(self) -> None:
        path_of_file = self._check_signature()
        _, organisation, name, commit, path = unquote(path_of_file).split("/", 4)
        file = self.hub.repositories[f"{organisation}/{name}"].commits[commit][path]
        self.send_content(_served(self.hub, path, file.content), {"ETag": f'"{file.etag}"'})


def _served(hub: Hub, path: str, content: bytes) -> bytes:
    if path not in hub.faults.tampered:
        return content
    return bytes([content[0] ^ 1]) + content[1:]


def _sibling(name: str, file: HubFile, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": name}
    entry = {"rfilename": name, "size": len(file.content), "blobId": file.oid}
    return {**entry, **({"lfs": _lfs(file, "sha256")} if file.lfs else {})}


def _tree_entry(name: str, file: HubFile) -> dict[str, Any]:
    entry = {"type": "file", "path": name, "size": len(file.content), "oid": file.oid}
    return {**entry, **({"lfs": _lfs(file, "oid")} if file.lfs else {})}


def _lfs(file: HubFile, key: str) -> dict[str, Any]:
    return {key: file.sha256, "size": len(file.content), "pointerSize": 130}
