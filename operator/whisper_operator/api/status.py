"""The status of a WhisperModel: what stood there before, and what is written. `to_json` leaves out what is absent."""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from whisper_contract.digest import parse_digest, short_digest
from whisper_contract.store import artifact_path
from whisper_contract.termination import TerminationMessage
from whisper_operator.api import conditions


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of the status."""


class Condition(_Part, frozen=True):
    """One aspect of the state, as https://kubernetes.io/docs/reference/using-api/api-concepts/ has conditions."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int = 0
    last_transition_time: str = ""


class Endpoints(_Part, frozen=True):
    """Where clients reach the servers: hosts and ports inside the cluster.

    Attributes:
        grpc: of Riva's protocol and ours.
        http: of OpenAI's; absent in what an operator wrote that did not know it.
    """

    grpc: str
    http: str | None = None


class Artifact(_Part, frozen=True):
    """A published artifact, or a model inside the servers' image, of which no more than its path is known.

    Attributes:
        digest: ``sha256:<hex>``.
        short_digest: twelve hex digits, for people.
        source: the source's resolved identity.
        format: what the source held: ctranslate2 or transformers.
        quantization: of the published model.
        size_bytes: of its files in all.
        path: its directory, relative to the root of the claim; absolute inside an image.
    """

    path: str
    digest: str | None = None
    short_digest: str | None = None
    source: str | None = None
    format: str | None = None
    quantization: str | None = None
    size_bytes: int | None = None

    @property
    def key(self) -> str:
        """What tells it from others."""
        return self.digest or self.path

    @property
    def name(self) -> str:
        """What people are told it by."""
        return self.short_digest or self.path

    @property
    def is_baked(self) -> bool:
        """Whether it is inside the servers' image, and on no volume."""
        return self.digest is None

    @classmethod
    def from_message(cls, message: TerminationMessage) -> "Artifact":
        """Return the artifact that the publish step reports.

        Raises:
            ValueError: when the message names none.
        """
        hex_digest = parse_digest(message.digest or "")
        return cls(
            digest=f"sha256:{hex_digest}",
            short_digest=short_digest(hex_digest),
            path=str(artifact_path(hex_digest)),
            source=message.source,
            format=message.format,
            quantization=message.quantization,
            size_bytes=message.size_bytes,
        )


class Phase(StrEnum):
    """How far the artifact that the spec asks for is.

    Blocked: something must be there first (a claim). Waiting: another WhisperModel pulls the same. Failed: the last
    attempt failed, and the next one is not due yet. Rejected: published, but the servers did not become ready with it.
    """

    BLOCKED = "Blocked"
    WAITING = "Waiting"
    PULLING = "Pulling"
    FAILED = "Failed"
    PUBLISHED = "Published"
    REJECTED = "Rejected"


class Target(_Part, frozen=True):
    """What is being prepared: for which inputs, how far, why so, and once it is published all that serving it needs.

    Attributes:
        inputs_hash: None of what is not pulled.
        digest: of the artifact, for people; and for an earlier operator, which reads no more than that.
        artifact: absent in what an operator wrote that did not know it.
        message: why it was rejected, in the servers' words.
        tried: `Model.intent` as it was when the servers were last given it.
    """

    state: Phase
    reason: str
    inputs_hash: str | None = None
    digest: str | None = None
    artifact: Artifact | None = None
    message: str | None = None
    tried: str | None = None


class PullProgress(_Part, frozen=True):
    """A pull that runs: the attempt from 1, its step, and how far the step is, in bytes and seconds."""

    attempt: int
    step: str | None = None
    percent: int | None = None
    bytes_done: int | None = None
    bytes_total: int | None = None
    bytes_per_second: int | None = None
    eta_seconds: int | None = None


class Refresh(_Part, frozen=True):
    """What came of asking the source what it holds now.

    Attributes:
        checked_time: when it was asked last, RFC 3339.
        source: the identity that it told when it last told one.
        compared_with: the identity that the artifact had then.
        failures: how often in a row it has told none.
        reason: why so, the last time; as the reasons of conditions are.
        message: the same in words.
        retry: a hash of the retry annotation then.
    """

    checked_time: str
    source: str | None = None
    compared_with: str | None = None
    failures: int = 0
    reason: str | None = None
    message: str | None = None
    retry: str | None = None


class FailedRemoval(_Part, frozen=True):
    """That artifacts which are no longer needed could not be removed.

    Attributes:
        failures: how often in a row, at least 1.
        failed_time: when the last time, RFC 3339.
        message: why, the last time.
    """

    failures: int
    failed_time: str
    message: str = ""


class Status(_Part, frozen=True):
    """All of the status that the operator writes.

    Attributes:
        ready: for people: ready of wanted servers, as 1/2.
        artifact: the last that served; until one has, the one that is to.
        target: what the spec asks for.
        revisions: what has served, the last one first.
        refresh: what came of asking the source anew.
        unneeded: digests that stood here, and whose artifacts are still to be removed.
        removal: why they have not been, if that has failed.
    """

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    source_uri: str | None = msgspec.field(default=None, name="sourceURI")
    selector: str | None = None
    replicas: int | None = None
    ready_replicas: int | None = None
    ready: str | None = None
    endpoints: Endpoints | None = None
    artifact: Artifact | None = None
    target: Target | None = None
    pull: PullProgress | None = None
    revisions: tuple[Artifact, ...] = ()
    refresh: Refresh | None = None
    unneeded: tuple[str, ...] = ()
    removal: FailedRemoval | None = None

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that is written, just as it is read again: lists and not tuples."""
        fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return fields


# As with the spec: known of before there are threads.
msgspec.json.Decoder(Status)


def parse_status(status: Any) -> Status:
    """Return the status that the JSON holds; an empty one when it is none of ours (it is written anew then)."""
    try:
        return _completed(msgspec.convert(status, Status))
    except msgspec.ValidationError:
        return Status()


def _completed(status: Status) -> Status:
    """Add what an earlier operator did not write, so that an upgrade neither pulls nor rolls out anything."""
    target, artifact = status.target, status.artifact
    if target is None or artifact is None:
        return status
    if target.artifact is None and target.digest == artifact.digest:
        return replace(status, target=replace(target, artifact=artifact))
    available = status.condition(conditions.AVAILABLE)
    if not status.revisions and available is not None and available.status == "True":
        return replace(status, revisions=(artifact,))
    return status
