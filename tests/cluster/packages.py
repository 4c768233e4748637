"""Sees that the system's programs that a cluster's nodes and the images' builds need are there.

On Debian and its kin root gets them by apt-get; no service of theirs is started. Elsewhere a sentence names them.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.console import timed
from tests.cluster.errors import ClusterError
from tests.cluster.slots import machine_lock

# Program -> Debian package.
NODE = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "socat": "socat",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
IMAGES = {"buildah": "buildah", "debootstrap": "debootstrap", "zstd": "zstd"}

# Network plugins are not on anybody's PATH; Debian and the CNI project put them in different places.
PLUGIN_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin")
_SEARCHED = os.pathsep.join((os.defpath, "/usr/local/sbin", "/usr/sbin", "/sbin", *PLUGIN_FOLDERS))
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\n# Made by Whisper Operator while it installs packages: no service is started.\nexit 101\n"


def find(program: str) -> Path | None:
    """Where `program` is, in the places that daemons and network plugins live in, too."""
    path = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), _SEARCHED)))
    return Path(path) if path else None


def ensure(programs: Mapping[str, str]) -> None:
    """Installs what is missing of `programs` (program, or shared library such as libz.so.1 -> Debian package).

    Raises:
        ClusterError: Something is missing and cannot be installed here; names the packages.
    """
    if not _missing(programs):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(f"install these packages (their Debian names) and try again: {' '.join(_missing(programs))}")
    with machine_lock():
        packages = _missing(programs)
        if packages:
            _install(packages)


def _missing(programs: Mapping[str, str]) -> list[str]:
    return sorted({package for program, package in programs.items() if not _is_there(program)})


def _is_there(name: str) -> bool:
    if ".so." not in name:
        return find(name) is not None
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _install(packages: list[str]) -> None:
    with timed(f"installed Debian packages: {' '.join(packages)}"), _no_services():
        _apt_get("update")
        # Nothing that is on the machine may go for it.
        _apt_get("install", "--yes", "--no-install-recommends", "--no-remove", *packages)


def _apt_get(*arguments: str) -> None:
    command = ["apt-get", "--quiet", "--option=DPkg::Lock::Timeout=300", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian asks this file before a package starts its service. Another's stays as it is."""
    own = not _POLICY.exists() or _POLICY.read_text() == _POLICY_TEXT
    if own:
        _POLICY.write_text(_POLICY_TEXT)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if own:
            _POLICY.unlink()
