"""The Hub of these tests, as the real client library sees it."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download, set_client_factory, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._http import default_client_factory  # no public way leads back to it

from tests.support.hub import Hub

FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 1000}


@pytest.fixture(autouse=True)
def plain_client() -> None:
    """The library as it comes: a pull in this process leaves it with that pull's proxies and deadline."""
    set_client_factory(default_client_factory)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub.start() as hub:
        hub.add("org/open", FILES)
        hub.add("org/private", FILES, private=True)
        hub.add("org/gated", FILES, gated=True)
        yield hub


def test_the_client_lists_files_with_sizes_and_hashes(hub: Hub) -> None:
    info = HfApi(endpoint=hub.endpoint, token=False).model_info("org/open", files_metadata=True)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    assert info.sha in hub.repositories["org/open"].commits
    assert siblings["config.json"].blob_id == "9e26dfeeb6e641a33dae4961196235bdb965b21b", "git hash-object of {}"
    assert siblings["config.json"].lfs is None
    large = siblings["model.safetensors"].lfs
    assert large is not None
    assert large.size == 256_000


def test_the_client_downloads_a_snapshot_through_redirects(hub: Hub, tmp_path: Path) -> None:
    folder = snapshot_download("org/private", endpoint=hub.endpoint, token=hub.token, cache_dir=tmp_path)
    assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == FILES
    assert any("Signature=" in request for request in hub.requests)


def test_the_client_reads_a_commit_and_a_branch(hub: Hub, tmp_path: Path) -> None:
    old = hub.repositories["org/open"].references["main"]
    hub.repositories["org/open"].commit({"config.json": b"[]"})
    for revision, content in ((old, b"{}"), ("main", b"[]")):
        path = hf_hub_download(
            "org/open", "config.json", revision=revision, endpoint=hub.endpoint, token=False, cache_dir=tmp_path
        )
        assert Path(path).read_bytes() == content


@pytest.mark.parametrize(
    ("repo", "revision", "file", "token", "error"),
    [
        ("org/absent", "main", "config.json", None, RepositoryNotFoundError),
        ("org/private", "main", "config.json", None, RepositoryNotFoundError),
        ("org/gated", "main", "config.json", None, GatedRepoError),
        ("org/open", "nowhere", "config.json", None, RevisionNotFoundError),
        ("org/open", "main", "absent.json", None, EntryNotFoundError),
        ("org/open", "main", "config.json", "hf_unknown", HfHubHTTPError),
    ],
)
def test_the_client_tells_refusals_apart(
    hub: Hub, tmp_path: Path, repo: str, revision: str, file: str, token: str | None, error: type[Exception]
) -> None:
    url = f"{hub.endpoint}/{repo}/resolve/{revision}/{file}"
    with pytest.raises(error) as raised:
        HfApi(endpoint=hub.endpoint, token=token or False).get_hf_file_metadata(url=url)
    assert type(raised.value) is error or isinstance(raised.value, EntryNotFoundError)


# How huggingface_hub itself calls httpx2.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_the_client_makes_repositories_and_branches_and_commits_to_them(hub: Hub) -> None:
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo("org/new", private=True)
    api.create_repo("org/new", private=True, exist_ok=True)
    api.create_branch("org/new", branch="wip/1")
    api.create_branch("org/new", branch="wip/1", exist_ok=True)
    # As buffers: only Git LFS's protocol takes them, and not the newer one of the Hub's own storage.
    files = [CommitOperationAdd(name, io.BufferedReader(io.BytesIO(content))) for name, content in FILES.items()]
    info = api.create_commit("org/new", files, commit_message="Add", revision="wip/1")
    repository = hub.repositories["org/new"]
    assert repository.private
    assert repository.references["wip/1"] == info.oid != repository.references["main"]
    stored = {name: file.content for name, file in repository.commits[info.oid].items()}
    assert stored == {".gitattributes": b"", **FILES}
    assert set(hub.blobs.values()) == {FILES["model.safetensors"]}, "small files are part of the commit"


def test_the_client_is_told_that_a_stranger_may_not_write(hub: Hub) -> None:
    with pytest.raises(HfHubHTTPError) as raised:
        HfApi(endpoint=hub.endpoint, token=hub.stranger_token).create_repo("org/new")
    assert raised.value.response.status_code == 403
