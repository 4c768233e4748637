"""What a docker config knows of a registry: the Secret's ``.dockerconfigjson``, or the file that `docker login` writes.

The format: https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/ and, for the names of
entries, https://kubernetes.io/docs/concepts/containers/images/#config-json, so that a Secret serves kubelet too.
"""

import base64
import binascii
import json
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError

SECRET_KEY = ".dockerconfigjson"  # noqa: S105  (a key's name)
_DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset({_DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
# What docker's own entries end in, which is no part of a repository's name.
_API_PATHS = frozenset({"v1", "v2"})


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """One entry of a docker config. Not shown by repr: all of it is secret.

    Attributes:
        username: for Basic, at the registry or at its token server.
        password: likewise.
        identity_token: an OAuth2 refresh token, to be exchanged at the token server in place of the password.
        registry_token: a Bearer token that the registry takes as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str | None = None
    registry_token: str | None = None

    @property
    def basic(self) -> str:
        """The Authorization header of user and password."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class _Config:
    """A docker config.

    Attributes:
        where: names it in messages.
        reason: of what is wrong with it.
    """

    where: str
    reason: Reason
    auths: dict[str, Any]
    helpers: dict[str, Any]
    store: str

    def error(self, words: str) -> LoaderError:
        return LoaderError(self.reason, f"{self.where} {words}")


def is_docker_hub(registry: str) -> bool:
    """Tell whether `registry` is one of Docker Hub's names."""
    return registry in _HUB_NAMES


def credentials_for(registry: str, name: str, access: Access, *, required: bool) -> Credentials | None:
    """Return what to log in to `registry` with for the repository `name`, or None to ask anonymously.

    `required`: a Secret must have an entry, since whoever names one means it. The machine's own docker config need not.

    Raises:
        LoaderError: SecretKeyMissing for a Secret, Unauthorized for the machine's own config, that can't be used.
    """
    if access.anonymous:
        return None
    config = _own_config() if access.secret is None else _secret_config(access)
    if config is None:
        return None
    registry = _DOCKER_HUB if is_docker_hub(registry) else registry
    entry = _best_entry(config, registry, name)
    if helper := config.helpers.get(registry) or (config.store if entry == {} else ""):
        raise config.error(
            f"leaves the credentials of {registry} to the helper {helper}, which is not run here: "
            "write username and password, or a token, into it (kubectl create secret docker-registry does)"
        )
    if entry is None and required and access.secret is not None:
        raise config.error(f"has no entry for {registry}; it has {', '.join(sorted(config.auths)) or 'none'}")
    return None if not entry else _credentials(entry, registry, config)


def _secret_config(access: Access) -> _Config:
    assert access.secret is not None  # noqa: S101  (the caller's branch)
    text = access.secret.get(SECRET_KEY)
    if text is None:
        raise access.secret.missing(f"{SECRET_KEY} (kubectl create secret docker-registry makes such a Secret)")
    return _parse(text, f"the Secret's {SECRET_KEY}", Reason.SECRET_KEY_MISSING)


def _own_config() -> _Config | None:
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LoaderError(Reason.UNAUTHORIZED, f"{path} can't be read: {type(error).__name__}") from error
    return _parse(text, str(path), Reason.UNAUTHORIZED)


def _parse(text: str, where: str, reason: Reason) -> _Config:
    try:
        document = json.loads(text)
        auths, helpers, store = (document.get(key) for key in ("auths", "credHelpers", "credsStore"))
    except (ValueError, AttributeError) as error:
        raise LoaderError(reason, f"{where} is no docker config: expected a JSON object") from error
    if not isinstance(auths or {}, dict) or not isinstance(helpers or {}, dict):
        raise LoaderError(reason, f"{where} is no docker config: auths and credHelpers must be objects")
    return _Config(where, reason, auths or {}, helpers or {}, str(store or ""))


def _best_entry(config: _Config, registry: str, name: str) -> Any:
    """The entry whose name says most about the repository, as kubelet chooses it."""
    matching = [key for key in config.auths if _names(key, registry, name)]
    return config.auths[max(matching, key=len)] if matching else None


def _names(key: str, registry: str, name: str) -> bool:
    host, _, path = re.sub(r"^https?://", "", key).strip("/").partition("/")
    host = _DOCKER_HUB if is_docker_hub(host) else host
    patterns, labels = host.split("."), registry.split(".")
    same_host = len(patterns) == len(labels) and all(map(fnmatchcase, labels, patterns))
    return same_host and (path in ("", *_API_PATHS) or f"{name}/".startswith(f"{path}/"))


def _credentials(entry: Any, registry: str, config: _Config) -> Credentials:
    try:
        fields = {
            key: str(entry[key])
            for key in ("username", "password", "identitytoken", "registrytoken", "auth")
            if entry.get(key)
        }
        if "auth" in fields:
            decoded = base64.b64decode(fields["auth"], validate=True).decode().rstrip("\0")
            fields["username"], fields["password"] = decoded.split(":", 1)
    except (AttributeError, binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise config.error(f"has an entry for {registry} whose auth is not base64 of user:password") from error
    found = Credentials(
        fields.get("username", ""),
        fields.get("password", ""),
        fields.get("identitytoken"),
        fields.get("registrytoken"),
    )
    if not (found.password or found.identity_token or found.registry_token):
        raise config.error(f"has an entry for {registry} without a password or token")
    return found
