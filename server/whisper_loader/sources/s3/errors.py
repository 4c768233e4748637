"""The border where boto3's errors become the loader's, for everything that talks to S3."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import SSLError as BotoSSLError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as ConnectionBrokenError

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; a reply without a body becomes a bare number.
_REASONS = (
    (Reason.SOURCE_NOT_FOUND, {"NoSuchBucket", "NoSuchKey", "NoSuchVersion", "NotFound", "404", "405"}),
    (Reason.SOURCE_NOT_FOUND, {"MethodNotAllowed", "InvalidArgument", "InvalidBucketName", "PermanentRedirect", "301"}),
    (Reason.SOURCE_NOT_FOUND, {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}),
    (
        Reason.UNAUTHORIZED,
        {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403", "401"},
    ),
    (Reason.UNAUTHORIZED, {"XAdminUserNotFound"}),  # versitygw's word for InvalidAccessKeyId
    (Reason.UNAUTHORIZED, {"InvalidToken", "TokenRefreshRequired", "RequestTimeTooSkewed", "AllAccessDisabled"}),
    # And STS's, for a pod's own identity.
    (Reason.UNAUTHORIZED, {"InvalidIdentityToken", "ExpiredTokenException", "IDPRejectedClaim"}),
    (Reason.SOURCE_UNREACHABLE, {"IDPCommunicationError"}),
    (Reason.SOURCE_CHANGED, {"PreconditionFailed", "412", "InvalidRange", "416"}),
    (Reason.SOURCE_UNREACHABLE, {"SlowDown", "RequestTimeout", "RequestTimeoutException", "429"}),
    # Of writing; the quota's and the full disk's names are Ceph's and MinIO's.
    (Reason.OUT_OF_SPACE, {"QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "507"}),
    (Reason.SPEC_INVALID, {"EntityTooLarge", "413", "NotImplemented", "501"}),
)
_REASON_BY_CODE = {code: reason for reason, codes in _REASONS for code in codes}
_CONNECTION_ERRORS = (
    BotoConnectionError,
    ConnectionBrokenError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
_HINTS = {
    "PermanentRedirect": "the bucket is in another region or behind another endpoint",
    "301": "the bucket is in another region or behind another endpoint",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object in the bucket; files below a prefix are named by the prefix and a /",
    "NoSuchVersion": "the object has no such version",
    "InvalidArgument": "the object has no such version",
    "InvalidAccessKeyId": "the access key is not known there",
    "XAdminUserNotFound": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret access key is wrong",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not known there",
    "InvalidIdentityToken": "STS does not take the pod's token: check the role's trust policy",
    "ExpiredTokenException": "the pod's token has expired",
    "AccessDenied": "these credentials may not read it",
    "PreconditionFailed": "it was replaced while it was being read",
    "EntityTooLarge": "it is larger than the service takes",
    "413": "it is larger than the service takes",
    "NotImplemented": "the service knows no such way to write",
    "QuotaExceeded": "the bucket's quota is used up",
    "XMinioAdminBucketQuotaExceeded": "the bucket's quota is used up",
    "XMinioStorageFull": "the service has no room for it",
    "507": "the service has no room for it",
}
# What the same codes say when something was to be written.
_UPLOAD_HINTS = {
    **_HINTS,
    "AccessDenied": "these credentials may not write it",
    "403": "these credentials may not write it",
    "MethodNotAllowed": "nothing can be written there: the service only reads",
    "405": "nothing can be written there: the service only reads",
    "PreconditionFailed": "what is there may not be replaced: push under another name",
    "InvalidArgument": "the service does not take what was asked for, as a key for encryption",
}


@contextmanager
def s3_errors(what: str, *, writing: bool = False) -> Iterator[None]:
    """Map boto3's errors; `what` names the source in the sentence. boto3's own is not repeated: it may hold a URL."""
    try:
        yield
    except ClientError as error:
        raise _from_reply(what, error, _UPLOAD_HINTS if writing else _HINTS) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise LoaderError(Reason.UNAUTHORIZED, f"{what}: no credentials were given and none were found") from error
    except CredentialRetrievalError as error:
        # The agent may be busy as well as unwilling; boto3 tells both by one name.
        sentence = "what gives this pod its AWS credentials refused or did not answer: check the pod's identity"
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: {sentence}") from error
    except BotoSSLError as error:
        sentence = "the TLS certificate is not trusted (a CA bundle can be given), or the port speaks no TLS"
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: {sentence}") from error
    except _CONNECTION_ERRORS as error:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: no connection ({type(error).__name__})") from error
    except (ResponseParserError, KeyError) as error:
        raise no_s3(what) from error
    except (BotoCoreError, ValueError) as error:
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: {type(error).__name__}: the request can't be made") from error


def no_s3(what: str) -> LoaderError:
    """Return what to raise when the answer is none of S3's: a portal's page, or a port for people's browsers."""
    message = f"{what}: what answers there does not speak S3's protocol: check the endpoint, its port and proxies"
    return LoaderError(Reason.SOURCE_UNREACHABLE, message)


def _from_reply(what: str, error: ClientError, hints: Mapping[str, str]) -> LoaderError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reason = _REASON_BY_CODE.get(code) or _REASON_BY_CODE.get(str(status))
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if reason is None:
        reason = Reason.SOURCE_UNREACHABLE if failed else Reason.SPEC_INVALID
    # boto3 makes a failure of a success that it can't read.
    other = "S3 failed, or what answers there does not speak S3's protocol" if failed else "S3 refused the request"
    hint = hints.get(code) or hints.get(str(status), other)
    return LoaderError(reason, f"{what}: {hint} ({code or status})")
