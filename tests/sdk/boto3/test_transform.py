"""Batch transform, as plain boto3 drives it: what goes to the model, and what comes out of it."""

import gzip
import json
import struct
import time

import pytest

ECHO = """
import json, os
def model_fn(model_dir):
    return json.loads(open(model_dir + "/weights.json").read())
def input_fn(body, content_type):
    return body if isinstance(body, bytes) else body.encode()
def predict_fn(data, model):
    return data
def output_fn(prediction, accept):
    return json.dumps({"bytes": len(prediction), "text": prediction.decode("latin-1")[:200]}), "application/json"
"""

SUMS = """
import csv, io
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return [[float(cell) for cell in row] for row in csv.reader(io.StringIO(body)) if row]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, accept):
    return "".join(f"{value:g}\\n" for value in sums), "text/csv"
"""

FINAL = ("Completed", "Failed", "Stopped")


class Transforms:
    """Submits transform jobs and reads what they made."""

    def __init__(self, account):
        self.account = account
        self.sagemaker = account.sagemaker

    def request(self, model, uri, **members):
        name = members.pop("TransformJobName", None) or self.account.unique("transform")
        given = {"ContentType": "text/csv", **members.pop("TransformInput", {})}
        given["DataSource"] = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **given.pop("S3", {})}}
        output = {"S3OutputPath": f"s3://{self.account.bucket}/{name}/out", **members.pop("TransformOutput", {})}
        return {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": given,
            "TransformOutput": output,
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **members,
        }

    def create(self, model, uri, **members):
        request = self.request(model, uri, **members)
        self.sagemaker.create_transform_job(**request)
        return request["TransformJobName"]

    def ended(self, name, seconds=120):
        deadline = time.monotonic() + seconds
        while True:
            described = self.sagemaker.describe_transform_job(TransformJobName=name)
            if described["TransformJobStatus"] in FINAL:
                return described
            assert time.monotonic() < deadline, f"{described}\n{self.log(name)}"
            time.sleep(0.03)

    def run(self, model, uri, **members):
        """The last description, whatever the outcome."""
        return self.ended(self.create(model, uri, **members))

    def outputs(self, described):
        """Output objects by their key relative to the output path."""
        prefix = described["TransformOutput"]["S3OutputPath"].removeprefix(f"s3://{self.account.bucket}/") + "/"
        return {key: self.account.get(f"s3://{self.account.bucket}/{prefix}{key}") for key in self.account.keys(prefix)}

    def succeed(self, model, uri, **members):
        described = self.run(model, uri, **members)
        name = described["TransformJobName"]
        assert described["TransformJobStatus"] == "Completed", f"{described.get('FailureReason')}\n{self.log(name)}"
        return self.outputs(described)

    def log(self, name):
        return "\n".join(self.account.log(name, "/aws/sagemaker/TransformJobs"))


@pytest.fixture(scope="module")
def transforms(account):
    return Transforms(account)


@pytest.fixture(scope="module")
def echo(account):
    """A model that answers with the size and the text of what it got."""
    return account.model({"weights.json": "{}"}, ECHO)


@pytest.fixture(scope="module")
def sums(account):
    """A model that answers with the sum of each CSV row, one a line."""
    return account.model({"weights.json": "{}"}, SUMS)


LINES = {"TransformInput": {"SplitType": "Line"}, "TransformOutput": {"AssembleWith": "Line", "Accept": "text/csv"}}


def test_each_object_becomes_one_output_named_after_its_relative_key(transforms, account, sums):
    base = account.unique("data")
    account.put(f"{base}/a.csv", "1,2\n3,4\n")
    account.put(f"{base}/deep/er/b.csv", "5,6\n")
    account.put(f"{base}/deep/empty.csv", "")
    outputs = transforms.succeed(sums, f"s3://{account.bucket}/{base}/", **LINES)
    assert outputs == {"a.csv.out": b"3\n7\n", "deep/er/b.csv.out": b"11\n", "deep/empty.csv.out": b""}
