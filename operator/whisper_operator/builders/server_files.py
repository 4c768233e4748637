"""Secrets and ConfigMaps that servers read as files: certificates, tokens, words, a golden clip.

They are not optional: a server without its certificate must not start, and kubelet says in an event what is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from whisper_operator.api.spec import TLS, Auth, GoldenClip, Options, Server
from whisper_operator.builders.metadata import JSON

_MOUNT = PurePosixPath("/var/run/whisper")


class FileKind(StrEnum):
    SECRET = "Secret"  # noqa: S105 - the name of a kind
    CONFIG_MAP = "ConfigMap"


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """Keys of one object, mounted as files.

    Attributes:
        volume: the name of the pod's volume, and of the folder that it is mounted in.
        name: of the object.
        field: where the spec names it.
        keys: the key that each of the server's flags names the file of.
    """

    volume: str
    kind: FileKind
    name: str
    field: str
    keys: Mapping[str, str]

    @property
    def volume_body(self) -> JSON:
        """The pod's volume. It lists the keys, so that kubelet says when one is missing."""
        items = [{"key": key, "path": key} for key in self.keys.values()]
        if self.kind is FileKind.SECRET:
            return {"name": self.volume, "secret": {"secretName": self.name, "items": items}}
        return {"name": self.volume, "configMap": {"name": self.name, "items": items}}

    @property
    def mount(self) -> JSON:
        """Where the server sees them. The whole volume: files of a subPath never change."""
        return {"name": self.volume, "mountPath": str(_MOUNT / self.volume), "readOnly": True}

    @property
    def flags(self) -> list[str]:
        """The flags that tell the server where they are."""
        pairs = ((flag, str(_MOUNT / self.volume / key)) for flag, key in self.keys.items())
        return [part for pair in pairs for part in pair]


def server_files(server: Server) -> tuple[ServerFiles, ...]:
    """Return all that the servers read as files, but for the model."""
    return (*_tls(server.tls), *_auth(server.auth), *_profanity(server.options), *_golden_clip(server.golden_clip))


def _tls(tls: TLS | None) -> list[ServerFiles]:
    if tls is None:
        return []
    pair = {"--tls-certificate-file": "tls.crt", "--tls-key-file": "tls.key"}
    files = [ServerFiles("tls", FileKind.SECRET, tls.secret_name, "server.tls.secretName", pair)]
    if (authorities := tls.client_ca) is not None:
        secret, flag = authorities.secret_name or tls.secret_name, {"--tls-client-ca-file": authorities.key}
        files.append(ServerFiles("client-ca", FileKind.SECRET, secret, "server.tls.clientCA", flag))
    return files


def _auth(auth: Auth | None) -> list[ServerFiles]:
    if auth is None:
        return []
    secret, flag = auth.secret_ref.name, {"--tokens-file": "tokens"}
    return [ServerFiles("tokens", FileKind.SECRET, secret, "server.auth.secretRef", flag)]


def _profanity(options: Options) -> list[ServerFiles]:
    words = options.profanity_words_ref
    if words is None:
        return []
    flag, field = {"--profanity-words-file": words.key}, "server.options.profanityWordsRef"
    return [ServerFiles("profanity-words", FileKind.CONFIG_MAP, words.name, field, flag)]


def _golden_clip(clip: GoldenClip | None) -> list[ServerFiles]:
    if clip is None:
        return []
    pair, field = {"--golden-clip-file": clip.audio_key, "--golden-text-file": clip.text_key}, "server.goldenClip"
    return [ServerFiles("golden-clip", FileKind.CONFIG_MAP, clip.config_map_name, f"{field}.configMapName", pair)]
