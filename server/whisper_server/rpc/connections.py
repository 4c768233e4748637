"""How long connections last, and whether a port has any, as Linux tells it."""

import contextlib
from pathlib import Path

# Of this process's network namespace: a pod's own. https://docs.kernel.org/networking/proc_net_tcp.html
_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LOCAL_ADDRESS, _STATE = 1, 3
_ESTABLISHED = "01"

# gRPC lengthens or shortens the age of each connection by up to a tenth, so that not all end at once.
# https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md
_JITTER = 1.1
_ROUND_TRIP_SECONDS = 1.0


def longest_connection_seconds(max_age_seconds: int) -> float:
    """Return after how many seconds the last of today's clients knows that it has to reconnect."""
    return max_age_seconds * _JITTER + _ROUND_TRIP_SECONDS


def connected(port: int) -> bool:
    """Say whether anybody is connected to `port` of this machine; yes where that cannot be known."""
    if not any(table.exists() for table in _TABLES):
        return True
    return any(_established(table, port) for table in _TABLES)


def _established(table: Path, port: int) -> bool:
    local_port = f":{port:04X}"
    with contextlib.suppress(FileNotFoundError), table.open(encoding="ascii") as lines:
        next(lines, None)
        for line in lines:
            fields = line.split()
            if fields[_STATE] == _ESTABLISHED and fields[_LOCAL_ADDRESS].endswith(local_port):
                return True
    return False
