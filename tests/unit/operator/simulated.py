"""One WhisperModel in a small world: Jobs, a Deployment and its controller, as far as the operator's decisions see it.

No API server is played here: the pure functions of a visit are given what they would read, and what they decide is
done.
"""

import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.objects import SETTINGS
from tests.unit.operator.things import JSON, NOW, OVERDUE, ended, model, pod, running, says, server_pod
from whisper_contract.termination import TerminationMessage
from whisper_operator.api.model import Model
from whisper_operator.api.names import ANNOTATION_ARTIFACT
from whisper_operator.api.status import parse_status
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.job import build_job
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.reconcile import jobs, pulling, rollout
from whisper_operator.reconcile.conditions import Situation
from whisper_operator.reconcile.objects import format_time
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.serving import observe_servers
from whisper_operator.reconcile.statuses import build_paused_status, build_status, build_target

CLAIM = {"metadata": {"name": "m-models"}, "spec": {"accessModes": ["ReadWriteMany"]}, "status": {"phase": "Bound"}}


@dataclass
class Server:
    """A pod of the Deployment: the template that it was made from, and how it is."""

    template: str
    key: str
    ready: bool = False
    ending: str = ""

    @property
    def body(self) -> JSON:
        if self.ready:
            conditions = [{"type": "Ready", "status": "True"}]
            return server_pod(self.key, conditions=conditions, containerStatuses=[running("server")])
        if self.ending:
            crashed = ended("server", 1, says(self.ending, "serve")) | {"restartCount": 1}
            return server_pod(self.key, containerStatuses=[crashed])
        return server_pod(self.key, phase="Pending")


@dataclass
class World:
    """What there is.

    Attributes:
        contents: the digest that each sha256 in a spec pulls.
        store: the digests on the volume.
        writes: what the operator has changed so far, but for the status.
    """

    contents: dict[str, str]
    spec: JSON = field(default_factory=dict)
    retry: str = ""
    status: JSON = field(default_factory=dict)
    now: datetime = NOW
    jobs: list[JSON] = field(default_factory=list)
    job_pods: list[JSON] = field(default_factory=list)
    deployment: JSON | None = None
    servers: list[Server] = field(default_factory=list)
    store: set[str] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def model(self) -> Model:
        return model(retry=self.retry, status=self.status, **self.spec)

    @property
    def served(self) -> str | None:
        """The key of the artifact in the Deployment's template."""
        if self.deployment is None:
            return None
        return str(self.deployment["spec"]["template"]["metadata"]["annotations"][ANNOTATION_ARTIFACT])

    # The operator.

    def visit(self, *, killed: bool = False, refused: bool = False) -> None:
        """Do what a visit does; one that is `killed` writes no status, one that is `refused` cannot write the rest."""
        this = self.model
        seen = Observed(
            this,
            claim=CLAIM,
            jobs=tuple(sorted(self.jobs, key=jobs.attempt)),
            pods=(*self.job_pods, *(server.body for server in self.servers)),
            deployment=self.deployment,
        )
        wanted = this.spec.server.replicas
        if this.spec.paused:
            servers = observe_servers(self.deployment, seen.server_pods, wanted, claim_pending=False)
            self.status = build_paused_status(this, servers, self.now).to_json()
            return
        decision = pulling.decide(seen, self.now, SETTINGS)
        given = rollout.decide(seen, decision, self.now)
        if decision.start:
            self._start(this, decision.attempt or 1)
        for job in decision.delete:
            self._delete(job)
        built = None if refused else build_deployment(this, SETTINGS, given.artifact)
        if built is not None:
            self._apply(built)
        if killed:
            return
        servers = observe_servers(self.deployment, seen.server_pods, wanted, claim_pending=False)
        situation = Situation(decision, servers, rejection=given.rejection)
        target = build_target(this, situation, tried=built is not None)
        self.status = build_status(this, situation, given.artifact, target, None, self.now).to_json()

    def _start(self, this: Model, attempt: int) -> None:
        job = build_job(this, SETTINGS, attempt, PullPlacement.ANYWHERE)
        job["metadata"] |= {"uid": f"job-{next(self._numbers)}", "creationTimestamp": format_time(self.now)}
        self.jobs.append(job | {"status": {"conditions": []}})
        self.writes.append("start")

    def _delete(self, job: JSON) -> None:
        self.jobs.remove(job)
        self.job_pods = [one for one in self.job_pods if one["metadata"]["ownerReferences"][0]["uid"] != _uid(job)]
        self.writes.append("delete")

    def _apply(self, built: JSON) -> None:
        before = self.deployment
        if before is not None and before["spec"] == built["spec"]:
            return
        generation = before["metadata"]["generation"] + 1 if before is not None else 1
        built["metadata"]["generation"] = generation
        self.deployment = built | {"status": before["status"] if before is not None else {}}
        self.writes.append("apply")

    # The controllers, and what befalls them.

    def end_pull(self, *, well: bool) -> None:
        """Let the running Job end, if there is one."""
        for job in self.jobs:
            if not jobs.is_active(job):
                continue
            kind = "Complete" if well else "Failed"
            ending = {"type": kind, "status": "True", "lastTransitionTime": format_time(self.now)}
            job["status"] = {"conditions": [ending]}
            self.job_pods.append(self._published(job) if well else _failed(job))

    def _published(self, job: JSON) -> JSON:
        arguments = job["spec"]["template"]["spec"]["initContainers"][0]["args"]
        digest = self.contents[arguments[arguments.index("--sha256") + 1]]
        self.store.add(digest)
        message = TerminationMessage(step="publish", reason="Published", message="", digest=digest)
        return pod(_uid(job), phase="Succeeded", containerStatuses=[ended("publish", 0, message)])

    def sync(self) -> None:
        """Let the Deployment's controller look once: a surge, whose old servers go when the new ones are ready."""
        if self.deployment is None:
            return
        template, wanted = json.dumps(self.deployment["spec"]["template"]), self.deployment["spec"]["replicas"]
        status = self.deployment["status"]
        new = [server for server in self.servers if server.template == template][:wanted]
        new += [Server(template, str(self.served)) for _ in range(wanted - len(new))]
        complete = all(server.ready for server in new)
        old = [server for server in self.servers if server.template != template and server.ready and not complete]
        self.servers = [*new, *old]
        # A deadline counts until a rollout is over or another begins.
        conditions = [] if complete or status.get("template") != template else status.get("conditions", [])
        self.deployment["status"] = {
            "template": template,
            "observedGeneration": self.deployment["metadata"]["generation"],
            "replicas": len(self.servers),
            "updatedReplicas": len(new),
            "readyReplicas": sum(server.ready for server in self.servers),
            "conditions": conditions,
        }

    def start_servers(self, broken: frozenset[str]) -> None:
        """Let the servers that wait become ready, or end when their artifact is broken."""
        for server in self.servers:
            if server.key in broken:
                server.ending = "WarmUpFailed"
            else:
                server.ready = True

    def pass_deadline(self) -> None:
        """Let the rollout's deadline pass, if one is under way."""
        if self.deployment is None or not self.deployment["status"]:
            return
        status = self.deployment["status"]
        of_it = [server for server in self.servers if server.template == status["template"]]
        if not all(server.ready for server in of_it):
            status["conditions"] = [OVERDUE]

    def wait(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    # What a test looks at.

    def snapshot(self) -> str:
        """All that the operator could have changed."""
        return json.dumps([self.status, self.writes, self.jobs, self.deployment], sort_keys=True)

    def condition(self, kind: str) -> str:
        found = parse_status(self.status).condition(kind)
        return found.status if found is not None else "Unknown"


def _uid(job: JSON) -> str:
    return str(job["metadata"]["uid"])


def _failed(job: JSON) -> JSON:
    return pod(_uid(job), phase="Failed", initContainerStatuses=[ended("pull", 65, says("Unauthorized"))])
