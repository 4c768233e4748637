"""What only kubelet's events tell: a Secret or a volume that a pod waits for. The test is the kubelet."""

import json

from tests.integration.world import JSON, World, now


def prepare(world: World, pod: JSON) -> None:
    """Let a kubelet take up the pod."""
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now()}
    creating = {"waiting": {"reason": "ContainerCreating"}}
    container = {"name": "server", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": creating}
    world.set_status(pod, phase="Pending", conditions=[scheduled], containerStatuses=[container])


def warn(world: World, pod: JSON, reason: str, message: str) -> None:
    """Write the event that a kubelet writes about the pod."""
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": world.namespace}
    about |= {field: pod["metadata"][field] for field in ("name", "uid")}
    event: JSON = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{pod['metadata']['name']}.1"},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "count": 2,
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "source": {"component": "kubelet"},
    }
    world.kubectl("apply", "--filename=-", stdin=json.dumps(event))


def test_a_secret_that_is_not_there_is_told_by_its_name_and_field(world: World) -> None:
    world.apply(server={"tls": {"secretName": "certificate"}, "auth": {"secretRef": {"name": "callers"}}})
    world.publish(world.until_job())
    world.until("a server is made", lambda: len(world.server_pods()) == 1)
    (pod,) = world.server_pods()
    prepare(world, pod)
    world.until_condition("Ready", "False", "RollingOut")
    warn(world, pod, "FailedMount", 'MountVolume.SetUp failed for volume "tokens" : secret "callers" not found')
    degraded = world.until_condition("Degraded", "True", "SecretNotFound")
    assert degraded["message"].startswith("The Secret callers (server.auth.secretRef) does not exist. Create it")
    world.serve()
    world.until_condition("Degraded", "False", "ServersReady")


def test_a_volume_that_a_pull_cannot_mount_is_told(world: World) -> None:
    world.apply()
    pull = world.until_job()
    prepare(world, pull)
    warn(world, pull, "FailedMount", 'MountVolume.SetUp failed for volume "pv-1" : mount.nfs: Connection timed out')
    degraded = world.until_condition("Degraded", "True", "VolumeFailed")
    assert "mount.nfs: Connection timed out" in degraded["message"]
    world.publish(pull)
    world.serve()
