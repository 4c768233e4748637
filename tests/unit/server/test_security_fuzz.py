"""Whatever a file of secrets holds, and whatever a caller sends as its token: a sentence, and never a defect."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whisper_server.errors import UnauthenticatedError
from whisper_server.operations.metrics import Metrics
from whisper_server.security.certificates import CertificateFiles, Certificates
from whisper_server.security.mounted import MountedFileError
from whisper_server.security.tokens import Tokens

pytestmark = pytest.mark.slow

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PEM = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"


@QUICK
@given(st.text() | st.text().map("Bearer {}".format))
def test_no_header_is_taken_for_a_token_that_is_not_known(tmp_path: Path, header: str) -> None:
    path = tmp_path / "tokens"
    path.write_text("a-token-of-24-characters")
    with pytest.raises(UnauthenticatedError):
        Tokens(path, Metrics()).check(header)


@QUICK
@given(st.binary(max_size=500) | st.text(alphabet="ab:# \n=", max_size=50).map(str.encode))
def test_any_file_of_tokens_is_read_or_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(content)
    try:
        Tokens(path, Metrics())
    except MountedFileError as error:
        trouble = str(error)
    else:
        trouble = f"none, {path} was read"
    assert str(path) in trouble


@QUICK
@given(st.binary(max_size=500) | st.binary(max_size=100).map(lambda data: PEM % data))
def test_any_file_of_certificates_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tls.crt"
    path.write_bytes(content)
    with pytest.raises(MountedFileError, match=r"tls\.crt"):
        Certificates(CertificateFiles(path, path), Metrics())
