"""Asking a server with the loader's HTTP client, as all its sources do."""

import pytest

from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Client

#: What may go to the host that was named alone, and what may go to others too.
AUTHORIZATION = {"Authorization": "Bearer hunter2", "Private-Token": "hunter2", "Range": "bytes=0-1"}


def fetch(url: str, access: Access | None = None, headers: dict[str, str] | None = None) -> bytes:
    answer = Client(access or Access()).get(url, "the page", headers)
    if not answer.ok:
        raise answer.failure()
    return answer.document()


def failure(url: str, access: Access | None = None, headers: dict[str, str] | None = None) -> LoaderError:
    with pytest.raises(LoaderError) as raised:
        fetch(url, access, headers)
    assert "hunter2" not in str(raised.value)
    return raised.value
