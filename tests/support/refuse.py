"""Runs a command to which the kernel refuses some system calls, as file systems do that lack them.

    python refuse.py fsync=EINVAL,rename=ENOSYS COMMAND [ARGUMENT…]

It is a seccomp filter: what the command sees is a real error of a real system call, wherever in it that is made.
"""

import ctypes
import errno
import os
import sys

# <seccomp.h>
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
# The C library picks one of each by the processor's architecture.
_SYSTEM_CALLS = {
    "fsync": ("fsync", "fdatasync"),
    "rename": ("rename", "renameat", "renameat2"),
    "utime": ("utime", "utimes", "futimesat", "utimensat"),
}


def refuse(faults: dict[str, str]) -> None:
    """Let this process's calls named in `faults` fail with the errno's name that stands there, from now on."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    for fault, name in faults.items():
        for call in _SYSTEM_CALLS[fault]:
            number = library.seccomp_syscall_resolve_name(call.encode())
            _check(library.seccomp_rule_add(rules, _ERRNO | getattr(errno, name), number, 0))
    _check(library.seccomp_load(rules))


def _check(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))


if __name__ == "__main__":
    refuse(dict(fault.split("=") for fault in sys.argv[1].split(",") if fault))
    os.execv(sys.argv[2], sys.argv[2:])
