"""Everything that can be set, in one place: a field is a flag, a variable, a file's key, a default and a line of help.

`model_name` is `--model-name`, `WHISPER_SERVER_MODEL_NAME` and the file's `model_name`; reading.py reads them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from whisper_contract.termination import TERMINATION_LOG
from whisper_server.configuration.values import (
    MIB,
    Setting,
    SettingsError,
    list_of,
    one_of,
    optional_file,
    optional_list_of,
    optional_port,
    port,
    seconds,
    whole_number,
    yes_or_no,
)

DEVICES = ("auto", "cuda", "cpu")
#: https://opennmt.net/CTranslate2/quantization.html; `default` keeps the artifact's own as far as the device can.
COMPUTE_TYPES = (
    *("default", "auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16"),
    *("int16", "float16", "bfloat16", "float32"),
)
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server runs with; see each field's help."""

    model: Annotated[Path, Setting(Path, "directory of the published artifact to serve")]
    model_name: Annotated[
        tuple[str, ...],
        Setting(list_of(str), "names that clients may call the model, comma-separated; the first is the default"),
    ] = ("whisper",)
    device: Annotated[str, Setting(one_of(*DEVICES), "cuda, cpu, or auto: cuda where there is a GPU")] = "auto"
    compute_type: Annotated[
        tuple[str, ...],
        Setting(
            list_of(one_of(*COMPUTE_TYPES)),
            "CTranslate2 compute types in order of preference; the first that the device can do is used",
        ),
    ] = ("default",)
    cpu_threads: Annotated[
        int, Setting(whole_number(0, 1024), "threads of the model on a CPU; 0: as many CPUs as the process may use")
    ] = 0
    workers: Annotated[
        int, Setting(whole_number(1, 16), "batches at a time; of two or more, one is kept for those with little to do")
    ] = 2
    max_batch: Annotated[
        int, Setting(whole_number(0, 256), "windows of speech in a batch; 0: what is best on the device")
    ] = 0
    max_batch_ms: Annotated[
        int,
        Setting(
            whole_number(0, 3_600_000),
            "predicted time of a batch with windows of long recordings, at most; 0: what is best on the device",
        ),
    ] = 0
    max_delay_ms: Annotated[
        int, Setting(whole_number(0, 10_000), "time that a window waits for company, never while the device is idle")
    ] = 5
    max_queued_windows: Annotated[
        int, Setting(whole_number(1, 100_000), "windows that may wait for the model; a request more is refused")
    ] = 256
    host: Annotated[str, Setting(str, "address to listen on; empty: every interface")] = ""
    grpc_port: Annotated[int, Setting(port, "port of gRPC; 0: any free one, told in the log")] = 50_051
    http_port: Annotated[
        int | None, Setting(optional_port, "port of OpenAI's HTTP API; 0: any free one, told in the log; off: none")
    ] = 8_000
    http_model_alias: Annotated[
        tuple[str, ...],
        Setting(
            optional_list_of(str), "names that clients may call the model over HTTP beside its own, comma-separated"
        ),
    ] = ("whisper-1",)
    http_page: Annotated[
        bool,
        Setting(yes_or_no, "serve a page on the HTTP port on which people try the model: with a file, or speaking"),
    ] = False
    http_max_connections: Annotated[
        int, Setting(whole_number(1, 100_000), "HTTP connections at a time; one more is closed at once")
    ] = 1_000
    http_keepalive_seconds: Annotated[
        int, Setting(whole_number(1, 86_400), "time after which an HTTP connection that asks nothing is closed")
    ] = 75
    probe_port: Annotated[int, Setting(port, "port of /health and /metrics; 0: any free one, told in the log")] = 8_001
    share_ports: Annotated[
        bool, Setting(yes_or_no, "listen beside another server on the same ports, to take its place when it ends")
    ] = False
    max_message_bytes: Annotated[
        int, Setting(whole_number(MIB, 2**31 - 1), "bytes of the largest request, its audio included")
    ] = 64 * MIB
    max_upload_bytes: Annotated[
        int, Setting(whole_number(MIB, 2**40), "bytes of the largest upload, which comes piece by piece")
    ] = 1024 * MIB
    spool_directory: Annotated[
        Path | None,
        Setting(optional_file, "directory for uploads that have to be whole to be read; empty: the system's, /tmp"),
    ] = None
    max_spool_bytes: Annotated[
        int, Setting(whole_number(MIB, 2**40), "bytes of all uploads in it at a time; one more is refused")
    ] = 1024 * MIB
    max_audio_seconds: Annotated[int, Setting(whole_number(1, 86_400), "longest audio of one request")] = 3_600
    max_requests: Annotated[
        int, Setting(whole_number(1, 100_000), "requests that are worked on or wait; one more is refused")
    ] = 256
    max_streams: Annotated[int, Setting(whole_number(0, 10_000), "live streams at a time; one more is refused")] = 32
    max_metadata_bytes: Annotated[int, Setting(whole_number(1_024, MIB), "bytes of the metadata of one gRPC call")] = (
        16 * 1024
    )
    grpc_max_connections: Annotated[
        int, Setting(whole_number(1, 100_000), "gRPC connections at a time; one more is closed at once")
    ] = 1_000
    grpc_max_concurrent_streams: Annotated[
        int, Setting(whole_number(1, 100_000), "calls at a time on one gRPC connection; its client holds back more")
    ] = 256
    default_deadline_seconds: Annotated[
        int, Setting(whole_number(1, 86_400), "deadline of requests whose caller sets none")
    ] = 3_600
    max_deadline_seconds: Annotated[
        int, Setting(whole_number(1, 86_400), "longest deadline of a request; live streams have none")
    ] = 14_400
    idle_timeout_seconds: Annotated[
        int, Setting(whole_number(1, 86_400), "time after which a stream that sends nothing is ended")
    ] = 60
    write_timeout_seconds: Annotated[
        int, Setting(whole_number(1, 86_400), "time after which a caller that does not read its answers is given up")
    ] = 60
    max_connection_age_seconds: Annotated[
        int,
        Setting(seconds, "age at which a connection is asked to reconnect, so that replicas share the load; 0: never"),
    ] = 30
    max_connection_age_grace_seconds: Annotated[
        int, Setting(whole_number(0, 604_800), "time after that in which its calls may finish; 0: as long as they last")
    ] = 86_400
    drain_delay_seconds: Annotated[
        int,
        Setting(
            seconds,
            "time after SIGTERM in which new requests are still taken, while endpoints change, before connections are "
            "left to reach their age; 0: wait for neither",
        ),
    ] = 5
    grace_seconds: Annotated[int, Setting(seconds, "time after that for requests in flight to finish")] = 30
    profanity_words_file: Annotated[
        Path | None,
        Setting(
            optional_file, "file with the words or phrases to mask where a caller asks for it, one a line; empty: none"
        ),
    ] = None
    golden_clip_file: Annotated[
        Path | None,
        Setting(optional_file, "recording that has to come out right before the server becomes ready; empty: none"),
    ] = None
    golden_text_file: Annotated[Path | None, Setting(optional_file, "file with what is said in it")] = None
    golden_max_word_error_percent: Annotated[
        int, Setting(whole_number(0, 100), "word errors in it, in percent of its words, at most")
    ] = 10
    log_format: Annotated[str, Setting(one_of("json", "text"), "json or text")] = "json"
    log_level: Annotated[str, Setting(one_of(*LOG_LEVELS), ", ".join(LOG_LEVELS))] = "info"
    termination_log: Annotated[Path, Setting(Path, "file that takes the termination message, if it is there")] = Path(
        TERMINATION_LOG
    )
    tls_certificate_file: Annotated[
        Path | None,
        Setting(
            optional_file, "PEM file with the server's certificate and its chain; gRPC and HTTP then speak TLS only"
        ),
    ] = None
    tls_key_file: Annotated[Path | None, Setting(optional_file, "PEM file with the certificate's private key")] = None
    tls_client_ca_file: Annotated[
        Path | None,
        Setting(
            optional_file, "PEM file with the authorities of clients' certificates, which are then required (mTLS)"
        ),
    ] = None
    tokens_file: Annotated[
        Path | None,
        Setting(
            optional_file, "file with the bearer tokens that callers may bring, one a line; empty: none are asked for"
        ),
    ] = None
    allow_tokens_without_tls: Annotated[
        bool, Setting(yes_or_no, "take tokens over connections that anybody on the way can read")
    ] = False

    def check(self) -> None:
        """Raise SettingsError when settings contradict one another."""
        if self.http_page and self.http_port is None:
            raise SettingsError("--http-page needs the HTTP port, and --http-port is off")
        if (self.golden_clip_file is None) != (self.golden_text_file is None):
            raise SettingsError("--golden-clip-file and --golden-text-file are given together or not at all")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise SettingsError("--tls-certificate-file and --tls-key-file are given together or not at all")
        if self.tls_client_ca_file is not None and self.tls_certificate_file is None:
            raise SettingsError(
                "--tls-client-ca-file needs --tls-certificate-file: without TLS no client proves itself"
            )
        if self.tokens_file is not None and self.tls_certificate_file is None and not self.allow_tokens_without_tls:
            raise SettingsError(
                "--tokens-file without TLS would send secrets in the clear: give --tls-certificate-file and "
                "--tls-key-file, or --allow-tokens-without-tls where something in front of the server speaks TLS"
            )
