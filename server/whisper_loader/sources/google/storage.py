"""Google Cloud Storage: an object that is an archive, or a prefix that holds the files.

The JSON API: https://cloud.google.com/storage/docs/json_api/v1/objects. Every read names the generation that was
resolved, so that an object that is replaced meanwhile is noticed and never mixed.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import quote

from whisper_contract.reasons import Reason
from whisper_contract.uris import GCSSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.http.ranges import Range
from whisper_loader.model.layout import find_model
from whisper_loader.source import ByteStream, Resolved, SourceFile
from whisper_loader.sources.endpoints import check_endpoint
from whisper_loader.sources.google.api import Api, no_api, parse_number
from whisper_loader.sources.google.credentials import Authorize, anonymous, authorize
from whisper_loader.sources.google.errors import Meanings
from whisper_loader.sources.listing import check_listed
from whisper_loader.transfer.retry import retry

ENDPOINT = "https://storage.googleapis.com"
#: Names a server of the same protocol, as for Google's own clients, which then ask anonymously.
EMULATOR = "STORAGE_EMULATOR_HOST"

_READ_ONLY = "https://www.googleapis.com/auth/devstorage.read_only"
_ABSENT = (Reason.SOURCE_NOT_FOUND, "there is no such bucket, or no such object or generation in it")
REQUESTER_PAYS = (
    Reason.UNAUTHORIZED,
    "whoever asks this bucket pays for it (requester pays), which is not supported here: copy it to a bucket of yours",
)
_MEANINGS: Meanings = {
    # With 401 the same word means that nobody asks.
    "400 required": REQUESTER_PAYS,
    "resourceIsEncryptedWithCustomerEncryptionKey": (
        Reason.UNAUTHORIZED,
        "it is encrypted with a key of the customer's, which is not supported here",
    ),
    401: (Reason.UNAUTHORIZED, "it is not public and no credentials were sent, or they are refused"),
    403: (
        Reason.UNAUTHORIZED,
        "these credentials may not read it: they need storage.objects.get, and .list for a prefix",
    ),
    404: _ABSENT,
}
# The generation that was listed is part of the address: when that is gone, the object was replaced or removed.
_GONE = (Reason.SOURCE_CHANGED, "it was replaced or removed while it was being read")
_FIELDS = "name,size,generation,contentEncoding"
_GZIP = "gzip"


def resolve(source: GCSSource, access: Access) -> Resolved:
    """Return what `source` holds now.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SecretKeyMissing, SourceUnreachable, SpecInvalid, UnsupportedFormat.
    """
    api = make_api(access, _READ_ONLY, str(source))
    if source.is_prefix:
        return _resolve_prefix(api, source, access)
    parameters = {"fields": _FIELDS, **({} if source.generation is None else {"generation": source.generation})}
    document = retry(lambda: api.document(_path(source), str(source), parameters), access.deadline)
    generation = _generation(source.bucket, document)
    name = source.name.rpartition("/")[2]
    file = SourceFile(name, generation.size, partial(_open, api, generation))
    return Resolved(str(generation.source), (file,), is_archive=True)


def make_api(access: Access, scope: str, what: str) -> Api:
    """Return the API that `access` leads to.

    Raises:
        LoaderError: SpecInvalid, SecretKeyMissing, Unauthorized.
    """
    client = Client(access)
    emulator = None if access.endpoint else os.environ.get(EMULATOR)
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    base = check_endpoint(access.endpoint or emulator or ENDPOINT)
    return Api(client, _authorize(access, client, scope, what, emulated=bool(emulator)), base, _MEANINGS)


def _authorize(access: Access, client: Client, scope: str, what: str, *, emulated: bool) -> Authorize:
    if emulated and access.secret is None:
        return anonymous
    return authorize(access, client, [scope], what)


@dataclass(frozen=True, slots=True)
class _Generation:
    """One state of one object.

    Attributes:
        gzipped: whether the service would decompress it on the way, and then can't start in the middle.
    """

    source: GCSSource
    size: int
    gzipped: bool


def _generation(bucket: str, document: dict[str, Any]) -> _Generation:
    try:
        source = GCSSource(bucket, str(document["name"]), str(parse_number(document["generation"])))
        str(source)  # a name that UTF-8 can't write is none
        return _Generation(source, parse_number(document["size"]), document.get("contentEncoding") == _GZIP)
    except (KeyError, ValueError, TypeError) as error:
        raise no_api(f"gs://{bucket}") from error


def _resolve_prefix(api: Api, source: GCSSource, access: Access) -> Resolved:
    listed = retry(lambda: _list(api, source), access.deadline)
    if not listed:
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: there are no objects below this prefix")
    names = find_model(listed).names
    if gzipped := [name for name in names if listed[name].gzipped]:
        message = f"{source}: {gzipped[0]} is stored with the content encoding gzip: upload it without"
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, message)
    files = tuple(SourceFile(name, listed[name].size, partial(_open, api, listed[name])) for name in names)
    lines = "".join(f"{name}\0{listed[name].source.generation}\0{listed[name].size}\n" for name in sorted(names))
    return Resolved(f"{source}#files={hashlib.sha256(lines.encode()).hexdigest()}", files, is_archive=False)


def _list(api: Api, source: GCSSource) -> dict[str, _Generation]:
    """The objects right below the prefix, by name."""
    listed: dict[str, _Generation] = {}
    for found in _list_all(api, source):
        if name := found.source.name.removeprefix(source.name):
            listed[name] = found
        check_listed(len(listed), str(source))
    return listed


def _list_all(api: Api, source: GCSSource) -> Iterator[_Generation]:
    parameters = {"prefix": source.name, "delimiter": "/", "fields": f"items({_FIELDS}),nextPageToken"}
    for number in count():
        check_listed(number, str(source))  # pages without end may hold nothing
        page = api.document(f"/storage/v1/b/{quote(source.bucket, safe='')}/o", str(source), parameters)
        items = page.get("items", ())
        if not isinstance(items, list | tuple):
            raise no_api(str(source))
        for item in items:
            yield _generation(source.bucket, item)
        if not (token := page.get("nextPageToken")):
            return
        if not isinstance(token, str) or not token.isascii():
            raise no_api(str(source))
        parameters["pageToken"] = token


def _path(source: GCSSource) -> str:
    return f"/storage/v1/b/{quote(source.bucket, safe='')}/o/{quote(source.name, safe='')}"


def _open(api: Api, generation: _Generation, start: int, stop: int | None) -> ByteStream:
    source = generation.source
    wanted = Range(start, stop, generation.size)
    # Taken as stored: an archive that was compressed for the transport is a .tar.gz, which is known by its content.
    as_stored = {"Accept-Encoding": _GZIP} if generation.gzipped else {}
    number = str(source.generation)
    parameters = {"alt": "media", "generation": number, "ifGenerationMatch": number}
    reading = Api(api.client, api.authorize, api.base, {**_MEANINGS, 404: _GONE})
    answer = reading.get(_path(source), str(source), parameters, {**wanted.headers, **as_stored})
    _check_generation(answer, number)
    return wanted.check(answer)


def _check_generation(answer: Answer, generation: str) -> None:
    """Raise LoaderError when the answer is of another generation, or a web page that a proxy put in its place."""
    told = answer.headers.get("x-goog-generation")
    if told == generation:
        return
    answer.close()
    if told is None:
        raise no_api(answer.what)
    raise LoaderError(Reason.SOURCE_CHANGED, f"{answer.what}: {_GONE[1]}")
