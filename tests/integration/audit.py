"""What the operator asked of the API server, from the API server's own audit log."""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.chart import NAMESPACE

WRITES = {"create", "patch", "update", "delete", "deletecollection"}

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # A watch is answered when it ends, which may be after the test: that it was started counts.
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": [f"system:serviceaccounts:{NAMESPACE}"]},
        {"level": "None"},
    ],
}


@dataclass(frozen=True)
class Call:
    """One request: `resource` with its subresource, as pods/log."""

    namespace: str
    verb: str
    group: str
    resource: str
    status: int


class Audit:
    """The audit log in a folder."""

    def __init__(self, folder: Path) -> None:
        self.policy = folder / "policy.yaml"
        self.log = folder / "audit.log"
        self.policy.write_text(yaml.safe_dump(_POLICY))

    def calls(self) -> list[Call]:
        """The operator's requests so far, in the order of their answers."""
        if not self.log.exists():
            return []
        whole_lines = self.log.read_text().split("\n")[:-1]
        entries = (json.loads(line) for line in whole_lines)
        return [_call(entry) for entry in entries if "objectRef" in entry]


def _call(entry: dict[str, object]) -> Call:
    reference, status = entry["objectRef"], entry.get("responseStatus", {})
    assert isinstance(reference, dict)
    assert isinstance(status, dict)
    resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
    namespace = reference.get("namespace", "")
    return Call(namespace, str(entry["verb"]), reference.get("apiGroup", ""), resource, status.get("code", 0))


def flags(audit: Audit) -> tuple[str, ...]:
    """The flags with which an API server keeps this log."""
    return (
        f"--audit-policy-file={audit.policy}",
        f"--audit-log-path={audit.log}",
        "--audit-log-mode=blocking",
    )
