"""The file of `whisper-operator up`: refused for the same reasons as by the API server, and in its words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.crd_rules import NAMES, TWINS, Twins
from tests.integration.test_crd_rules import messages
from tests.support import local_schema
from tests.support.whispermodels import Spec, minimal, model, schema, spec_with
from whisper_operator.api.names import API_VERSION
from whisper_operator.builders.server_files import FileKind
from whisper_operator.local.content import Content, ContentError, parse_content, read_content
from whisper_operator.local.rules import NAME_RULES, RULES, TEXTS

#: Rules of fields that have no effect on one machine, and of changes of them.
OF_A_CLUSTER = (
    "cache.",
    "a size is",
    "claimName names",
    "a request is",
    "GPUs are asked",
    "labels of",
    "annotations of",
    "a toleration",
    "tolerationSeconds",
    "In, NotIn",
    "In and NotIn",
    "Gt and Lt",
    "minReplicas",
    "a metric has",
    "autoscaling by CPU",
    "a budget has",
    "minDomains",
    "a quantity is",
    "the pods do not run as root",
    "one server uses one GPU",  # the schema's own limit refuses it here, too
)
KNOWN = {rule.message for rule in RULES} | {text.message for text in TEXTS}
HERE = [twins for twins in TWINS if twins.message in KNOWN]


def content(*documents: Any) -> Content:
    return parse_content(yaml.safe_dump_all(documents), "model.yaml")


def problems(*documents: Any) -> str:
    with pytest.raises(ContentError) as refused:
        content(*documents)
    return "\n".join(refused.value.problems)


@pytest.mark.parametrize("twins", HERE, ids=lambda twins: twins.name)
def test_a_rule_of_the_resource_lets_pass_and_refuses_the_same_here(twins: Twins) -> None:
    content(model(twins.accepted))
    assert twins.message in problems(model(twins.refused))


@pytest.mark.parametrize(("message", "accepted", "refused"), NAMES, ids=["length", "first letter", "dots"])
def test_a_name_is_refused_as_the_api_server_does(message: str, accepted: str, refused: str) -> None:
    content(model(minimal(), accepted))
    assert message in problems(model(minimal(), refused))


def test_no_rule_is_forgotten_but_those_of_a_cluster() -> None:
    known = KNOWN | {message for message, _ in NAME_RULES}
    missing = {message for message in messages(schema()) if not message.startswith(OF_A_CLUSTER)} - known
    assert missing == set()


def test_the_schema_is_made_of_the_resource() -> None:
    assert local_schema.FILE.read_text() == local_schema.text(), "run `make manifests`"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (minimal() | {"servr": {}}, 'unknown field "spec.servr": do you mean server?'),
        ({"source": {"s3": {"bucket": "models"}}}, "spec.source.s3.key: Required value"),
        (
            spec_with("server.device", "tpu"),
            'spec.server.device: Unsupported value: "tpu": supported values: "auto", "cuda", "cpu"',
        ),
        (spec_with("server.replicas", 1001), "spec.server.replicas in body should be less than or equal to 1000"),
        (spec_with("server.replicas", "x"), "spec.server.replicas in body must be of type integer"),
        (spec_with("sha256", "ABC"), "spec.sha256 in body should match '^[a-f0-9]{64}$'"),
        (spec_with("server.modelNames", []), "spec.server.modelNames in body should have at least 1 items"),
    ],
    ids=["unknown", "missing", "enum", "maximum", "type", "pattern", "few items"],
)
def test_a_wrong_field_is_named_in_the_api_servers_words(spec: Spec, said: str) -> None:
    assert said in problems(model(spec))


def test_fields_of_a_cluster_are_read_and_told_of() -> None:
    (declared,) = content(model(spec_with("server.nodeSelector", {"zone": "a"}))).models
    assert declared.ignored == ("server.nodeSelector",)


def test_secrets_and_configmaps_stand_beside_the_models() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "data": {"token": "YQ==", "other": "Yg=="},
        "stringData": {"token": "c"},
    }
    words = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"words.txt": "darn"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"}}
    found = content(model(minimal()), {"apiVersion": "v1", "kind": "List", "items": [secret, words]}, service)
    assert found.objects == {
        (FileKind.SECRET, "keys"): {"token": b"c", "other": b"b"},
        (FileKind.CONFIG_MAP, "words"): {"words.txt": b"darn"},
    }
    assert found.unused == ("Service/other",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "model.yaml is not YAML"),
        ("", "model.yaml holds no WhisperModel of stt.whisper-operator.io/v1alpha1"),
        ("a: 1\na: 2", 'the key "a" stands twice'),
        (
            "---\nkind: WhisperModel\napiVersion: stt.whisper-operator.io/v1",
            f"document 1 of model.yaml is no WhisperModel of {API_VERSION}, no Secret and no ConfigMap of v1: it says",
        ),
        ("hello", "document 1 of model.yaml is no WhisperModel of"),
        (f"kind: WhisperModel\napiVersion: {API_VERSION}\nspec: {{}}", "document 1 of model.yaml: metadata.name"),
        ("a: b\nc: [\n", "model.yaml is not YAML: line 3, column 1: while parsing a flow node, did not find expected"),
        ("a: \0", "model.yaml is not YAML: control characters are not allowed at position 3"),
        (
            "kind: Secret\napiVersion: v1\nmetadata: {name: ../../home}\nstringData: {a: b}",
            "metadata.name: lower-case letters",
        ),
        ("kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData: {../a: b}", "'../a' is no key"),
        ("kind: Secret\napiVersion: v1\nmetadata: {name: a}\ndata: {a: '?'}", "the value of data.a is not base64"),
        ("kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData: {a: 1}", "put it in quotation marks"),
    ],
    ids=[
        "broken",
        "empty",
        "a key twice",
        "another version",
        "no mapping",
        "no name",
        "where it is broken",
        "control character",
        "name",
        "key",
        "base64",
        "number",
    ],
)
def test_a_file_that_cannot_be_used_is_told_of_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ContentError) as refused:
        parse_content(text, "model.yaml")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("first", "next_one"),
    [("[x]", "[*a{0}, *a{0}]"), ("{k: v}", "{{k: *a{0}, l: *a{0}}}"), ("{k: v}", "{{<<: [*a{0}, *a{0}]}}")],
    ids=["lists", "mappings", "merges"],
)
def test_a_few_lines_that_stand_for_a_billion_values_are_refused_at_once(first: str, next_one: str) -> None:
    lines = [f"a0: &a0 {first}", *(f"a{n + 1}: &a{n + 1} {next_one.format(n)}" for n in range(40))]
    with pytest.raises(ContentError, match="stands for more than 100,000 values"):
        parse_content("\n".join(lines), "model.yaml")


def test_an_alias_within_what_it_stands_for_is_refused() -> None:
    with pytest.raises(ContentError, match="unconstructable recursive node"):
        parse_content("a: &a [*a]", "model.yaml")


def test_a_file_that_cannot_be_meant_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="larger than 16 MiB"):
        read_content(Path("/dev/zero"))
    written = tmp_path / "model.yaml"
    written.write_text(yaml.safe_dump(model(minimal())), encoding="utf-16")
    with pytest.raises(ContentError, match="is no text in UTF-8: save it as that"):
        read_content(written)


def test_an_editor_of_windows_may_write_the_file(tmp_path: Path) -> None:
    written = tmp_path / "model.yaml"
    written.write_text(yaml.safe_dump(model(minimal())), encoding="utf-8-sig", newline="\r\n")
    assert [declared.name for declared in read_content(written).models] == ["whisper"]


def test_two_models_of_one_name_are_refused() -> None:
    assert "two WhisperModels are called whisper" in problems(model(minimal()), model(minimal()))
