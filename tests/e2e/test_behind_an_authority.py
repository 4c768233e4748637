"""A web server with a login and a certificate of a company's own authority: from the URL to a transcript."""

import json
from pathlib import Path

from tests.e2e.place import RECORDINGS, Place
from tests.support.archives import Archives
from tests.support.tls import Authority
from tests.support.web import Page, Web

TEXTS = {one["file"]: one["text"] for one in json.loads((RECORDINGS / "recordings.json").read_text())}
TOKEN = "token-of-the-artifact-server"


def make(place: Place, kind: str, name: str, **fields: object) -> None:
    metadata = {"name": name, "namespace": place.namespace}
    place.cluster.kubectl.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields})


def test_a_url_behind_a_companys_authority_is_pulled_once_the_authority_is_there(
    place: Place, archives: Archives, tmp_path: Path
) -> None:
    authority, address = Authority(tmp_path), place.cluster.host_address
    page = Page(archives.whole().read_bytes(), wants={"Authorization": f"Bearer {TOKEN}"})
    place.volume("store")
    make(place, "Secret", "login", stringData={"token": TOKEN})
    with Web.start(authority.server(address), host=address) as web:
        url = web.serve("/models/small.tar.zst", page)
        http = {"url": f"{url}?X-Amz-Signature=signed", "secretRef": {"name": "login"}}
        pull = {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}, "caBundleRef": {"name": "authorities"}}
        place.apply("small", {"http": http}, pull=pull)
        condition = place.wait("small", "ArtifactReady", reason="SpecInvalid")
        assert "create the ConfigMap of pull.caBundleRef, with the key ca.crt" in condition["message"]

        make(place, "ConfigMap", "authorities", data={"ca.crt": authority.file.read_text()})
        place.retry("small")
        status = place.wait_ready("small")
    assert status["sourceURI"] == url
    assert status["artifact"]["source"].startswith(f"{url}#etag=v1")
    assert place.transcribe("small", "en-00.flac") == [TEXTS["en-00.flac"]]
    assert TOKEN not in place.story("small")
    assert "X-Amz-Signature" not in json.dumps(status)
