"""What can go wrong for a person: each is one sentence with a next step, and an exit code."""

from enum import IntEnum

import grpc


class ExitCode(IntEnum):
    """How the command ends."""

    DONE = 0
    #: Trying again may help: the server is not reachable or busy, or took too long.
    RETRY = 1
    #: The command line is wrong.
    USAGE = 2
    #: It can't succeed as it is: the server refuses it, or a file can't be read or written.
    REFUSED = 3
    #: Ctrl-C.
    INTERRUPTED = 130
    #: What reads our output went away.
    BROKEN_PIPE = 141


class ClientError(Exception):
    """The text is one sentence with a next step.

    Attributes:
        exit_code: how the command ends because of it.
        lasting: whether the next file would meet it too.
    """

    def __init__(self, message: str, exit_code: ExitCode, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.lasting = lasting


_REFUSED = {
    grpc.StatusCode.INVALID_ARGUMENT: "{details}",
    grpc.StatusCode.FAILED_PRECONDITION: "{details}",
    grpc.StatusCode.OUT_OF_RANGE: "{details}",
    grpc.StatusCode.NOT_FOUND: "{details}; `whisper-client model` tells the names",
}
_REFUSED_FOR_ALL = {
    grpc.StatusCode.UNAUTHENTICATED: "{details}: give a token that the server knows with --token-file",
    grpc.StatusCode.PERMISSION_DENIED: "{details}: ask whoever runs the server",
    grpc.StatusCode.UNIMPLEMENTED: "{address} does not speak whisper.v1 ({details}): "
    "is it a whisper-server, and not older than this client?",
}
_RETRY = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "it took too long ({details}): raise --timeout, or try again when there is less "
    "to do",
    grpc.StatusCode.CANCELLED: "the call was ended ({details}): try again",
}
#: What gRPC says of a connection that cannot be had, and what helps.
_UNREACHABLE = {
    "http1.x server": "it speaks HTTP, not gRPC: is another port of this server meant (gRPC's is 50051)?",
    "CERTIFICATE_VERIFY_FAILED": "nobody who is trusted here vouches for its certificate: name its authority with --ca",
    "Hostname Verification": "its certificate is for another name: call it by that, or name it with --server-name",
    "security handshaker": "--ca, --cert or --key is no PEM file of what it should be",
}
_THERE = "is a whisper-server running there, and does it want TLS (--tls) or not?"
_OTHERWISE = "the server failed ({code}: {details}): its log has more under request id {request_id}"


def as_client_error(error: grpc.RpcError, address: str, request_id: str) -> ClientError:
    """Return what a call's failure means to a person."""
    code, details = error.code(), error.details() or error.code().name
    words = {"details": details, "address": address, "code": code.name, "request_id": request_id}
    if code in _REFUSED:
        return ClientError(_REFUSED[code].format(**words), ExitCode.REFUSED)
    if code in _REFUSED_FOR_ALL:
        return ClientError(_REFUSED_FOR_ALL[code].format(**words), ExitCode.REFUSED, lasting=True)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        busy = retry_hint(error) is not None
        return ClientError(details, ExitCode.RETRY if busy else ExitCode.REFUSED, lasting=busy)
    if code is grpc.StatusCode.UNAVAILABLE:
        advice = next((advice for said, advice in _UNREACHABLE.items() if said in details), _THERE)
        return ClientError(f"{address} cannot be reached ({details}): {advice}", ExitCode.RETRY, lasting=True)
    return ClientError(_RETRY.get(code, _OTHERWISE).format(**words), ExitCode.RETRY)


def broken_off(error: grpc.RpcError, address: str) -> ClientError:
    """Return what it means that the server went away when something had come of the call already."""
    advice = "what has been written of it is not all: run it again"
    return ClientError(f"the connection to {address} broke off ({error.details()}): {advice}", ExitCode.RETRY)


def retry_hint(error: grpc.RpcError) -> float | None:
    """Return the seconds after which the server says that trying again is worthwhile; None when it does not say so.

    (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback)
    """
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-retry-pushback-ms" and str(value).isdecimal():
            return int(value) / 1000
    return None
