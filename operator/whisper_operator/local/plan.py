"""What is to be run for a WhisperModel on this machine. Pure: the spec and the places in, command lines out.

The command lines are those of the pods, made by the same builders; only the places differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from whisper_contract.reasons import Reason as LoaderReason
from whisper_contract.store import artifact_path
from whisper_contract.uris import FileSource
from whisper_operator.api.inputs import inputs_hash, shown_uri, source_uri
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.spec import Device, Server, Spec, Strategy, Volume
from whisper_operator.api.status import Artifact
from whisper_operator.builders.job import PULL, STEPS, step_arguments
from whisper_operator.builders.server_files import FileKind, server_files
from whisper_operator.builders.server_flags import flags_of_spec
from whisper_operator.builders.source_access import proxy_environment, reach_flags
from whisper_operator.local.content import Declared

#: Tells whether a file is there.
Exists = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are on this machine.

    Attributes:
        store: of the artifacts.
        objects: holds a folder Secret/NAME and ConfigMap/NAME for each object of the file.
        secrets: holds a folder NAME for each Secret that the file leaves out; None when nobody named one.
        volumes: the directory that stands for each claim.
        private: whether this machine alone can reach the servers.
    """

    store: Path
    objects: Path
    secrets: Path | None = None
    volumes: Mapping[str, Path] = field(default_factory=dict)
    private: bool = True

    def of(self, kind: FileKind, name: str, exists: Exists) -> Path:
        """Return the folder with the keys of an object, whether it is there or not."""
        own = self.objects / kind / name
        if kind is FileKind.SECRET and self.secrets is not None and not exists(own):
            return self.secrets / name
        return own


@dataclass(frozen=True, slots=True)
class Pull:
    """How a model gets into the store.

    Attributes:
        inputs: tells one pull from another; names what an interrupted one has left, too.
        shown: the source, for people.
        steps: the arguments of whisper-model for each step, in order.
        environment: of these processes, beside the user's own.
    """

    inputs: str
    shown: str
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Serving:
    """How it is served.

    Attributes:
        arguments: of whisper-server, but for the model and the ports.
        environment: of the process, beside the user's own.
        surge: whether a new server is ready before the old one ends.
        deadline_seconds: how long a server may take to become ready.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    surge: bool
    deadline_seconds: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is wanted for one WhisperModel.

    Attributes:
        pull: None when the artifact is named outright.
        artifact: that artifact.
        serving: None when no server is wanted.
        problem: what keeps it from being carried out, until the file or the machine changes.
        keep: how many of the artifacts that have served are kept.
    """

    name: str
    paused: bool = False
    pull: Pull | None = None
    artifact: Artifact | None = None
    serving: Serving | None = None
    problem: Finding | None = None
    keep: int = 2


def plan(declared: Declared, places: Places, exists: Exists = Path.exists) -> Plan:
    """Return what is to be run."""
    spec = declared.spec
    problem = _missing_claim(spec, places) or _missing_file(spec, places, exists)
    if spec.paused or problem is not None:
        return Plan(declared.name, paused=spec.paused, problem=problem, keep=spec.cache.keep_revisions)
    artifact = _named_artifact(spec)
    return Plan(
        declared.name,
        pull=_pull(spec, places, exists) if artifact is None else None,
        artifact=artifact,
        serving=_serving(declared.name, spec.server, places, exists) if spec.server.replicas else None,
        keep=spec.cache.keep_revisions,
    )


def notes(declared: Declared) -> list[str]:
    """Return what of the spec is otherwise here than in a cluster, each in a line."""
    found = []
    if declared.ignored:
        found.append(f"of no effect on one machine: {', '.join(f'spec.{name}' for name in declared.ignored)}")
    if declared.spec.server.replicas > 1:
        found.append(f"spec.server.replicas is {declared.spec.server.replicas}: one server runs on one machine")
    return found


def _missing_claim(spec: Spec, places: Places) -> Finding | None:
    volume = spec.source.volume
    if volume is None or volume.claim_name in places.volumes:
        return None
    return Finding(
        Reason.CLAIM_NOT_FOUND,
        f"spec.source.volume names the claim {volume.claim_name}, for which no directory stands here",
        f"Say which one: --volume {volume.claim_name}=DIRECTORY.",
    )


def _missing_file(spec: Spec, places: Places, exists: Exists) -> Finding | None:
    """Return what a server could not be started without; what only a pull needs is the loader's to tell."""
    for files in server_files(spec.server):
        folder = places.of(files.kind, files.name, exists)
        missing = next((key for key in files.keys.values() if not exists(folder / key)), None)
        if missing is None:
            continue
        add = f"Add it to the file as a document of kind {files.kind}"
        file = (places.secrets or Path("DIR")) / files.name / missing
        option = "" if places.secrets else " with --secrets DIR"
        other = f", or as {file}{option}" if files.kind is FileKind.SECRET else ""
        if exists(folder):
            detail = f"the {files.kind} {files.name} that spec.{files.field} names lacks the key {missing}"
            return Finding(LoaderReason.SECRET_KEY_MISSING, detail, f"{add}{other}.")
        detail = f"there is no {files.kind} {files.name}, which spec.{files.field} names"
        return Finding(LoaderReason.SECRET_NOT_FOUND, detail, f"{add}{other}.")
    return None


def _named_artifact(spec: Spec) -> Artifact | None:
    """Return the artifact that is served whatever the source holds."""
    if spec.source.baked is not None:
        return Artifact(path=spec.source.baked.path)
    if spec.pin is None:
        return None
    hex_digest = spec.pin.removeprefix("sha256:")
    return Artifact(digest=spec.pin, short_digest=hex_digest[:12], path=str(artifact_path(hex_digest)))


def _pull(spec: Spec, places: Places, exists: Exists) -> Pull:
    secret, bundle = spec.source.secret_name, spec.pull.ca_bundle_ref
    access = reach_flags(
        spec,
        secret=places.of(FileKind.SECRET, secret, exists) if secret else None,
        ca_bundle=places.of(FileKind.CONFIG_MAP, bundle.name, exists) / bundle.key if bundle else None,
        timeout_seconds=spec.pull.timeout_seconds,
    )
    uri = _uri(spec, places)
    steps = (
        (step, tuple(step_arguments(spec, step, uri, str(places.store), access if step == PULL else ())))
        for step in STEPS
    )
    shown = uri if spec.source.volume is not None else shown_uri(spec.source)
    return Pull(inputs_hash(spec), shown, tuple(steps), proxy_environment(spec.pull.proxy))


def _uri(spec: Spec, places: Places) -> str:
    match spec.source.volume:
        case Volume(claim_name=claim, path=path):
            return str(FileSource(PurePosixPath(places.volumes[claim].absolute(), path)))
        case _:
            return source_uri(spec.source)


def _serving(name: str, server: Server, places: Places, exists: Exists) -> Serving:
    files = [
        part
        for found in server_files(server)
        for flag, key in found.keys.items()
        for part in (flag, str(places.of(found.kind, found.name, exists) / key))
    ]
    # Nobody has to learn of the end first: clients of one machine know one address.
    arguments = flags_of_spec(name, server, device=_device(server), drain_delay_seconds=0, files=files)
    return Serving(
        tuple(arguments),
        _page(places) | {variable.name: variable.value for variable in server.env},
        surge=server.rollout.strategy is Strategy.SURGE,
        deadline_seconds=server.rollout.progress_deadline_seconds,
    )


def _page(places: Places) -> dict[str, str]:
    """Return what asks for the page to try a model, where nobody else gets at it; the spec may say otherwise."""
    return {"WHISPER_SERVER_HTTP_PAGE": "true"} if places.private else {}


def _device(server: Server) -> Device:
    """Return the device: a GPU is used where there is one, unless the spec asks for none."""
    return Device.CPU if server.device is Device.AUTO and server.gpu.count == 0 else server.device
