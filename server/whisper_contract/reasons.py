# ruff: noqa: S105 - "Secret" in a reason's name is no password.
"""Why a pull or a server failed: the closed table of reasons, exit codes and who raises them.

The Job's podFailurePolicy ends a Job at once on the exit code of a permanent reason; any other code may be tried again
(https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy).
"""

from dataclasses import dataclass
from enum import StrEnum

EXIT_RETRY = 1
EXIT_USAGE = 2
#: Exit codes of permanent reasons lie in this range (bounds included).
FIRST_PERMANENT = 64
LAST_PERMANENT = 113


class Reason(StrEnum):
    """Reasons that loader and server can give in termination messages, and so in status conditions."""

    SOURCE_NOT_FOUND = "SourceNotFound"
    UNAUTHORIZED = "Unauthorized"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_KEY_MISSING = "SecretKeyMissing"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    UNSAFE_ARCHIVE = "UnsafeArchive"
    INVALID_MODEL = "InvalidModel"
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    OUT_OF_SPACE = "OutOfSpace"
    CLAIM_NOT_WRITABLE = "ClaimNotWritable"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    SPEC_INVALID = "SpecInvalid"
    ARTIFACT_MISSING = "ArtifactMissing"
    WARM_UP_FAILED = "WarmUpFailed"
    GOLDEN_CLIP_FAILED = "GoldenClipFailed"
    SOURCE_QUOTA_EXCEEDED = "SourceQuotaExceeded"
    SOURCE_CHANGED = "SourceChanged"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    OUT_OF_MEMORY = "OutOfMemory"
    VOLUME_FAILED = "VolumeFailed"
    INTERNAL_ERROR = "InternalError"


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of the table.

    Attributes:
        reason: the constant.
        exit_code: what the process ends with.
        raised_by: the steps that can raise it: pull (and so resolve, its beginning), convert, publish, serve, gc.
        when: the sentence that says when it is raised.
        next_step: what a person can do about it.
    """

    reason: Reason
    exit_code: int
    raised_by: tuple[str, ...]
    when: str
    next_step: str

    @property
    def permanent(self) -> bool:
        """Whether the same attempt again would end the same way, until a person changes something."""
        return FIRST_PERMANENT <= self.exit_code <= LAST_PERMANENT or self.exit_code == EXIT_USAGE


_PULL = ("pull",)
_ALL = ("pull", "convert", "publish")
_ALL_AND_GC = (*_ALL, "gc")

FAILURES: dict[Reason, Failure] = {
    row.reason: row
    for row in (
        Failure(
            Reason.SOURCE_NOT_FOUND,
            64,
            _PULL,
            "The bucket, object, repository, revision or path does not exist, or is hidden from these credentials.",
            "Check the source's names, region or path; if it is private, that the credentials may list and read it.",
        ),
        Failure(
            Reason.UNAUTHORIZED,
            65,
            _PULL,
            "The source refused the credentials, or wants some and got none.",
            "Check the Secret's keys and what they may read, of a path its owner and mode; a gated repository must "
            "also be accepted on its page.",
        ),
        Failure(
            Reason.SECRET_NOT_FOUND,
            66,
            _PULL,
            "The Secret that the source names does not exist in the WhisperModel's namespace.",
            "Create the Secret in the same namespace, or correct secretRef.name.",
        ),
        Failure(
            Reason.SECRET_KEY_MISSING,
            67,
            _PULL,
            "The Secret exists and lacks a key that this kind of source needs.",
            "Add the missing key to the Secret.",
        ),
        Failure(
            Reason.CHECKSUM_MISMATCH,
            68,
            _PULL,
            "The bytes lack the sha256 that the spec or the source promises, or the archive fails its own checks.",
            "Compare spec.sha256 with the file (sha256sum FILE); correct the wrong one, or upload again.",
        ),
        Failure(
            Reason.UNSAFE_ARCHIVE,
            69,
            _PULL,
            "The archive holds a link, a device, an absolute or climbing name, or more than the limits allow, "
            "or the source's own scan takes it for malware.",
            "Pack it anew with whisper-model pack, which writes plain files only (or with tar -h).",
        ),
        Failure(
            Reason.INVALID_MODEL,
            70,
            _ALL,
            "What was pulled is no whole Whisper model: a file is missing, cut short or disagrees with the others.",
            "Check the model's files; pack the folder that holds config.json and the weights.",
        ),
        Failure(
            Reason.UNSUPPORTED_FORMAT,
            71,
            ("pull", "convert"),
            "The source is no tar archive (plain, zst, gz) and no Whisper model in CTranslate2 or safetensors form.",
            "Pack the model with whisper-model pack, or save it as safetensors.",
        ),
        Failure(
            Reason.OUT_OF_SPACE,
            72,
            _ALL,
            "The volume, or what is pushed to, has no room for the model.",
            "Make room where the message says; in a claim, remove models that are no longer used, or enlarge it "
            "(cache.size).",
        ),
        Failure(
            Reason.CLAIM_NOT_WRITABLE,
            73,
            _ALL_AND_GC,
            "The volume is mounted and this user may not write to it.",
            "Make what the message names writable for the user that writes: uid 10001 in a pod, unless "
            "podSecurityContext says otherwise (fsGroup, or the volume's uid).",
        ),
        Failure(
            Reason.DEADLINE_EXCEEDED,
            74,
            _ALL,
            "The pull did not end within pull.timeoutSeconds.",
            "Raise pull.timeoutSeconds, or bring the model closer to the cluster.",
        ),
        Failure(
            Reason.ARTIFACT_MISSING,
            75,
            ("serve",),
            "The published artifact is not, or no longer, on the volume.",
            "Nothing: it is pulled again (by hand: whisper-model pull). If it vanishes repeatedly, find out what else "
            "writes to the volume.",
        ),
        Failure(
            Reason.SOURCE_QUOTA_EXCEEDED,
            76,
            _PULL,
            "The source gives no more of this file for now: a quota of downloads or of requests is used up.",
            "Wait (a day, on Google Drive), or copy the file and name the copy; a bucket has no such quota.",
        ),
        Failure(
            Reason.WARM_UP_FAILED,
            EXIT_RETRY,
            ("serve",),
            "The server could not load the model or transcribe its bundled clip on the device, or failed there later.",
            "Read the server's log; check the device, the compute type and the memory that the model needs.",
        ),
        Failure(
            Reason.GOLDEN_CLIP_FAILED,
            EXIT_RETRY,
            ("serve",),
            "The model works on the device, and more words of the golden clip came out wrong than are allowed.",
            "Compare what was expected with what was heard: another quantization or compute type, another model, or "
            "another clip (server.goldenClip).",
        ),
        Failure(
            Reason.SPEC_INVALID,
            EXIT_USAGE,
            (*_ALL_AND_GC, "serve"),
            "The command was called with values, or given files, that cannot be right.",
            "Correct the field or option that the message names.",
        ),
        Failure(
            Reason.SOURCE_CHANGED,
            EXIT_RETRY,
            _PULL,
            "The source was overwritten while it was being read.",
            "Nothing: the next attempt reads the new one. Name a version to be safe from this.",
        ),
        Failure(
            Reason.SOURCE_UNREACHABLE,
            EXIT_RETRY,
            _PULL,
            "The source did not answer, or broke off, more often than is patient to wait.",
            "Check the endpoint, DNS, proxies and network policies between the cluster and the source.",
        ),
        Failure(
            Reason.OUT_OF_MEMORY,
            EXIT_RETRY,
            _ALL_AND_GC,
            "The step ran out of memory.",
            "Raise pull.resources.limits.memory.",
        ),
        Failure(
            Reason.VOLUME_FAILED,
            EXIT_RETRY,
            _ALL_AND_GC,
            "The volume that the models lie on broke down: a network mount was lost, or a disk fails.",
            "Look at the storage and at the node's kernel log; it is tried again meanwhile.",
        ),
        Failure(
            Reason.INTERNAL_ERROR,
            EXIT_RETRY,
            _ALL_AND_GC,
            "The loader met something that it has no reason for: a defect of the loader.",
            "Please report the message and the pod's log.",
        ),
    )
}

_BY_EXIT_CODE = {
    row.exit_code: row.reason for row in FAILURES.values() if row.permanent and row.exit_code != EXIT_USAGE
} | {EXIT_USAGE: Reason.SPEC_INVALID}


def reason_for_exit_code(exit_code: int) -> Reason | None:
    """Return the reason of a permanent exit code: what is left to say when a container wrote no termination message."""
    return _BY_EXIT_CODE.get(exit_code)


def permanent_exit_codes() -> tuple[int, ...]:
    """Return every exit code that ends a Job at once: wrong usage and the whole permanent range, free ones too."""
    return (EXIT_USAGE, *range(FIRST_PERMANENT, LAST_PERMANENT + 1))
