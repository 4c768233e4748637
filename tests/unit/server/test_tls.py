"""TLS and mutual TLS of gRPC and HTTP, with real clients, and certificates that change while the server runs."""

import logging
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from riva.client.proto import riva_asr_pb2_grpc

from tests.cluster import certificates
from tests.cluster.certificates import LIFETIME, Authority, KeyPair
from tests.unit.server.conftest import Serve, recognize_request
from tests.unit.server.http_server import serving_http
from whisper_server.operations.metrics import Metrics
from whisper_server.security.certificates import CertificateFiles, Certificates
from whisper_server.security.mounted import MountedFileError

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("company") / "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger") / "ca")


def mount(folder: Path, pair: KeyPair, clients: Authority | None = None) -> CertificateFiles:
    """Put a certificate where the server reads it, each file whole at once as kubelet does."""
    folder.mkdir(exist_ok=True)
    files = CertificateFiles(folder / "tls.crt", folder / "tls.key", folder / "ca.crt" if clients else None)
    wanted = [(pair.certificate, files.certificate), (pair.key, files.key)]
    if clients is not None:
        wanted.append((clients.certificate, folder / "ca.crt"))
    for source, target in wanted:
        shutil.copy(source, folder / "new")
        (folder / "new").rename(target)
    return files


def settings_of(files: CertificateFiles) -> dict[str, Any]:
    return {
        "tls_certificate_file": files.certificate,
        "tls_key_file": files.key,
        "tls_client_ca_file": files.client_authorities,
    }


async def call(port: int, trusted: Authority, client: KeyPair | None = None) -> str:
    """Transcribe over gRPC on a connection of its own; return the text, or the name of the status code."""
    own = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(trusted.certificate.read_bytes(), *own)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"{HOST}:{port}", credentials, options) as channel:
        try:
            answer = await riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).Recognize(recognize_request())
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
    return str(answer.results[0].alternatives[0].transcript)


SAID = " Hello there. And bye."


async def test_a_client_that_trusts_the_authority_is_served(
    serve: Serve, tmp_path: Path, company: Authority, stranger: Authority
) -> None:
    served = await serve(**settings_of(mount(tmp_path / "tls", company.issue("server", addresses=[HOST]))))
    assert await call(served.port, company) == SAID
    assert await call(served.port, stranger) == "UNAVAILABLE"
    with pytest.raises(grpc.aio.AioRpcError):
        await served.recognize()  # without TLS


async def test_mutual_tls_serves_only_clients_of_the_authority(
    serve: Serve, tmp_path: Path, company: Authority, stranger: Authority
) -> None:
    files = mount(tmp_path / "tls", company.issue("server", addresses=[HOST]), clients=company)
    served = await serve(**settings_of(files))
    assert await call(served.port, company, company.issue("client")) == SAID
    assert await call(served.port, company, stranger.issue("client")) == "UNAVAILABLE"
    assert await call(served.port, company) == "UNAVAILABLE"


async def test_a_rotated_certificate_and_client_authority_are_used_from_the_next_connection_on(
    serve: Serve, tmp_path: Path, company: Authority, stranger: Authority
) -> None:
    files = mount(tmp_path / "tls", company.issue("server", addresses=[HOST]), clients=company)
    served = await serve(**settings_of(files))
    assert await call(served.port, company, company.issue("client")) == SAID
    mount(tmp_path / "tls", stranger.issue("server", addresses=[HOST]), clients=stranger)
    assert await call(served.port, stranger, stranger.issue("client")) == SAID
    assert await call(served.port, stranger, company.issue("client")) == "UNAVAILABLE"
    assert await call(served.port, company, company.issue("client")) == "UNAVAILABLE"


async def test_a_pair_that_is_half_written_changes_nothing_until_it_is_whole(
    serve: Serve, tmp_path: Path, company: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = mount(tmp_path / "tls", company.issue("server", addresses=[HOST]))
    served = await serve(**settings_of(files))
    new = stranger.issue("server", addresses=[HOST])
    files.certificate.write_bytes(new.certificate.read_bytes())
    for _ in range(2):
        assert await call(served.port, company) == SAID
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.message.endswith("; the certificate read before is still used")
    assert served.metric("whisper_server_reload_failures_total", what="certificates") == 1
    files.key.write_bytes(new.key.read_bytes())
    assert await call(served.port, stranger) == SAID


@dataclass
class Web:
    """An HTTP server with the certificates of a folder."""

    folder: Path
    port: int
    certificates: Certificates
    metrics: Metrics

    async def get(self, trusted: Authority, client: KeyPair | None = None) -> str:
        context = ssl.create_default_context(cafile=trusted.certificate)
        if client:
            context.load_cert_chain(client.certificate, client.key)
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"https://{HOST}:{self.port}/") as answer,
        ):
            return await answer.text()


@pytest.fixture
async def website(tmp_path: Path, company: Authority) -> AsyncIterator[Web]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    folder, metrics = tmp_path / "tls", Metrics()
    files = mount(folder, company.issue("server", addresses=[HOST]), clients=company)
    held = Certificates(files, metrics)
    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=held.server_context()).start()
    yield Web(folder, runner.addresses[0][1], held, metrics)
    await runner.cleanup()


async def test_http_asks_for_the_same_certificates_and_follows_their_changes(
    website: Web, company: Authority, stranger: Authority
) -> None:
    assert await website.get(company, company.issue("client")) == "hello"
    for client in (None, stranger.issue("client")):
        with pytest.raises(aiohttp.ClientError):
            await website.get(company, client)
    mount(website.folder, stranger.issue("server", addresses=[HOST]), clients=stranger)
    assert await website.get(stranger, stranger.issue("client")) == "hello"
    with pytest.raises(aiohttp.ClientError):
        await website.get(stranger, company.issue("client"))
    with pytest.raises(aiohttp.ClientError):
        await website.get(company, company.issue("client"))


async def test_openais_endpoints_speak_tls_and_nothing_else(
    tmp_path: Path, company: Authority, stranger: Authority
) -> None:
    files = mount(tmp_path / "tls", company.issue("server", addresses=[HOST]))
    async with serving_http(**settings_of(files)) as served:
        address = f"{HOST}:{served.port}/v1/models"
        trusting = ssl.create_default_context(cafile=company.certificate)
        async with served.session.get(f"https://{address}", ssl=trusting) as answer:
            assert answer.status == 200
        for url in (f"https://{address}", f"http://{address}"):
            with pytest.raises(aiohttp.ClientError):
                await served.session.get(url, ssl=ssl.create_default_context(cafile=stranger.certificate))


def expiry(metrics: Metrics) -> float:
    (family,) = [one for one in metrics.registry.collect() if one.name.startswith("whisper_server_certificate_expiry")]
    (sample,) = family.samples
    return sample.value


async def test_the_expiry_of_the_certificate_in_use_is_a_metric(website: Web, stranger: Authority) -> None:
    first = expiry(website.metrics)
    expected = datetime.now(UTC) + LIFETIME
    assert abs(first - expected.timestamp()) < timedelta(minutes=10).total_seconds()
    mount(website.folder, stranger.issue("server", addresses=[HOST]), clients=stranger)
    assert expiry(website.metrics) >= first
    assert website.certificates.current().client_authorities == stranger.certificate.read_bytes()


def encrypted(pem: bytes) -> bytes:
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))


def damage(files: CertificateFiles, how: str, other: KeyPair) -> None:
    changes: dict[str, tuple[Path | None, bytes]] = {
        "no certificate": (files.certificate, b"hello"),
        "no key": (files.key, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "another key": (files.key, other.key.read_bytes()),
        "an encrypted key": (files.key, encrypted(files.key.read_bytes())),
        "no authority": (files.client_authorities, b""),
    }
    if how == "missing":
        return files.key.unlink()
    path, content = changes[how]
    assert path is not None
    path.write_bytes(content)
    return None


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("no certificate", "tls.crt holds no certificate in PEM form, or a damaged one"),
        ("no key", "tls.key holds no private key in PEM form, or a damaged one"),
        ("another key", "tls.key is not the key of the first certificate in "),
        ("an encrypted key", "tls.key is encrypted: store it without a password"),
        ("no authority", "ca.crt holds no certificate in PEM form, or a damaged one"),
        ("missing", "tls.key cannot be read: No such file or directory"),
    ],
)
def test_wrong_files_at_start_are_one_sentence(tmp_path: Path, company: Authority, how: str, sentence: str) -> None:
    files = mount(tmp_path / "tls", company.issue("server", addresses=[HOST]), clients=company)
    damage(files, how, company.issue("other"))
    with pytest.raises(MountedFileError) as refused:
        Certificates(files, Metrics())
    assert sentence in str(refused.value)


def test_an_expired_certificate_is_refused(tmp_path: Path, company: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "LIFETIME", timedelta(minutes=-1))
    with pytest.raises(MountedFileError, match=r"^the certificate in .*tls\.crt expired on 20.* UTC$"):
        Certificates(mount(tmp_path / "tls", company.issue("late")), Metrics())


def test_no_key_shows_in_a_description(tmp_path: Path, company: Authority) -> None:
    held = Certificates(mount(tmp_path / "tls", company.issue("server")), Metrics())
    assert "PRIVATE" not in repr(held.current())
