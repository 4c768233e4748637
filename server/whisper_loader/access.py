"""What a source is given to be reached with."""

from dataclasses import dataclass, field
from pathlib import Path

from whisper_loader.deadline import Deadline
from whisper_loader.secrets import SecretFolder


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a source, beside its name.

    Attributes:
        endpoint: URL of the service when it is not the provider's own.
        region: S3's.
        anonymous: ask without credentials even where some are at hand.
        secret: the mounted Secret; None leaves it to the provider's usual chain (environment, files, cloud identity).
        ca_bundle: PEM file of authorities to trust in place of the machine's.
        deadline: bounds every wait.
    """

    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False
    secret: SecretFolder | None = None
    ca_bundle: Path | None = None
    deadline: Deadline = field(default_factory=Deadline)
