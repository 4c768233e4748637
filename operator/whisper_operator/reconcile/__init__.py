"""One visit to one WhisperModel: observe, decide (pure), apply, write the status. Level-triggered and idempotent.

observation   what is there: the model, its children, its peers
claims        what stands in the way of a pull: missing claims, access modes
mounts        why a pod that has a node does not get its containers
pods          why a pod does not run, and with what its containers ended
refusals      why the API server refuses pods
jobs          what state a pull Job is in, and how it ended
pulling       what is to be done about the artifact: the next attempt, waiting, or nothing
refreshing    whether the source has moved, and when to ask it again
rollout       which artifact the servers get, and which ones have served
serving       what the servers are up to
autoscaling   whether the autoscaler can do its work
retention     what may be removed while a model lives on
tenants       who else is on a claim, and what they need there
claim_work    what is at work on a claim: pulls, or one Job that removes artifacts
applying      carrying out what was decided
server_objects   the same for the Deployment and what goes with it
causes        what made a Deployment change
fleet         whose turn it is when the operator itself makes servers change
attempts, ownership   carrying on after a refusal; leaving alone what is not ours
conditions    all that as conditions, and statuses as a whole status
events        what is worth a Kubernetes Event
measuring     pulls that have ended, for the metrics
reconciler    the visit itself
deletion      the visit to a model that is being deleted and whose artifacts go first
"""
