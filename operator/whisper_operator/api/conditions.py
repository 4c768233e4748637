"""The types of conditions: all are there from the first visit."""

from typing import Final

ARTIFACT_READY: Final = "ArtifactReady"
AVAILABLE: Final = "Available"
PROGRESSING: Final = "Progressing"
DEGRADED: Final = "Degraded"
UP_TO_DATE: Final = "UpToDate"
READY: Final = "Ready"

#: What each says when it is True.
MEANINGS: Final = {
    ARTIFACT_READY: "The artifact that the spec asks for is published.",
    AVAILABLE: "Some revision has a ready server.",
    PROGRESSING: "The operator, or what it started, is at work.",
    DEGRADED: "A person is needed.",
    UP_TO_DATE: "The source still holds what the artifact was made of; Unknown where nobody has asked it.",
    READY: "The status is about the spec as it is, and all replicas serve the artifact that it asks for.",
}
ALL: Final = tuple(MEANINGS)
