"""The Google Cloud Storage of these tests, as Google's own client library sees it."""

import gc
import json
from collections.abc import Iterator

import pytest
from google.api_core.exceptions import Forbidden, NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import InvalidOperation, RefreshError
from google.cloud.storage import Client
from google.oauth2 import service_account

from tests.support.gcs import Bucket, Gcs
from tests.support.google_tokens import Tokens

CONTENT = bytes(range(256)) * 100
OPEN: list[Client] = []

# The client leaves the connection to the server of tokens open, also when it is closed itself.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def gcs() -> Iterator[Gcs]:
    with Gcs.start() as gcs:
        gcs.put("models", "a/model.bin", CONTENT)
        gcs.buckets["public"] = Bucket(public=True)
        gcs.put("public", "x", CONTENT)
        yield gcs


@pytest.fixture(autouse=True)
def clients() -> Iterator[list[Client]]:
    """The clients of a test, closed after it."""
    yield OPEN
    while OPEN:
        OPEN.pop().close()
    gc.collect()  # here, where that is let pass


def client(gcs: Gcs, tokens: Tokens | None = None) -> Client:
    info = json.loads((tokens or gcs.tokens).key_json(gcs.endpoint))
    scopes = ["https://www.googleapis.com/auth/devstorage.read_write"]
    found = service_account.Credentials.from_service_account_info(info, scopes=scopes)
    return opened(Client("project", found, client_options={"api_endpoint": gcs.endpoint}))


def opened(made: Client) -> Client:
    OPEN.append(made)
    return made


def nobody(gcs: Gcs) -> Client:
    return opened(Client("project", AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint}))


def test_the_client_reads_an_object_and_a_part_of_it(gcs: Gcs) -> None:
    blob = client(gcs).bucket("models").get_blob("a/model.bin")
    assert blob is not None
    assert (blob.size, str(blob.generation)) == (
        len(CONTENT),
        str(gcs.buckets["models"].objects[blob.name][0].generation),
    )
    assert blob.download_as_bytes() == CONTENT
    assert blob.download_as_bytes(start=10, end=19) == CONTENT[10:20]


def test_the_client_lists_all_pages_below_a_prefix(gcs: Gcs) -> None:
    for number in range(7):
        gcs.put("models", f"many/{number}", b"x")
    gcs.put("models", "many/deeper/y", b"x")
    names = [blob.name for blob in client(gcs).list_blobs("models", prefix="many/", delimiter="/")]
    assert names == [f"many/{number}" for number in range(7)]


def test_the_client_uploads_in_chunks(gcs: Gcs) -> None:
    blob = client(gcs).bucket("models").blob("up", chunk_size=4 << 20)
    content = CONTENT * 400  # more than the client sends at once
    blob.upload_from_string(content)
    assert gcs.buckets["models"].objects["up"][0].content == content
    assert len([line for line in gcs.requests if line.startswith("PUT")]) == 3


def test_the_client_is_told_that_an_object_was_replaced(gcs: Gcs) -> None:
    blob = client(gcs).bucket("models").get_blob("a/model.bin")
    old = blob.generation
    gcs.put("models", "a/model.bin", b"new")
    with pytest.raises(PreconditionFailed):
        client(gcs).bucket("models").blob("a/model.bin").download_as_bytes(if_generation_match=old)
    with pytest.raises(NotFound):
        client(gcs).bucket("models").blob("a/model.bin", generation=old).download_as_bytes()


def test_the_client_reads_what_is_public_and_nothing_else_without_credentials(gcs: Gcs) -> None:
    assert nobody(gcs).bucket("public").blob("x").download_as_bytes() == CONTENT
    # A 401 makes it look for another token, which nobody has.
    with pytest.raises(InvalidOperation):
        nobody(gcs).bucket("models").blob("a/model.bin").download_as_bytes()


def test_the_client_tells_refusals_apart(gcs: Gcs) -> None:
    gcs.put("closed", "x", b"x")
    with pytest.raises(Forbidden):
        client(gcs).bucket("closed").blob("x").download_as_bytes()
    with pytest.raises(NotFound):
        client(gcs).bucket("absent").blob("x").download_as_bytes()
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        client(gcs, Tokens()).bucket("models").blob("x").download_as_bytes()
