"""Google Cloud Storage on this machine: its JSON API for reading and resumable uploads, with its ways to refuse.

What Google's own client library makes of it is tested in tests/unit/loader/test_gcs_server.py. Compiled emulators know
neither credentials nor permissions, which are half of what can go wrong.
"""

import base64
import hashlib
import json
import re
import secrets
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import google_crc32c

from tests.support.google_tokens import IMPERSONATION, Tokens
from tests.support.serving import Handler, serving

_OBJECTS = re.compile(r"(?:/download)?/storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<name>[^/]+))?")
_UPLOAD = re.compile(r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
_METADATA = "/computeMetadata/v1/"
_PAGE = 3
_WRITE_SCOPES = ("read_write", "full_control", "cloud-platform")


@dataclass(frozen=True)
class Object:
    """One generation of an object."""

    name: str
    content: bytes
    generation: int
    encoding: str | None = None

    def document(self, bucket: str) -> dict[str, Any]:
        md5 = base64.b64encode(hashlib.md5(self.content, usedforsecurity=False).digest()).decode()
        about = {"kind": "storage#object", "bucket": bucket, "name": self.name, "generation": str(self.generation)}
        encoding = {"contentEncoding": self.encoding} if self.encoding else {}
        crc32c = base64.b64encode(google_crc32c.value(self.content).to_bytes(4, "big")).decode()
        checks = {"md5Hash": md5, "crc32c": crc32c}
        return {**about, **encoding, **checks, "metageneration": "1", "size": str(len(self.content))}


@dataclass
class Bucket:
    """A bucket; the last generation of a name is the live one."""

    public: bool = False
    requester_pays: bool = False
    versioned: bool = False
    objects: dict[str, list[Object]] = field(default_factory=dict)

    def find(self, name: str, generation: str | None) -> Object | None:
        kept = self.objects.get(name, [])
        return next((one for one in reversed(kept) if generation in (None, str(one.generation))), None)


@dataclass
class Session:
    """A resumable upload."""

    bucket: str
    name: str
    received: bytes = b""


@dataclass
class Faults:
    """What is to go wrong with requests for bytes, and how often yet.

    Attributes:
        statuses: that the next requests for bytes are answered with; None for a good answer.
        retry_after: what goes with them.
        page: sent as a success in place of the bytes.
        no_ranges: whether ranges are not heeded.
        lying_length: added to every Content-Length of bytes.
        silence_seconds: before the next answers.
        lose_chunks: chunks of uploads that get lost, with their connection.
        upload_scheme: of the address to upload to, when it is another than the request's.
    """

    statuses: list[int | None] = field(default_factory=list)
    retry_after: str | None = None
    page: bytes | None = None
    no_ranges: bool = False
    lying_length: int = 0
    silence_seconds: float = 0.0
    lose_chunks: int = 0
    upload_scheme: str | None = None


@dataclass
class Gcs:
    """The service as tests see it.

    Attributes:
        requests: every request line so far.
        authorizations: what each request authorized itself with.
    """

    endpoint: str = ""
    host: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    uploads: dict[str, Session] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    _generation: int = 1_700_000_000_000_000

    @classmethod
    @contextmanager
    def start(cls, tls: ssl.SSLContext | None = None) -> Iterator["Gcs"]:
        """Serve until the block ends."""
        gcs = cls()
        with serving(_Handler, {"gcs": gcs}, tls) as port:
            gcs.host = f"127.0.0.1:{port}"
            gcs.endpoint = f"http{'' if tls is None else 's'}://{gcs.host}"
            yield gcs

    def put(self, bucket: str, name: str, content: bytes, encoding: str | None = None) -> str:
        """Store an object, return its generation."""
        self._generation += 1
        held = self.buckets.setdefault(bucket, Bucket())
        kept = held.objects.get(name, []) if held.versioned else []
        held.objects[name] = [*kept, Object(name, content, self._generation, encoding)]
        return str(self._generation)


class _RefusalError(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class _Handler(Handler):
    gcs: ClassVar[Gcs]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def _answer(self, work: Any) -> None:
        self.gcs.requests.append(f"{self.command} {self.path}")
        self.gcs.authorizations.append(self.headers.get("Authorization"))
        time.sleep(self.gcs.faults.silence_seconds)
        self.parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(self.parts.query).items()}
        try:
            work()
        except _RefusalError as refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: _RefusalError) -> None:
        if self.query.get("alt") == "media":
            # Bytes were asked for: the words come as they are.
            self._send(refusal.status, refusal.message.encode(), {"Content-Type": "text/html; charset=UTF-8"})
            return
        errors = [{"message": refusal.message, "domain": "global", "reason": refusal.reason}]
        self._json({"error": {"code": refusal.status, "message": refusal.message, "errors": errors}}, refusal.status)

    def _get(self) -> None:
        if self.parts.path.startswith(_METADATA) or self.parts.path == "/":
            return self._metadata(self.parts.path.removeprefix(_METADATA))
        match = _OBJECTS.fullmatch(self.parts.path)
        if match is None:
            raise _RefusalError(404, "notFound", "Not Found")
        name = unquote(match["bucket"])
        bucket = self._readable(name)
        if match["name"] is None:
            return self._list(name, bucket)
        return self._object(name, bucket, unquote(match["name"]))

    def _metadata(self, what: str) -> None:
        if self.headers.get("Metadata-Flavor") != "Google":
            raise _RefusalError(403, "forbidden", "Missing Metadata-Flavor:Google header.")
        flavor = {"Metadata-Flavor": "Google"}
        if what.endswith("/token"):
            return self._json(self.gcs.tokens.grant(self.query.get("scopes", "")), headers=flavor)
        if what.startswith("instance/service-accounts/"):
            return self._json({"email": "machine@project", "scopes": [], "aliases": ["default"]}, headers=flavor)
        return self._send(200, b"project", {"Content-Type": "application/text", **flavor})

    def _readable(self, name: str) -> Bucket:
        authorization = self.headers.get("Authorization")
        scope = self.gcs.tokens.scope_of(authorization)
        if authorization is not None and scope is None:
            raise _RefusalError(401, "authError", "Invalid Credentials")
        bucket = self.gcs.buckets.get(name)
        if bucket is None:
            raise _RefusalError(404, "notFound", "The specified bucket does not exist.")
        if bucket.requester_pays and "userProject" not in self.query:
            raise _RefusalError(400, "required", "Bucket is a requester pays bucket but no user project provided.")
        if scope is None and not bucket.public:
            raise _RefusalError(401, "required", "Anonymous caller does not have storage.objects.get access.")
        if name == "closed":
            raise _RefusalError(403, "forbidden", "reader does not have storage.objects.get access.")
        return bucket

    def _list(self, bucket_name: str, bucket: Bucket) -> None:
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter")
        names = [name for name in sorted(bucket.objects) if name.startswith(prefix)]
        direct = [name for name in names if not delimiter or delimiter not in name.removeprefix(prefix)]
        start = int(self.query.get("pageToken", "0"))
        page = [bucket.objects[name][-1].document(bucket_name) for name in direct[start : start + _PAGE]]
        more = {"nextPageToken": str(start + _PAGE)} if start + _PAGE < len(direct) else {}
        self._json({"kind": "storage#objects", **({"items": page} if page else {}), **more})

    def _object(self, bucket_name: str, bucket: Bucket, name: str) -> None:
        found = bucket.find(name, self.query.get("generation"))
        if found is None:
            raise _RefusalError(404, "notFound", f"No such object: {bucket_name}/{name}")
        if self.query.get("ifGenerationMatch", str(found.generation)) != str(found.generation):
            raise _RefusalError(412, "conditionNotMet", "At least one of the pre-conditions did not hold.")
        if self.query.get("alt") != "media":
            return self._json(found.document(bucket_name))
        return self._bytes(found)

    def _bytes(self, found: Object) -> None:
        faults = self.gcs.faults
        if status := (faults.statuses.pop(0) if faults.statuses else None):
            retry_after = {"Retry-After": faults.retry_after} if faults.retry_after else {}
            return self._send(status, b"busy", retry_after)
        if faults.page is not None:
            return self._send(200, faults.page, {"Content-Type": "text/html"})
        wanted = None if faults.no_ranges else _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        stop = int(wanted[2]) + 1 if wanted and wanted[2] else len(found.content)
        part = found.content[start:stop]
        headers = {"X-Goog-Generation": str(found.generation), "Content-Type": "application/octet-stream"}
        if found.encoding and "gzip" in self.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = found.encoding
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(found.content)}"
        return self._send(206 if wanted else 200, part, headers, lie=faults.lying_length)

    def _post(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.parts.path == "/token":
            status, document = self.gcs.tokens.exchange(dict(parse_qsl(body.decode())))
            return self._json(document, status)
        if self.parts.path == IMPERSONATION:
            authorization = self.headers.get("Authorization")
            status, document = self.gcs.tokens.impersonate(authorization, json.loads(body)["scope"])
            return self._json(document, status)
        match = _UPLOAD.fullmatch(self.parts.path)
        if match is None or self.query.get("uploadType") != "resumable":
            raise _RefusalError(404, "notFound", "Not Found")
        bucket = unquote(match["bucket"])
        self._readable(bucket)
        scope = self.gcs.tokens.scope_of(self.headers.get("Authorization"))
        if scope is None or not any(one in scope for one in _WRITE_SCOPES):
            raise _RefusalError(403, "insufficientPermissions", "Insufficient Permission")
        name = self.query.get("name") or json.loads(body)["name"]
        upload_id = secrets.token_hex(16)
        self.gcs.uploads[upload_id] = Session(bucket, name)
        where = f"{self._base}{self.parts.path}?uploadType=resumable&upload_id={upload_id}"
        return self._send(200, b"", {"Location": where})

    @property
    def _base(self) -> str:
        scheme = self.gcs.faults.upload_scheme or self.gcs.endpoint.partition("://")[0]
        return f"{scheme}://{self.headers['Host']}"

    def _put(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        session = self.gcs.uploads.get(self.query.get("upload_id", ""))
        given = _CONTENT_RANGE.fullmatch(self.headers.get("Content-Range", ""))
        if session is None or given is None:
            raise _RefusalError(404, "notFound", "Not Found")
        if given[1] is not None and self.gcs.faults.lose_chunks > 0:
            self.gcs.faults.lose_chunks -= 1
            # Half of it arrived before the connection broke.
            session.received += body[: len(body) // 2 // 262_144 * 262_144]
            self.close_connection = True
            return None
        if given[1] is not None and int(given[1]) == len(session.received):
            session.received += body
        if len(session.received) == int(given[3]):
            self.gcs.put(session.bucket, session.name, session.received)
            return self._json(self.gcs.buckets[session.bucket].objects[session.name][-1].document(session.bucket))
        received = {"Range": f"bytes=0-{len(session.received) - 1}"} if session.received else {}
        return self._send(308, b"", received)

    def _json(self, document: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str], lie: int = 0) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body) + lie)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if lie >= 0 else body[:lie])
        self.close_connection = self.close_connection or lie != 0
