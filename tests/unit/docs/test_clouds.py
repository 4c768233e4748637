"""The pages about clouds: whom they let read which bucket is what their examples name."""

import json
from typing import Any

from tests.support.documents import read_yamls
from tests.support.pages import DOCS, fenced, sections

EXAMPLES = DOCS.parent / "examples"


def account_and_bucket(example: str, source: str) -> tuple[str, str]:
    """The ServiceAccount that pulls in an example, which the same file makes, and the bucket it pulls from."""
    account, *_, model = read_yamls((EXAMPLES / example).read_text())
    name: str = account["metadata"]["name"]
    assert (account["kind"], model["spec"]["pull"]["serviceAccountName"]) == ("ServiceAccount", name)
    return name, model["spec"]["source"][source]["bucket"]


def statements(heading: str) -> list[dict[str, Any]]:
    (policy,) = fenced(sections("aws.md")[heading], "json")
    found: list[dict[str, Any]] = json.loads(policy)["Statement"]
    return found


def test_the_role_on_aws_trusts_the_examples_account_and_reads_its_bucket() -> None:
    account, bucket = account_and_bucket("whispermodel-aws.yaml", "s3")
    (trust,) = statements("The identity")
    (only,) = trust["Condition"].values()
    assert only["OIDC-PROVIDER:sub"] == f"system:serviceaccount:NAMESPACE:{account}"
    assert {one["Action"]: one["Resource"] for one in statements("Its rights")} == {
        "s3:GetObject": f"arn:aws:s3:::{bucket}/*",
        "s3:ListBucket": f"arn:aws:s3:::{bucket}",
    }


def test_on_google_cloud_the_examples_account_may_read_its_bucket() -> None:
    account, bucket = account_and_bucket("whispermodel-gcs.yaml", "gcs")
    (command,) = fenced((DOCS / "google-cloud.md").read_text(), "sh")
    assert f" gs://{bucket} " in command
    assert command.endswith(f"/ns/NAMESPACE/sa/{account}\n")
