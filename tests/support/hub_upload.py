"""How a Hub is written to: repositories, branches, Git LFS's batch protocol, commits as lines of JSON.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md, and the calls that huggingface_hub makes.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from tests.support.hub import Hub
    from tests.support.hub_content import Repository

_CREATE = "/api/repos/create"
_MODEL = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)/(?P<what>branch|preupload|commit)/(?P<revision>[^/]+)")
_LFS = re.compile(r"/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/(?P<what>batch|verify)")

Answer = tuple[int, dict[str, Any]]


def answer_post(hub: "Hub", path: str, body: bytes) -> Answer:
    """Return status and document for a POST of a member's."""
    if path == _CREATE:
        return _create(hub, json.loads(body))
    match = _MODEL.fullmatch(path) or _LFS.fullmatch(path)
    repository = hub.repositories.get(match["repo"]) if match else None
    if match is None or repository is None:
        return 404, {"error": "Repository not found"}
    if match["what"] == "branch":
        return _branch(repository, unquote(match["revision"]))
    if match["what"] == "commit":
        return _commit(hub, repository, unquote(match["revision"]), body)
    answers: dict[str, Callable[[Hub, Any], Answer]] = {"preupload": _preupload, "batch": _batch, "verify": _verify}
    return answers[match["what"]](hub, json.loads(body))


def take_blob(hub: "Hub", oid: str, content: bytes) -> int:
    """Keep what storage was given; return the status."""
    if hashlib.sha256(content).hexdigest() != oid:
        return 400
    hub.blobs[oid] = content
    return 200


def _create(hub: "Hub", wanted: dict[str, Any]) -> Answer:
    name = f"{wanted['organization']}/{wanted['name']}"
    url = {"url": f"{hub.endpoint}/{name}", "id": name}
    if name in hub.repositories:
        return 409, {**url, "error": "You already created this model repo"}
    hub.add(name, {".gitattributes": b""}, private=wanted.get("visibility") == "private")
    return 200, url


def _branch(repository: "Repository", branch: str) -> Answer:
    if branch in repository.references:
        return 409, {"error": "Reference already exists"}
    repository.references[branch] = repository.references["main"]
    return 200, {}


def _preupload(hub: "Hub", wanted: dict[str, Any]) -> Answer:
    modes = [
        {
            "path": file["path"],
            "uploadMode": "lfs" if file["size"] >= hub.lfs_from else "regular",
            "shouldIgnore": False,
        }
        for file in wanted["files"]
    ]
    return 200, {"files": modes}


def _batch(hub: "Hub", wanted: dict[str, Any]) -> Answer:
    def action(entry: dict[str, Any]) -> dict[str, Any]:
        told = {"oid": entry["oid"], "size": entry["size"]}
        if entry["oid"] in hub.blobs:
            return told
        upload = {"href": f"{hub.cdn}/lfs/{entry['oid']}?Signature={hub.signature}"}
        return {**told, "actions": {"upload": upload}}

    return 200, {"transfer": "basic", "objects": [action(entry) for entry in wanted["objects"]]}


def _verify(hub: "Hub", wanted: dict[str, Any]) -> Answer:
    return (200, {}) if wanted["oid"] in hub.blobs else (404, {"error": "Object does not exist"})


def _commit(hub: "Hub", repository: "Repository", branch: str, body: bytes) -> Answer:
    parent = repository.find(branch)
    if parent is None:
        return 404, {"error": f"Invalid rev id: {branch}"}
    files = {name: file.content for name, file in repository.commits[parent].items()}
    for line in body.splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            files[value["path"]] = hub.blobs[value["oid"]]
    commit = repository.commit(files, branch)
    return 200, {"success": True, "commitOid": commit, "commitUrl": f"{hub.endpoint}/x/y/commit/{commit}"}
