"""The resource's rules that look at several fields, as far as these fields mean something on one machine.

The API server evaluates them in CEL, for which no library for Python was found that evaluates all. Here each is a
function of the spec beside the same words. A test tries both on the same cases, and that no rule is forgotten but those
of fields that are ignored here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whisper_operator.local.fields import at

JSON = dict[str, Any]

_MAX_NAME = 40
#: Of every object but a WhisperModel, whose name has rules beside this one.
OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_CREDENTIALS = re.compile(r"^[a-z]+://[^/?]*@")
_HOST = re.compile(r"^[a-z]+://([^:/?]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?]|$)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What must not be.

    Attributes:
        path: the field that is blamed.
        message: what is said of it.
        broken: whether a spec, which the schema has passed, breaks the rule.
    """

    path: str
    message: str
    broken: Callable[[JSON], bool]


@dataclass(frozen=True, slots=True)
class Text:
    """What a text must not be.

    Attributes:
        path: its field.
        message: what is said of it.
        broken: whether a text breaks the rule.
    """

    path: str
    message: str
    broken: Callable[[str], bool]


def rule_errors(spec: JSON) -> list[str]:
    """Return a sentence for each rule that the spec breaks."""
    return [f"spec.{rule.path}: {rule.message}" for rule in RULES if rule.broken(spec)]


def text_errors(spec: JSON) -> list[str]:
    """Return a sentence for each text with more in it than its field takes; whatever else is wrong with the spec."""
    found = ((rule, at(spec, rule.path)) for rule in TEXTS)
    return [f"spec.{rule.path}: {rule.message}" for rule, text in found if isinstance(text, str) and rule.broken(text)]


def name_errors(name: str) -> list[str]:
    """Return a sentence for each thing that is wrong with the name of a WhisperModel."""
    return [f"metadata.name: {message}" for message, broken in NAME_RULES if broken(name)]


def _has(spec: JSON, *paths: str) -> bool:
    """Tell whether any of these is there."""
    return any(at(spec, path) is not None for path in paths)


def _sources(spec: JSON) -> int:
    return sum(kind is not None for kind in spec["source"].values())


def _is_prefix(spec: JSON, path: str) -> bool:
    return str(at(spec, path, "")).endswith("/")


def _anonymous(kind: str) -> Callable[[JSON], bool]:
    return lambda spec: at(spec, f"{kind}.anonymous", False) and _has(spec, f"{kind}.secretRef")


def _climbs(path: str) -> bool:
    return ".." in path.split("/")


def _bad_volume_path(spec: JSON) -> bool:
    path = at(spec, "source.volume.path", "")
    return path.startswith("/") or _climbs(path)


def _bad_host(spec: JSON) -> bool:
    url = at(spec, "source.http.url")
    return url is not None and not _CREDENTIALS.match(url) and not _HOST.match(url)


def _baked_with(*paths: str) -> Callable[[JSON], bool]:
    return lambda spec: _has(spec, "source.baked") and _has(spec, *paths)


def _is_fixed(spec: JSON) -> bool:
    return (
        _has(spec, "source.volume", "source.baked", "source.s3.versionId", "source.gcs.generation")
        or "@sha256:" in at(spec, "source.oci.reference", "")
        or _COMMIT.fullmatch(at(spec, "source.huggingFace.revision", "")) is not None
    )


def _follows_a_hash(spec: JSON) -> bool:
    return bool(at(spec, "refresh.policy") == "Follow") and _has(spec, "sha256")


def _bare_tokens(spec: JSON) -> bool:
    auth = at(spec, "server.auth")
    return auth is not None and not _has(spec, "server.tls") and not auth.get("allowWithoutTLS", False)


def _repeats_a_name(spec: JSON) -> bool:
    names = at(spec, "server.modelNames", [])
    return len(names) != len(set(names))


def _one_key_for_both(spec: JSON) -> bool:
    clip = at(spec, "server.goldenClip")
    return clip is not None and bool(clip.get("audioKey", "audio") == clip.get("textKey", "text"))


def _cpu_with_gpu(spec: JSON) -> bool:
    return at(spec, "server.device") == "cpu" and at(spec, "server.gpu.count") not in (None, 0)


def _cuda_without_gpu(spec: JSON) -> bool:
    return bool(at(spec, "server.device") == "cuda" and at(spec, "server.gpu.count", 1) == 0)


_VOLUME = ("cache.claimName", "cache.storageClassName", "cache.size", "cache.accessModes")
_PULL = tuple(
    f"pull.{field}"
    for field in ("resources", "nodeSelector", "tolerations", "proxy", "caBundleRef", "serviceAccountName")
)
_ANONYMOUS = "anonymous means without credentials, so leave secretRef out or set anonymous to false"

RULES: tuple[Rule, ...] = (
    Rule(
        "source",
        "a source has exactly one of baked, gcs, googleDrive, http, huggingFace, oci, s3 and volume",
        lambda spec: _sources(spec) != 1,
    ),
    Rule(
        "source.huggingFace.revision",
        "a revision is a branch, a tag or a commit, and holds no '..'",
        lambda spec: ".." in at(spec, "source.huggingFace.revision", ""),
    ),
    Rule(
        "source.s3.versionId",
        "a key that ends in / names many objects and so has no versionId",
        lambda spec: _has(spec, "source.s3.versionId") and _is_prefix(spec, "source.s3.key"),
    ),
    Rule(
        "source.gcs.generation",
        "an object that ends in / names many and so has no generation",
        lambda spec: _has(spec, "source.gcs.generation") and _is_prefix(spec, "source.gcs.object"),
    ),
    Rule("source.s3.secretRef", _ANONYMOUS, _anonymous("source.s3")),
    Rule("source.gcs.secretRef", _ANONYMOUS, _anonymous("source.gcs")),
    Rule(
        "source.http.url",
        "a URL holds no credentials, since everyone who may read this object would read them; name a Secret in "
        "secretRef",
        lambda spec: _CREDENTIALS.match(at(spec, "source.http.url", "")) is not None,
    ),
    Rule(
        "source.http.url",
        "a URL's host is followed by nothing but a port of digits; credentials go into a Secret that secretRef names",
        _bad_host,
    ),
    Rule(
        "source.oci.path",
        "the path is a folder inside the image, and holds no '..'",
        lambda spec: _climbs(at(spec, "source.oci.path", "")),
    ),
    Rule(
        "source.volume.path",
        "the path is relative to the claim's root, with no leading / and no '..'",
        _bad_volume_path,
    ),
    Rule(
        "sha256",
        "sha256 is of one file; a Hugging Face repository has many, with hashes of their own, so leave sha256 out",
        lambda spec: _has(spec, "sha256") and _has(spec, "source.huggingFace"),
    ),
    Rule(
        "sha256",
        "sha256 is of one file; an s3 key that ends in / names many, so leave sha256 out or name an archive",
        lambda spec: _has(spec, "sha256") and _is_prefix(spec, "source.s3.key"),
    ),
    Rule(
        "sha256",
        "sha256 is of one file; a gcs object that ends in / names many, so leave sha256 out or name an archive",
        lambda spec: _has(spec, "sha256") and _is_prefix(spec, "source.gcs.object"),
    ),
    Rule(
        "sha256",
        "sha256 is of one file; a path inside an image holds many, so leave sha256 out "
        "(a reference @sha256:… is checked)",
        lambda spec: _has(spec, "sha256") and _has(spec, "source.oci.path"),
    ),
    Rule(
        "source.baked",
        "a baked model is inside the servers' image, so name that image in server.image",
        lambda spec: _has(spec, "source.baked") and not _has(spec, "server.image"),
    ),
    Rule(
        "source.baked",
        "a baked model is served as the image has it, so leave sha256, conversion and pin out",
        _baked_with("sha256", "conversion", "pin"),
    ),
    Rule(
        "cache",
        "a baked model needs no volume, so leave claimName, storageClassName, size and accessModes out of cache",
        _baked_with(*_VOLUME),
    ),
    Rule("pull", "a baked model is not pulled, so leave pull out", _baked_with(*_PULL)),
    Rule(
        "refresh",
        "refresh is for a source that can move; one that is named by version, generation, commit or digest cannot, "
        "and a volume or a baked model is not watched, so leave refresh out",
        lambda spec: _has(spec, "refresh") and _is_fixed(spec),
    ),
    Rule(
        "refresh",
        "sha256 allows one content alone, so leave it out to follow the source, or set refresh.policy to Report",
        _follows_a_hash,
    ),
    Rule("server.gpu", "device cpu uses no GPU, so leave gpu.count out or set it to 0", _cpu_with_gpu),
    Rule("server.gpu", "device cuda needs a GPU, so leave gpu.count out or set it to 1", _cuda_without_gpu),
    Rule(
        "server.auth",
        "tokens could be read on the way without TLS, so set tls, or auth.allowWithoutTLS behind something that "
        "speaks it",
        _bare_tokens,
    ),
    Rule("server.modelNames", "a model name stands once in the list", _repeats_a_name),
    Rule(
        "server.goldenClip.textKey",
        "the golden clip's audio and text are under keys of their own",
        _one_key_for_both,
    ),
)

_ENDPOINT = "an endpoint is a URL, with https:// or http:// before the host"


def _no_url(text: str) -> bool:
    return not text.startswith(("http://", "https://"))


#: What people put into a field with more around it than it takes, told in words beside the schema's pattern.
TEXTS: tuple[Text, ...] = (
    Text(
        "source.s3.bucket",
        "a bucket is named alone, with no s3:// before it; what follows it is the key",
        lambda text: "/" in text,
    ),
    Text(
        "source.gcs.bucket",
        "a bucket is named alone, with no gs:// before it; what follows it is the object",
        lambda text: "/" in text,
    ),
    Text(
        "source.huggingFace.repo",
        "a repository is named as organisation/name, with no https:// and no host before it",
        lambda text: ":" in text,
    ),
    Text("source.http.url", "a URL begins with https:// or http://", _no_url),
    *(Text(f"source.{kind}.endpoint", _ENDPOINT, _no_url) for kind in ("huggingFace", "s3", "gcs")),
    Text(
        "source.googleDrive.fileId",
        "a file's id is what its link has between /d/ and /view, and nothing else of the link",
        lambda text: "/" in text,
    ),
    Text(
        "source.oci.reference",
        "a reference begins with the registry, with no oci:// or https:// before it",
        lambda text: "://" in text,
    ),
    Text(
        "sha256",
        "a sha256 is its 64 digits alone, as sha256sum prints them, with no sha256: before them",
        lambda text: text.startswith("sha256:"),
    ),
)

NAME_RULES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (
        "the name of a WhisperModel has at most 40 characters, since Jobs and Services are named after it",
        lambda name: len(name) > _MAX_NAME,
    ),
    (
        "the name of a WhisperModel starts with a letter, since a Service is named after it",
        lambda name: not name[:1].isalpha(),
    ),
    ("the name of a WhisperModel holds no dots, since a Service is named after it", lambda name: "." in name),
    (
        "a name consists of lower-case letters from a to z, digits and '-', and does not end in '-'",
        lambda name: OBJECT_NAME.fullmatch(name) is None,
    ),
)
