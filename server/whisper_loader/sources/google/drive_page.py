"""The page that people download a public file of Google Drive from, for when there are no credentials.

Drive sends small files at once. Large ones it can't scan for viruses, and sends a page with a form that confirms. It
has more pages, and sends most of them with the status of a success: none is ever taken for the file.
"""

import html
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from whisper_contract.reasons import Reason
from whisper_contract.uris import GoogleDriveSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.http.ranges import Range, parse_part, parse_whole_size
from whisper_loader.source import ByteStream, Resolved, SourceFile
from whisper_loader.sources.endpoints import check_endpoint
from whisper_loader.sources.web.version import Version, parse_version
from whisper_loader.transfer.retry import retry

ENDPOINT = "https://drive.usercontent.google.com"
QUOTA = "too many people have downloaded this file lately, and Google gives no more of it for up to a day"
INFECTED = "Google's virus scan takes this file for malware, so it is not downloaded"

_NO_ACCESS = (Reason.UNAUTHORIZED, "it is not shared with everyone who has the link: share it, or give a Secret")
_ABSENT = (Reason.SOURCE_NOT_FOUND, "there is no such file, or it is a folder")
_FORM = "download-form"
_INFECTED_WORDS = "infected with a virus"
# What Google's pages say, in lower case, since they have no codes.
_PAGES: tuple[tuple[str, tuple[Reason, str]], ...] = (
    ("quota exceeded", (Reason.SOURCE_QUOTA_EXCEEDED, QUOTA)),
    ("too many users have viewed or downloaded", (Reason.SOURCE_QUOTA_EXCEEDED, QUOTA)),
    (_INFECTED_WORDS, (Reason.UNSAFE_ARCHIVE, INFECTED)),
    ("you need access", _NO_ACCESS),
    ("request access", _NO_ACCESS),
    ("access denied", _NO_ACCESS),
    ("sign in", _NO_ACCESS),
    ("the file you have requested does not exist", _ABSENT),
    ("unusual traffic", (Reason.SOURCE_UNREACHABLE, "Google takes no more requests from this address for now")),
)
# The page is a few kilobytes; the parser takes the square of the time for some that are no page.
_MAX_PAGE = 128 << 10
_SIGN_IN = ("/servicelogin", "/signin", "/v3/signin")
_CHANGED = "a web page came in place of the file, with no form to confirm the download"


def resolve(source: GoogleDriveSource, access: Access) -> Resolved:
    """Return what the public file holds now.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SourceQuotaExceeded, UnsafeArchive, SourceUnreachable, SpecInvalid,
            UnsupportedFormat.
    """
    base = check_endpoint(access.endpoint or ENDPOINT)
    url = f"{base}/download?{urlencode({'id': source.file_id, 'export': 'download'})}"
    client, what = Client(access), str(source)
    page = retry(lambda: _look(_Download(client, what, url)), access.deadline)
    version, ranged = page.version, page.ranged and page.version.is_known
    if not version.is_known:
        message = (
            f"{source}: the download page tells neither version nor date: give an API key or a service account's key"
        )
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, message)
    file = SourceFile(source.file_id, version.size, partial(_open, page), ranged=ranged)
    return Resolved(f"{source}#{version.fragment}", (file,), is_archive=True)


@dataclass(frozen=True, slots=True)
class _Download:
    """Where a file is downloaded, after the form if there was one."""

    client: Client
    what: str
    url: str

    def get(self, wanted: Range) -> tuple[Answer, str]:
        """Return the answer that is the file, and the address that gave it.

        Raises:
            LoaderError: by what the page says.
        """
        answer = self._ask(self.url, wanted)
        if not is_page(answer):
            return answer, self.url
        url = _confirmed(answer)
        answer = self._ask(url, wanted)
        if is_page(answer):
            raise _meaning(answer, _read(answer))
        return answer, url

    def _ask(self, url: str, wanted: Range) -> Answer:
        answer = self.client.get(url, self.what, {"Accept-Language": "en", **wanted.headers})
        if answer.ok:
            return answer
        raise _meaning(answer, _read(answer) if is_page(answer) else "")


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that the page led to."""

    download: _Download
    version: Version
    ranged: bool


def _look(download: _Download) -> _Found:
    """Ask for one byte, to learn what there is."""
    answer, url = download.get(Range(0, 1, None))
    answer.close()
    version = parse_version(answer.headers, parse_whole_size(answer))
    ranged = parse_part(answer) is not None and version.size is not None
    return _Found(_Download(download.client, download.what, url), version, ranged)


def _open(found: _Found, start: int, stop: int | None) -> ByteStream:
    wanted = Range(start, stop, found.version.size)
    answer, _ = found.download.get(wanted)
    # Another size is `Range`'s to tell.
    found.version.check_same(answer, found.version.size)
    return wanted.check(answer)


def is_page(answer: Answer) -> bool:
    """Tell whether an answer is for people to read. A file, even one of HTML, comes as an attachment."""
    is_html = answer.headers.get("content-type", "").strip().lower().startswith(("text/html", "application/xhtml"))
    return is_html and not answer.headers.get("content-disposition", "").strip().lower().startswith("attachment")


def _read(answer: Answer) -> str:
    return answer.document()[:_MAX_PAGE].decode("utf-8", errors="replace")


def _confirmed(answer: Answer) -> str:
    """Return where the page's form leads.

    Raises:
        LoaderError: by what the page says when it has no such form.
    """
    text = _read(answer)
    form = _parse_form(text)
    if form.action is None or _INFECTED_WORDS in text.lower():
        raise _meaning(answer, text)
    try:
        target = urljoin(answer.url, form.action)
        same = urlsplit(target)[:2] == urlsplit(answer.url)[:2]
    except ValueError:
        target, same = "", False
    if not same:
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{answer.what}: the page's form leads to another host")
    return f"{target.partition('?')[0]}?{urlencode(form.fields)}"


def _meaning(answer: Answer, text: str) -> LoaderError:
    """Return what a page means that is no file."""
    found = _page_meaning(answer.url, html.unescape(text).lower())
    if found is None and not answer.ok:
        return answer.failure({403: _NO_ACCESS, 401: _NO_ACCESS, 404: _ABSENT})
    reason, words = found or (Reason.UNSUPPORTED_FORMAT, _CHANGED)
    return answer.failure({answer.status: (reason, words)})


def _page_meaning(url: str, text: str) -> tuple[Reason, str] | None:
    if urlsplit(url).path.lower().startswith(_SIGN_IN):
        return _NO_ACCESS
    return next((meaning for words, meaning in _PAGES if words in text), None)


def _parse_form(text: str) -> "_Form":
    form = _Form()
    # It asserts where some declarations are broken: what stood before them counts.
    with suppress(AssertionError):
        form.feed(text)
    return form


class _Form(HTMLParser):
    """The form that confirms a download: its address and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = values.get("id") == _FORM and "action" in values
            if self._inside:
                self.action = values["action"]
        elif tag == "input" and self._inside and values.get("type") == "hidden" and "name" in values:
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
