"""The certificate authorities to trust: a file that a person names, or a key of a mounted ConfigMap."""

import ssl
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_contract.store import CA_MOUNT
from whisper_loader.errors import LoaderError


def check_ca_bundle(path: Path) -> Path:
    """Return `path` when it holds certificates.

    Raises:
        LoaderError: SpecInvalid, which says what to create where it is a ConfigMap that is missing.
    """
    if not path.is_file():
        raise LoaderError(Reason.SPEC_INVALID, _absent(path))
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise LoaderError(Reason.SPEC_INVALID, f"the CA bundle {path} holds no certificates in PEM form") from error
    return path


def _absent(path: Path) -> str:
    if path.parent != Path(CA_MOUNT):
        return f"the CA bundle {path} does not exist"
    # The mount is optional: no ConfigMap is an empty folder. kubelet's own entries start with two dots.
    entries = path.parent.iterdir() if path.parent.is_dir() else ()
    found = sorted(entry.name for entry in entries if not entry.name.startswith(".."))
    if not found:
        return f"the CA bundle does not exist: create the ConfigMap of pull.caBundleRef, with the key {path.name}"
    has = ", ".join(found)
    return f"the CA bundle does not exist: the ConfigMap of pull.caBundleRef has no key {path.name}, but {has}"
