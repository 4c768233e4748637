"""How S3 is to encrypt what is uploaded (https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html)."""

from dataclasses import dataclass

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

KMS = "aws:kms"
ALGORITHMS = ("AES256", KMS, "aws:kms:dsse")


@dataclass(frozen=True, slots=True)
class Encryption:
    """Server-side encryption; the bucket's own default when both are None.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        kms_key_id: a key of the key management service, by id, ARN or alias.
    """

    algorithm: str | None = None
    kms_key_id: str | None = None

    def __post_init__(self) -> None:
        """Raise LoaderError SpecInvalid for a key that the algorithm does not use."""
        if self.kms_key_id is not None and not (self.algorithm or "").startswith(KMS):
            raise LoaderError(Reason.SPEC_INVALID, f"--sse-kms-key-id belongs to --sse {KMS}")

    @property
    def extra_arguments(self) -> dict[str, str]:
        """What boto3's upload calls ExtraArgs."""
        given = {"ServerSideEncryption": self.algorithm, "SSEKMSKeyId": self.kms_key_id}
        return {name: value for name, value in given.items() if value is not None}
