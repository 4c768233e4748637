"""How a step reaches the source: its flags, variables, and what it mounts for that."""

from pathlib import PurePath, PurePosixPath

from whisper_contract.store import CA_MOUNT, SECRET_MOUNT
from whisper_operator.api.inputs import volume_mount
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Proxy, Spec
from whisper_operator.builders import pods
from whisper_operator.builders.loader_pods import flags
from whisper_operator.builders.metadata import JSON

SECRET_VOLUME = "source-secret"  # noqa: S105 - the name of a volume
SOURCE_VOLUME = "source"
CA_VOLUME = "ca-bundle"


def source_flags(model: Model, timeout_seconds: int) -> list[str]:
    """Return the flags that say how to reach the source, and for how long to try."""
    bundle = model.spec.pull.ca_bundle_ref
    return reach_flags(
        model.spec,
        secret=SECRET_MOUNT if model.spec.source.secret_name else None,
        ca_bundle=CA_MOUNT / bundle.key if bundle else None,
        timeout_seconds=timeout_seconds,
    )


def reach_flags(spec: Spec, *, secret: PurePath | None, ca_bundle: PurePath | None, timeout_seconds: int) -> list[str]:
    """Return the same where the Secret's folder and the authorities' file are at these places."""
    source = spec.source
    found = flags(
        endpoint=source.endpoint,
        region=source.s3.region if source.s3 else None,
        secret_dir=str(secret) if secret else None,
        ca_bundle=str(ca_bundle) if ca_bundle else None,
        timeout=str(timeout_seconds),
    )
    return found + (["--anonymous"] if source.anonymous else [])


def proxy_variables(proxy: Proxy) -> list[JSON]:
    """Return the variables that name proxies; in capitals and not, since programs read the one or the other."""
    return [{"name": name, "value": pods.literal(value)} for name, value in proxy_environment(proxy).items()]


def proxy_environment(proxy: Proxy) -> dict[str, str]:
    """Return the same as an environment."""
    values = {"HTTP_PROXY": proxy.http_proxy, "HTTPS_PROXY": proxy.https_proxy, "NO_PROXY": proxy.no_proxy}
    return {case: value for name, value in values.items() if value for case in (name, name.lower())}


def source_volumes(model: Model) -> list[JSON]:
    """Return the volumes that the source needs beside the store."""
    source = model.spec.source
    volumes: list[JSON] = []
    if source.secret_name is not None:
        # Optional, so that a missing Secret is the loader's SecretNotFound and not a pod that hangs.
        volumes.append({"name": SECRET_VOLUME, "secret": {"secretName": source.secret_name, "optional": True}})
    if source.volume is not None and source.volume.claim_name != model.claim:
        claim = {"claimName": source.volume.claim_name, "readOnly": True}
        volumes.append({"name": SOURCE_VOLUME, "persistentVolumeClaim": claim})
    if (bundle := model.spec.pull.ca_bundle_ref) is not None:
        # Optional for the same reason as the Secret: that it is missing is the loader's to say.
        volumes.append({"name": CA_VOLUME, "configMap": {"name": bundle.name, "optional": True}})
    return volumes


def source_mounts(model: Model, *, connects: bool) -> list[JSON]:
    """Return where a step sees these volumes.

    Only one that `connects` to the source needs the Secret and the authorities to trust: what reads a model that nobody
    has checked yet had better not have them.
    """
    source = model.spec.source
    mounts = []
    if source.secret_name is not None and connects:
        mounts.append(_mount(SECRET_VOLUME, SECRET_MOUNT))
    if source.volume is not None:
        # A claim that is source and store at once is one volume seen twice: kubelet hangs on two volumes of one claim.
        volume = pods.STORE_VOLUME if source.volume.claim_name == model.claim else SOURCE_VOLUME
        mounts.append(_mount(volume, volume_mount(source.volume.claim_name)))
    if model.spec.pull.ca_bundle_ref is not None and connects:
        mounts.append(_mount(CA_VOLUME, CA_MOUNT))
    return mounts


def _mount(volume: str, path: PurePosixPath) -> JSON:
    return {"name": volume, "mountPath": str(path), "readOnly": True}
