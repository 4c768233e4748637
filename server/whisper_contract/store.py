"""Names inside a store (the shared volume) and where pods see it.

<store>/artifacts/<digest hex>/        published, never written again
<store>/sources/<hash>.json            resolved source and conversion -> digest
<store>/staging/<job uid>/<pod uid>/   private to one pod
"""

from pathlib import PurePosixPath

ARTIFACTS = "artifacts"
SOURCES = "sources"
STAGING = "staging"
MANIFEST = "manifest.json"

#: Where pods mount the claim of a WhisperModel.
STORE_MOUNT = PurePosixPath("/models")
#: Where pull pods mount the Secret that the source names.
SECRET_MOUNT = PurePosixPath("/var/run/whisper/source")
#: Where pull pods mount the ConfigMap that holds the authorities to trust.
CA_MOUNT = PurePosixPath("/var/run/whisper/ca")
#: Below this, pull pods mount the claim of a volume source, under the claim's name.
VOLUMES_MOUNT = PurePosixPath("/volumes")

#: Environment of a pull pod, from the downward API; together they name its private staging folder.
JOB_UID_VARIABLE = "WHISPER_JOB_UID"
POD_UID_VARIABLE = "WHISPER_POD_UID"


def artifact_path(digest_hex: str) -> PurePosixPath:
    """Return the artifact's directory, relative to the store."""
    return PurePosixPath(ARTIFACTS, digest_hex)


def staging_path(job_uid: str, pod_uid: str) -> PurePosixPath:
    """Return the private directory of one pod of one Job, relative to the store."""
    return PurePosixPath(STAGING, job_uid, pod_uid)
