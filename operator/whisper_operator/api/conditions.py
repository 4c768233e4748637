"""The types of conditions: all are there from the first visit."""

from typing import Final

#: The artifact that the spec asks for is published.
ARTIFACT_READY: Final = "ArtifactReady"
#: Some revision has a ready pod.
AVAILABLE: Final = "Available"
#: The operator, or what it started, is at work.
PROGRESSING: Final = "Progressing"
#: A person is needed.
DEGRADED: Final = "Degraded"
#: The status is about the spec as it is, and all replicas serve the spec's artifact.
READY: Final = "Ready"

ALL: Final = (ARTIFACT_READY, AVAILABLE, PROGRESSING, DEGRADED, READY)
