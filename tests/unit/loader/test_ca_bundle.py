"""The authorities to trust: a file by hand, a key of a mounted ConfigMap in a pod."""

import ssl
from pathlib import Path

import pytest

from tests.cluster.certificates import Authority
from tests.support.archives import Archives
from tests.support.loader import whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.s3 import S3Server
from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http import ca_bundle


def test_a_bundle_that_does_not_exist_is_named(store: Path, tmp_path: Path) -> None:
    done = whisper_model("pull", SPEECH_MODEL, "--store", store, "--ca-bundle", tmp_path / "absent.pem")
    assert done.exit_code == 2
    assert done.errors.startswith(f"SpecInvalid: the CA bundle {tmp_path}/absent.pem does not exist\n")


def test_a_bundle_without_certificates_is_refused(store: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("none\n")
    done = whisper_model("pull", SPEECH_MODEL, "--store", store, "--ca-bundle", bundle)
    assert done.exit_code == 2
    assert f"{bundle} holds no certificates in PEM form" in done.errors


def test_a_bundle_of_certificates_is_taken() -> None:
    machines = Path(ssl.get_default_verify_paths().openssl_cafile)
    assert ca_bundle.check_ca_bundle(machines) == machines


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((), "create the ConfigMap of pull.caBundleRef, with the key ca.crt"),
        (("..data", "..2026_01_01"), "create the ConfigMap of pull.caBundleRef, with the key ca.crt"),
        (("..data", "b.pem", "a.pem"), "the ConfigMap of pull.caBundleRef has no key ca.crt, but a.pem, b.pem"),
    ],
    ids=["no mount", "no ConfigMap", "no key"],
)
def test_in_a_pod_it_is_said_what_to_create(
    keys: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = tmp_path / "ca"
    for key in keys:
        mount.mkdir(exist_ok=True)
        (mount / key).touch()
    monkeypatch.setattr(ca_bundle, "CA_MOUNT", mount)
    with pytest.raises(LoaderError, match=said) as raised:
        ca_bundle.check_ca_bundle(mount / "ca.crt")
    assert raised.value.reason is Reason.SPEC_INVALID


def test_s3_behind_a_companys_own_authority(archives: Archives, store: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with S3Server.start(authority=authority) as server:
        server.create_bucket("models")
        server.put("models", "small.tar", archives.whole(".tar"))
        pull = ("pull", "s3://models/small.tar", "--store", store, "--endpoint", server.endpoint)
        refused = whisper_model(*pull, "--timeout", "30", env=server.environment)
        assert refused.exit_code == 1
        assert "the TLS certificate is not trusted (a CA bundle can be given)" in refused.errors
        pulled = whisper_model(*pull, "--ca-bundle", authority.certificate, env=server.environment)
        assert pulled.exit_code == 0, pulled.errors
