"""What is run for a WhisperModel on one machine: the command lines of the pods, with this machine's places."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.whispermodels import Spec, minimal, spec_with
from whisper_operator.api.spec import parse_spec
from whisper_operator.cli import build_parser
from whisper_operator.local.content import Declared
from whisper_operator.local.plan import Places, Plan, notes, plan
from whisper_operator.local.ports import Ports, PortsError, choose, is_private
from whisper_server.configuration.reading import parse_settings

PLACES = Places(
    Path("/data/models"), Path("/run/objects"), secrets=Path("/secrets"), volumes={"shared": Path("/srv/shared")}
)
DIGEST = "sha256:" + "ab" * 32


def planned(spec: Spec, *there: str) -> Plan:
    """The plan where only these files are there."""
    return plan(Declared("whisper", parse_spec(spec)), PLACES, lambda path: str(path) in there)


def pulled(spec: Spec, *there: str) -> dict[str, str]:
    """The arguments of each step, in a line."""
    pull = planned(spec, *there).pull
    assert pull is not None
    return {step: " ".join(arguments) for step, arguments in pull.steps}


def served(**server: Any) -> str:
    serving = planned(minimal() | {"server": server}).serving
    assert serving is not None
    return " ".join(serving.arguments)


def test_the_steps_of_a_pull_are_those_of_a_job() -> None:
    spec = minimal() | {"conversion": {"quantization": "int8"}, "pull": {"timeoutSeconds": 60}}
    assert pulled(spec) == {
        "pull": "s3://models/whisper.tar.zst --store /data/models --timeout 60 --quantization int8",
        "convert": "--store /data/models --quantization int8",
        "publish": "--store /data/models",
    }


def test_a_claim_is_the_directory_that_an_option_names() -> None:
    steps = pulled({"source": {"volume": {"claimName": "shared", "path": "a/b"}}})
    assert steps["pull"].startswith("file:///srv/shared/a/b ")


def test_a_claim_that_no_option_names_is_claim_not_found() -> None:
    problem = planned({"source": {"volume": {"claimName": "other"}}}).problem
    assert problem is not None
    assert problem.reason == "ClaimNotFound"
    assert problem.message.endswith("Say which one: --volume other=DIRECTORY.")


def test_a_secret_comes_from_the_file_or_else_from_the_folder_of_secrets() -> None:
    spec = spec_with("source.s3.secretRef", {"name": "keys"})
    assert "--secret-dir /secrets/keys" in pulled(spec)["pull"]
    assert "--secret-dir /run/objects/Secret/keys" in pulled(spec, "/run/objects/Secret/keys")["pull"]


def test_proxies_are_for_the_loader() -> None:
    pull = planned(spec_with("pull.proxy.noProxy", "a")).pull
    assert pull is not None
    assert pull.environment == {"NO_PROXY": "a", "no_proxy": "a"}


def test_a_certificate_that_is_missing_is_told_before_a_server_is_started() -> None:
    spec = spec_with("server.tls.secretName", "certificate")
    problem = planned(spec).problem
    assert problem is not None
    assert problem.message == (
        "there is no Secret certificate, which spec.server.tls.secretName names. "
        "Add it to the file as a document of kind Secret, or as /secrets/certificate/tls.crt."
    )
    assert planned(spec, "/secrets/certificate/tls.crt", "/secrets/certificate/tls.key").problem is None
    nowhere = plan(Declared("whisper", parse_spec(spec)), replace(PLACES, secrets=None), lambda _: False).problem
    assert nowhere is not None
    assert nowhere.message.endswith("kind Secret, or as DIR/certificate/tls.crt with --secrets DIR.")


def test_a_pin_and_a_baked_model_are_not_pulled() -> None:
    pinned = planned(minimal() | {"pin": DIGEST})
    assert (pinned.pull, pinned.artifact and pinned.artifact.path) == (None, f"artifacts/{'ab' * 32}")
    baked = planned({"source": {"baked": {"path": "/model"}}, "server": {"image": "mine"}})
    assert (baked.pull, baked.artifact and baked.artifact.path) == (None, "/model")


def test_nothing_is_served_with_no_replicas_and_nothing_done_while_paused() -> None:
    assert planned(spec_with("server.replicas", 0)).serving is None
    assert planned(minimal() | {"paused": True}) == Plan("whisper", paused=True)


@pytest.mark.parametrize(
    ("server", "device"), [({}, "auto"), ({"gpu": {"count": 0}}, "cpu"), ({"device": "cuda"}, "cuda")]
)
def test_a_gpu_is_used_where_there_is_one(server: dict[str, Any], device: str) -> None:
    assert f"--device {device} " in served(**server)


def test_a_server_gets_what_the_spec_says_of_it_and_ends_without_waiting_for_endpoints() -> None:
    arguments = served(modelNames=["a", "b"], options={"maxBatch": 4}, rollout={"drainSeconds": 7})
    assert arguments == "--model-name a,b --device auto --drain-delay-seconds 0 --grace-seconds 7 --max-batch 4"


def test_what_is_otherwise_than_in_a_cluster_is_noted() -> None:
    declared = Declared("whisper", parse_spec(spec_with("server.replicas", 3)), ("cache.size", "refresh"))
    assert notes(declared) == [
        "of no effect on one machine: spec.cache.size, spec.refresh",
        "spec.server.replicas is 3: one server runs on one machine",
    ]


def test_each_model_gets_the_first_ports_that_are_free() -> None:
    first = choose("a", None, [], lambda port: True)
    assert first == Ports(50051, 8000, 8001)
    assert choose("b", None, [first], lambda port: port != 8010) == Ports(50071, 8020, 8021)


def test_fixed_ports_that_are_taken_are_told_of() -> None:
    with pytest.raises(PortsError, match=r"port 8000 is in use: .* \(--ports a=GRPC,HTTP,PROBE"):
        choose("a", Ports(50051, 8000, 8001), [], lambda port: port != 8000)


def test_an_address_at_which_nothing_can_listen_is_refused_with_one_that_can(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["up", "model.yaml", "--host", "192.0.2.7"])
    assert "nothing can listen on '192.0.2.7' (Cannot assign requested address): take one" in capsys.readouterr().err
    assert build_parser().parse_args(["up", "model.yaml", "--host", "0.0.0.0"]).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "private", "page"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:8000/"),
        ("::1", True, "http://[::1]:8000/"),
        ("localhost", True, "http://localhost:8000/"),
        ("0.0.0.0", False, "http://localhost:8000/"),
        ("", False, "http://localhost:8000/"),
        ("192.0.2.7", False, "http://192.0.2.7:8000/"),
    ],
)
def test_the_page_is_told_by_a_name_that_this_machines_browser_reaches(host: str, page: str, *, private: bool) -> None:
    assert is_private(host) == private
    assert Ports(50051, 8000, 8001).page_address(host, "http") == page


@pytest.mark.parametrize(
    ("private", "server", "served"),
    [
        (True, {}, True),
        (True, {"env": [{"name": "WHISPER_SERVER_HTTP_PAGE", "value": "false"}]}, False),
        (True, {"options": {"httpPage": False}}, False),
        (False, {}, False),
        (False, {"options": {"httpPage": True}}, True),
    ],
)
def test_the_page_is_served_where_nobody_else_gets_at_it_or_the_spec_says_so(
    server: dict[str, Any], *, private: bool, served: bool
) -> None:
    declared = Declared("whisper", parse_spec(minimal() | {"server": server}))
    serving = plan(declared, replace(PLACES, private=private)).serving
    assert serving is not None
    assert parse_settings(["--model", "m", *serving.arguments], serving.environment).http_page is served
