"""What `whisper-model push` prints can be applied as it is: a real API server takes it, whatever the destination."""

from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.support.whispermodels import install_crd
from whisper_contract.uris import parse_source
from whisper_loader.access import Access
from whisper_loader.resource import serving_resource
from whisper_loader.secrets import SecretFolder

ACCESS = Access(
    endpoint="https://storage.example.com:9000", region="eu-1", secret=SecretFolder(Path("/s")), ca_bundle=Path("/c")
)
PUSHED = {
    "s3://models/größe XL (1).tar.zst": "0" * 64,
    "s3://models/folder/": None,
    "gs://models/2024 03.tar": "1" * 64,
    "gs://models/folder/": None,
    "hf://my-org/whisper.mine@v2": None,
    "oci://registry.example.com:5000/speech/turbo_de:1.2": "2" * 64,
    "https://artifacts.example.com/models/turbo.tar.zst?signature=x": "3" * 64,
}


@pytest.mark.parametrize(("uri", "sha256"), PUSHED.items(), ids=PUSHED)
def test_what_push_prints_is_taken_without_a_warning(control_plane: ControlPlane, uri: str, sha256: str | None) -> None:
    install_crd(control_plane.kubectl)
    strictly = ("--dry-run=server", "--validate=strict", "--warnings-as-errors")
    for access in (Access(), ACCESS):
        printed = serving_resource(parse_source(uri), access, sha256)
        said = control_plane.kubectl("apply", "--filename=-", *strictly, stdin=printed)
        assert "whispermodel.stt.whisper-operator.io/" in said
